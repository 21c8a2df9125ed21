import type {Message} from './connection.js';
import {ConnectionLostError, EndedError, NotConnectedError, ServerError} from './errors.js';
import {invoke} from './feed.js';
import type {Link} from './link.js';
import {base64, newId, sha256} from './platform.js';

/** Anything that can be read in parts: a File, a Blob, bytes; a stream is read into memory-bounded parts only if its size is known. */
export type UploadSource = Blob | Uint8Array | ArrayBuffer;

export interface UploadOptions {
  filename?: string;
  mimetype?: string;
  /** Bytes, 256 KiB unless told otherwise. */
  chunkSize?: number;
  metadata?: Record<string, unknown>;
  /** Bytes kept by the server, and bytes in all. */
  onProgress?: (sent: number, total: number) => void;
  signal?: AbortSignal;
}

export interface UploadResult {
  upload_id: string;
  file_id: string;
  url: string;
  processing_status: string;
}

export interface FileStatus {
  processing_status: string;
  file_id: string;
  details?: Record<string, unknown>;
}

const DEFAULT_CHUNK_BYTES = 256 << 10;
// What an upload waits after UNAVAILABLE, and how often in a row it does before it gives up.
const RETRY_MS = 500;
const MAX_RETRIES = 60;
const CHECKSUM_TRIES = 3;

/** Made by `upload`. `await upload.done`; goes on over reconnects with the chunks that the server lacks. */
export class Upload {
  readonly uploadId = newId('upload');
  readonly size: number;
  readonly totalChunks: number;
  /** The file is kept. Rejects with EndedError after `cancel`, with ServerError if the server refuses it. */
  readonly done: Promise<UploadResult>;

  private readonly blob: Blob;
  private readonly chunkSize: number;
  private readonly received = new Set<number>();
  private known = false; // The server has answered the start.
  private statusListeners: ((status: FileStatus) => void)[] = [];
  private resolve!: (result: UploadResult) => void;
  private reject!: (error: Error) => void;
  private over = false;
  private going: Promise<void> = Promise.resolve();
  private go: () => void = () => {};

  /** @internal */
  constructor(private readonly link: Link, source: UploadSource, private readonly options: UploadOptions) {
    this.blob = source instanceof Blob ? source : new Blob([source as BlobPart]);
    this.size = this.blob.size;
    this.chunkSize = options.chunkSize ?? DEFAULT_CHUNK_BYTES;
    this.totalChunks = Math.max(1, Math.ceil(this.size / this.chunkSize));
    this.done = new Promise((resolve, reject) => {
      this.resolve = (result) => ((this.over = true), resolve(result));
      this.reject = (error) => ((this.over = true), reject(error));
    });
    // Somebody who only listens for statuses need not await it.
    this.done.catch(() => {});
    options.signal?.addEventListener('abort', () => void this.cancel().catch(() => {}), {once: true});
    void this.run();
  }

  on(_name: 'status', listener: (status: FileStatus) => void): this {
    this.statusListeners.push(listener);
    return this;
  }

  /** No further chunk is begun. */
  pause(): void {
    this.go();
    this.going = new Promise((resolve) => (this.go = resolve));
  }

  resume(): void {
    this.go();
  }

  async cancel(): Promise<void> {
    if (this.over) return;
    this.reject(new EndedError(`upload ${this.uploadId}`, 'cancelled'));
    this.go();
    await this.link.ask({type: 'file_upload_cancel', id: newId('can'), data: {upload_id: this.uploadId}});
  }

  private async run(): Promise<void> {
    let retries = 0;
    while (!this.over) {
      const before = this.received.size;
      try {
        await this.link.whenConnected();
        await this.sendMissing();
        await Promise.race([this.done, this.link.whenLost()]);
      } catch (error) {
        if (error instanceof ServerError && error.code === 'UNAVAILABLE') {
          // What is behind the server restarts, or is short of something.
          retries = this.received.size > before ? 1 : retries + 1;
          if (retries > MAX_RETRIES) return this.reject(error);
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        } else if (!(error instanceof ConnectionLostError || error instanceof NotConnectedError)) {
          return this.reject(error as Error);
        }
      }
    }
  }

  private async sendMissing(): Promise<void> {
    const ready = await this.link.ask(this.known ? this.resumeMessage() : this.startMessage());
    this.known = true;
    if (ready.type === 'file_upload_complete') return;
    this.received.clear();
    for (const [first, last] of ready.data.received as [number, number][]) {
      for (let index = first; index <= last; index++) this.received.add(index);
    }
    this.progress();
    const missing = Array.from({length: ready.data.total_chunks as number}, (_, index) => index).filter((index) => !this.received.has(index));
    let failed: unknown;
    const worker = async () => {
      for (let index = missing.shift(); index !== undefined && !failed && !this.over; index = missing.shift()) {
        await this.going;
        if (!this.over) await this.sendChunk(index).catch((error) => (failed ??= error));
      }
    };
    await Promise.all(Array.from({length: ready.data.window as number}, worker));
    if (failed) throw failed;
  }

  private startMessage(): Message {
    const {filename, mimetype, metadata} = this.options;
    const type = mimetype ?? (this.blob.type || undefined);
    return {
      type: 'file_upload_start',
      id: this.uploadId,
      data: {
        filename: filename ?? ((this.blob as Partial<File>).name || 'file'),
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
    const part = this.blob.slice(index * this.chunkSize, (index + 1) * this.chunkSize);
    const bytes = new Uint8Array(await part.arrayBuffer());
    const checksum = await sha256(bytes);
    for (let tries = 1; ; tries++) {
      const data = {upload_id: this.uploadId, chunk_index: index, total_chunks: this.totalChunks, checksum};
      const message: Message = {type: 'file_chunk', id: newId('chunk'), data};
      try {
        if (this.link.binaryChunks) await this.link.ask(message, undefined, binaryChunk(message, bytes));
        else await this.link.ask({...message, data: {...data, data: base64(bytes)}});
        break;
      } catch (error) {
        const again = error instanceof ServerError && error.code === 'CHECKSUM_MISMATCH' && tries < CHECKSUM_TRIES;
        if (!again) throw error;
      }
    }
    this.received.add(index);
    this.progress();
  }

  private progress(): void {
    this.options.onProgress?.(Math.min(this.received.size * this.chunkSize, this.size), this.size);
  }

  /** @internal */
  onComplete(data: UploadResult): void {
    this.resolve(data);
    this.onStatus({processing_status: data.processing_status, file_id: data.file_id});
  }

  /** @internal */
  onStatus(status: FileStatus): void {
    for (const listener of this.statusListeners) void invoke(listener, status);
  }

  /** @internal */
  fail(error: Error): void {
    if (!this.over) this.reject(error);
    this.go();
  }
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
