import {DownloadError, ServerError} from './errors.js';
import {invoke} from './feed.js';
import type {Link} from './link.js';
import {newId} from './platform.js';

/** From where a download begins, and who follows it. */
export interface DownloadOptions {
  /** Where to begin, in bytes; 0 unless given. */
  offset?: number;
  /** Bytes that have come and bytes in all, `offset` included; the latter is undefined if the server does not tell. */
  onProgress?: (received: number, total: number | undefined) => void;
  /** Ends the download; its reason is what readers get. */
  signal?: AbortSignal;
}

/** Silence that ends a request, which is then made again. */
const SILENCE_MS = 30_000;
/** What is behind the server may be back soon. */
const PASSING = new Set(['UNAVAILABLE', 'RPC_TIMEOUT']);

/**
 * Made by `download`: `for await (const part of download)`, `await download.bytes()` or `await download.blob()`, once. Over
 * broken connections it goes on where it was, with `Range`, as long as the file is the same.
 */
export class Download implements AsyncIterable<Uint8Array> {
  /** Bytes in all, once the first have come. */
  size: number | undefined;
  /** What the server says that the file is, once the first bytes have come. */
  mimetype: string | undefined;

  private at: number;
  private etag: string | undefined;

  /** `file` is a file's id or its link. @internal */
  constructor(private readonly link: Link, private readonly file: string, private readonly options: DownloadOptions) {
    this.at = options.offset ?? 0;
  }

  /** Parts as they come. Throws DownloadError; ServerError if there is no such file. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const isLink = /^https?:/.test(this.file);
    let url: string | undefined = isLink ? this.file : undefined;
    for (let failures = 0; ; ) {
      const before = this.at;
      try {
        url ??= await this.freshLink();
        yield* this.parts(url);
        return;
      } catch (error) {
        this.options.signal?.throwIfAborted();
        if (error instanceof DownloadError && error.status === 403 && !isLink && url) {
          // The link has ended; the file need not have.
          url = undefined;
        } else if (isFinal(error)) throw error;
        failures = this.at > before ? 1 : failures + 1;
        await unlessAborted(this.link.backOff(failures, asDownloadError(error)), this.options.signal);
      }
    }
  }

  /** All of it. */
  async blob(): Promise<Blob> {
    const parts: Uint8Array[] = [];
    for await (const part of this) parts.push(part);
    return new Blob(parts as BlobPart[], this.mimetype === undefined ? {} : {type: this.mimetype});
  }

  /** All of it. */
  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await (await this.blob()).arrayBuffer());
  }

  private async freshLink(): Promise<string> {
    await unlessAborted(this.link.whenConnected(), this.options.signal);
    const message = {type: 'rpc_call', id: newId('rpc'), data: {method: 'files.get', params: {file_id: this.file}}};
    const {result} = (await this.link.ask(message, {signal: this.options.signal})).data;
    return result.url as string;
  }

  private async *parts(url: string): AsyncGenerator<Uint8Array> {
    const {signal} = this.options;
    const request = new AbortController();
    const abort = () => request.abort(signal?.reason);
    signal?.addEventListener('abort', abort, {once: true});
    if (signal?.aborted) abort();
    let timer = setTimeout(() => request.abort(), SILENCE_MS);
    try {
      const headers: Record<string, string> = {};
      if (this.at > 0) headers.Range = `bytes=${this.at}-`;
      if (this.at > 0 && this.etag) headers['If-Range'] = this.etag;
      const response = await fetch(url, {headers, signal: request.signal});
      if (!this.begin(response)) return;
      if (!response.body) return;
      const reader = response.body.getReader();
      for (;;) {
        const {done, value} = await reader.read();
        clearTimeout(timer);
        if (done) break;
        this.at += value.length;
        if (this.options.onProgress) void invoke(this.options.onProgress, this.at, this.size);
        yield value;
        timer = setTimeout(() => request.abort(), SILENCE_MS);
      }
      if (this.size !== undefined && this.at < this.size) throw new DownloadError('the connection ended before the file');
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      // Whoever stops reading wants no more of it.
      request.abort();
    }
  }

  /** False if there is nothing to come. */
  private begin(response: Response): boolean {
    const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '');
    if (response.status === 416 && range && Number(range[2]) === this.at) {
      this.size = this.at;
      return false;
    }
    if (!response.ok) throw new DownloadError(`the server answered HTTP ${response.status}`, response.status);
    if (this.at > 0 && (response.status !== 206 || Number(range?.[1]) !== this.at)) {
      throw new DownloadError('the file is not the same any more', response.status);
    }
    this.etag = response.headers.get('ETag') ?? undefined;
    this.mimetype = response.headers.get('Content-Type') ?? undefined;
    const length = response.headers.get('Content-Length');
    this.size = range ? Number(range[2]) : length === null ? undefined : Number(length);
    return true;
  }
}

/** As `work`, which goes on unheard once the signal is aborted. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  let abort = () => {};
  try {
    return await Promise.race([
      work,
      new Promise<never>((_, reject) => {
        abort = () => reject(signal.reason);
        signal.addEventListener('abort', abort, {once: true});
        if (signal.aborted) abort();
      }),
    ]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function isFinal(error: unknown): boolean {
  // Of a link that was asked for.
  if (error instanceof ServerError) return !PASSING.has(error.code);
  return error instanceof DownloadError && error.status !== undefined && error.status !== 503;
}

function asDownloadError(error: unknown): DownloadError {
  return error instanceof DownloadError ? error : new DownloadError('no connection to the file', undefined, {cause: error});
}
