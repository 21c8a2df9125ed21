import type {Message} from './connection.js';
import {EndedError, RequestTimeoutError, ServerError, isLost} from './errors.js';
import {Feed, Source, invoke} from './feed.js';
import type {Link} from './link.js';
import {base64, newId, sha256} from './platform.js';
import {chunksOf, type Chunks, type UploadSource} from './upload_source.js';

/** What the server is told of a file, and how it is sent. */
export interface UploadOptions {
  /** For people; a File's own name unless given. */
  filename?: string;
  /** What downloads will say; a File's or Blob's own type unless given, else the server looks at the content. */
  mimetype?: string;
  /** Bytes; needed for streams, known of everything else. */
  size?: number;
  /** Bytes, 256 KiB unless told otherwise. */
  chunkSize?: number;
  /** Kept with the file. */
  metadata?: Record<string, unknown>;
  /** Of an upload of the same file that was begun before, by a page that was closed perhaps: only what the server lacks is sent. */
  uploadId?: string;
  /** As the event `progress`. */
  onProgress?: (sent: number, total: number) => void;
  /** Cancels the upload, as `cancel` does. */
  signal?: AbortSignal;
}

/** A file that is kept. */
export interface UploadResult {
  /** The upload's id. */
  upload_id: string;
  /** The file's id, for `download` and `files.get`. */
  file_id: string;
  /** Where it can be downloaded for a while; `download` makes a fresh one. */
  url: string;
  /** `queued` at first; the event `status` tells how it goes on. */
  processing_status: string;
}

/** How far an upload is. */
export interface Progress {
  /** Bytes that the server has on its disk. */
  sent: number;
  /** Bytes in all. */
  total: number;
}

/** How the server's processing of a file goes. */
export interface FileStatus {
  /** `queued`, `processing`, `completed` or `failed`. */
  processing_status: string;
  /** The file's id. */
  file_id: string;
  /** `sha256` and `detected_type` when completed, or why it failed. */
  details?: Record<string, unknown>;
}

/** Events of an upload, with what their listeners get. */
export interface UploadEvents {
  /** A chunk more is on the server's disk. */
  progress: Progress;
  /** How the server's processing goes on, once the file is kept. */
  status: FileStatus;
}

const DEFAULT_CHUNK_BYTES = 256 << 10;
const CHECKSUM_TRIES = 3;
/** A chunk has a slow way up. */
const CHUNK_MS = 60_000;
const MAX_WAITING = 1000;

/** Made by `upload`. `await upload.done`; goes on over reconnects with the chunks that the server lacks. */
export class Upload extends Source<UploadEvents> {
  /** By which it can be gone on with, later and elsewhere, by the same user. */
  readonly uploadId: string;
  /** Bytes in all. */
  readonly size: number;
  /** Chunks in all. */
  readonly totalChunks: number;
  /**
   * The file is kept. Rejects with EndedError after `cancel`, with ServerError if the server refuses it, with SourceError
   * if it cannot be read, and with ConnectionLostError if the server has closed for what was sent (1002, 1007, 1008, 1009).
   */
  readonly done: Promise<UploadResult>;

  /** @internal */
  protected readonly feeds: {[K in keyof UploadEvents]: Feed<UploadEvents[K]>} = {
    progress: new Feed<Progress>(MAX_WAITING),
    status: new Feed<FileStatus>(MAX_WAITING),
  };
  private readonly chunks: Chunks;
  private readonly chunkSize: number;
  private readonly received = new Set<number>();
  private told = 0; // Bytes, as progress.
  private known = false; // The server has answered the start.
  private resolve!: (result: UploadResult) => void;
  private reject!: (error: Error) => void;
  private settled = false;
  private going: Promise<void> = Promise.resolve();
  private go: () => void = () => {};
  /** Nothing more of it is to be told. */
  private ended = false;
  private readonly processed: Promise<void>;
  private setProcessed!: () => void;

  /** @internal */
  constructor(private readonly link: Link, source: UploadSource, private readonly options: UploadOptions) {
    super();
    this.chunkSize = options.chunkSize ?? Math.min(DEFAULT_CHUNK_BYTES, link.chunkBytes);
    this.chunks = chunksOf(source, this.chunkSize, options.size);
    this.uploadId = options.uploadId ?? newId('upload');
    this.size = this.chunks.size;
    this.totalChunks = Math.ceil(this.size / this.chunkSize);
    this.done = new Promise((resolve, reject) => {
      this.resolve = (result) => ((this.settled = true), resolve(result));
      this.reject = (error) => ((this.settled = true), reject(error));
    });
    this.processed = new Promise((resolve) => (this.setProcessed = () => ((this.ended = true), resolve())));
    const abort = () => void this.cancel().catch(() => {});
    options.signal?.addEventListener('abort', abort, {once: true});
    // Somebody who only listens for statuses need not await it.
    this.done.catch(() => {}).finally(() => options.signal?.removeEventListener('abort', abort));
    if (options.signal?.aborted) abort();
    void this.run();
  }

  /** No further chunk is begun. */
  pause(): void {
    this.go();
    this.going = new Promise((resolve) => (this.go = resolve));
  }

  /** Goes on after `pause`. */
  resume(): void {
    this.go();
  }

  /** Gives the upload up, here at once, and at the server. `done` rejects with EndedError. */
  async cancel(): Promise<void> {
    if (this.settled) return;
    this.fail(new EndedError(`upload ${this.uploadId}`, 'cancelled'));
    for (;;) {
      try {
        if (!(await this.link.whenConnected())) return;
        await this.link.ask({type: 'file_upload_cancel', id: newId('can'), data: {upload_id: this.uploadId}});
        return;
      } catch (error) {
        // It has never heard of it.
        if (error instanceof ServerError && error.code === 'NOT_FOUND') return;
        if (!isLost(error)) throw error;
      }
    }
  }

  private async run(): Promise<void> {
    let failures = 0;
    while (!this.ended) {
      const before = this.received.size;
      try {
        if (!(await this.link.whenConnected()) || this.ended) break;
        const sending = this.sendMissing();
        sending.catch(() => {});
        // A source may be slower than the end.
        await Promise.race([this.processed, sending]);
        await Promise.race([this.processed, this.link.whenLost()]);
      } catch (error) {
        if (isLost(error)) continue;
        failures = this.received.size > before ? 1 : failures + 1;
        try {
          if (!isPassing(error)) throw error;
          await this.link.backOff(failures, error as Error);
        } catch (final) {
          this.fail(final as Error);
        }
      }
    }
    this.closeFeeds();
    await this.chunks.close();
  }

  private async sendMissing(): Promise<void> {
    const ready = await this.link.ask(this.known ? this.resumeMessage() : this.startMessage());
    this.known = true;
    if (ready.type === 'file_upload_complete' || this.settled) return;
    this.received.clear();
    for (const [first, last] of ready.data.received as [number, number][]) {
      for (let index = first; index <= last; index++) {
        this.received.add(index);
        this.chunks.done(index);
      }
    }
    this.progress();
    let next = 0;
    let failed: unknown;
    const worker = async () => {
      while (next < this.totalChunks && !failed && !this.settled) {
        await this.going;
        const index = next++;
        if (index >= this.totalChunks || this.received.has(index) || failed || this.settled) continue;
        await this.sendChunk(index).catch((error) => (failed ??= error));
      }
    };
    await Promise.all(Array.from({length: ready.data.window as number}, worker));
    if (failed) throw failed;
  }

  private startMessage(): Message {
    const {filename, mimetype, metadata} = this.options;
    const type = mimetype ?? this.chunks.type;
    return {
      type: 'file_upload_start',
      id: this.uploadId,
      data: {
        filename: filename ?? (this.chunks.name || 'file'),
        size: this.size,
        chunk_size: this.chunkSize,
        ...(type && {mimetype: type}),
        ...(metadata && {metadata}),
      },
    };
  }

  private resumeMessage(): Message {
    return {type: 'file_upload_resume', id: newId('res'), data: {upload_id: this.uploadId}};
  }

  private async sendChunk(index: number): Promise<void> {
    const bytes = await this.chunks.read(index, this.received);
    const checksum = await sha256(bytes);
    for (let tries = 1; ; tries++) {
      const data = {upload_id: this.uploadId, chunk_index: index, total_chunks: this.totalChunks, checksum};
      const message: Message = {type: 'file_chunk', id: newId('chunk'), data};
      try {
        if (this.link.binaryChunks) await this.link.ask(message, {binary: binaryChunk(message, bytes), timeoutMs: CHUNK_MS});
        else await this.link.ask({...message, data: {...data, data: base64(bytes)}}, {timeoutMs: CHUNK_MS});
        break;
      } catch (error) {
        const again = error instanceof ServerError && error.code === 'CHECKSUM_MISMATCH' && tries < CHECKSUM_TRIES;
        if (!again) throw error;
      }
    }
    this.chunks.done(index);
    this.received.add(index);
    this.progress();
  }

  private progress(): void {
    if (this.settled) return;
    const last = this.received.has(this.totalChunks - 1) ? this.totalChunks * this.chunkSize - this.size : 0;
    this.tell(this.received.size * this.chunkSize - last);
  }

  private tell(sent: number): void {
    this.told = sent;
    this.feeds.progress.put({sent, total: this.size});
    if (this.options.onProgress) void invoke(this.options.onProgress, sent, this.size);
  }

  /** @internal */
  onComplete(data: UploadResult): void {
    if (!this.settled) {
      // It may come before the last acknowledgements are heard of.
      if (this.told < this.size) this.tell(this.size);
      this.resolve(data);
    }
    this.onStatus({processing_status: data.processing_status, file_id: data.file_id});
  }

  /** @internal */
  onStatus({processing_status, file_id, details}: FileStatus): void {
    this.feeds.status.put({processing_status, file_id, ...(details && {details})});
    if (processing_status === 'completed' || processing_status === 'failed') this.setProcessed();
  }

  /** An error that nobody waits for tells of it: what has ended it, or an answer that comes late. @internal */
  onError(error: ServerError): void {
    if (!isPassing(error)) this.fail(error);
  }

  /** @internal */
  fail(error: Error): void {
    if (!this.settled) this.reject(error);
    this.setProcessed();
    this.go();
  }

  /** Whether the server has all of it, or it has failed. @internal */
  get kept(): boolean {
    return this.settled;
  }

  /** When nothing more of it is to be told. @internal */
  get over(): Promise<void> {
    return this.processed;
  }
}

/** Whether it is worth another try. */
function isPassing(error: unknown): boolean {
  // The connection stalls.
  if (!(error instanceof ServerError)) return error instanceof RequestTimeoutError;
  // What is behind the server restarts, or is short of something; or the start that was sent before is not answered yet.
  return error.code === 'UNAVAILABLE' || (error.code === 'CONFLICT' && error.details.field === 'id');
}

/** The chunk as a binary frame: the envelope's length, the envelope, the bytes. */
function binaryChunk(message: Message, bytes: Uint8Array): Uint8Array {
  const envelope = new TextEncoder().encode(JSON.stringify(message));
  const frame = new Uint8Array(4 + envelope.length + bytes.length);
  new DataView(frame.buffer).setUint32(0, envelope.length);
  frame.set(envelope, 4);
  frame.set(bytes, 4 + envelope.length);
  return frame;
}
