import {SourceError} from './errors.js';

/** Bytes that come in parts of any size. Node's `Readable` is one, a `ReadableStream` another. */
export type ByteStream = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** What can be uploaded. Streams need their size told, and are read once: only chunks on their way are kept in memory. */
export type UploadSource = Blob | Uint8Array | ArrayBuffer | ByteStream;

/** An upload's source, chunk by chunk. */
export interface Chunks {
  readonly size: number;
  readonly name: string | undefined;
  readonly type: string | undefined;
  /** The bytes of a chunk; none of `received` will be read any more. Rejects with SourceError. */
  read(index: number, received: ReadonlySet<number>): Promise<Uint8Array>;
  /** It will not be read again. */
  done(index: number): void;
  /** No more is read. */
  close(): Promise<void>;
}

export function chunksOf(source: UploadSource, chunkSize: number, size: number | undefined): Chunks {
  if (source instanceof Blob) return new BlobChunks(source, chunkSize);
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return new BlobChunks(new Blob([source as BlobPart]), chunkSize);
  if (size === undefined) throw new TypeError('the size of a stream must be told: upload(stream, {size})');
  return new StreamChunks(source, chunkSize, size);
}

class BlobChunks implements Chunks {
  constructor(private readonly blob: Blob, private readonly chunkSize: number) {}

  get size(): number {
    return this.blob.size;
  }

  get name(): string | undefined {
    return (this.blob as Partial<File>).name;
  }

  get type(): string | undefined {
    return this.blob.type || undefined;
  }

  async read(index: number): Promise<Uint8Array> {
    try {
      return new Uint8Array(await this.blob.slice(index * this.chunkSize, (index + 1) * this.chunkSize).arrayBuffer());
    } catch (error) {
      throw new SourceError('the file cannot be read any more', {cause: error});
    }
  }

  done(): void {}

  async close(): Promise<void> {}
}

class StreamChunks implements Chunks {
  readonly name = undefined;
  readonly type = undefined;
  private readonly parts: AsyncIterator<Uint8Array>;
  private readonly kept = new Map<number, Uint8Array>();
  private readonly rest: Uint8Array[] = []; // What was read, and belongs to chunks to come.
  private restBytes = 0;
  private next = 0;
  private reading: Promise<unknown> = Promise.resolve();

  constructor(stream: ByteStream, private readonly chunkSize: number, readonly size: number) {
    this.parts = Symbol.asyncIterator in stream ? stream[Symbol.asyncIterator]() : partsOf(stream);
  }

  read(index: number, received: ReadonlySet<number>): Promise<Uint8Array> {
    const reading = this.reading.then(() => this.readTo(index, received));
    this.reading = reading.catch(() => {});
    return reading;
  }

  done(index: number): void {
    this.kept.delete(index);
  }

  async close(): Promise<void> {
    this.kept.clear();
    await this.parts.return?.().catch(() => {});
  }

  private async readTo(index: number, received: ReadonlySet<number>): Promise<Uint8Array> {
    while (this.next <= index) {
      const end = Math.min((this.next + 1) * this.chunkSize, this.size);
      await this.fill(end - this.next * this.chunkSize);
      if (end === this.size) await this.checkEnd();
      const chunk = this.take(end - this.next * this.chunkSize);
      if (!received.has(this.next)) this.kept.set(this.next, chunk);
      this.next++;
    }
    const chunk = this.kept.get(index);
    if (!chunk) throw new SourceError('a stream cannot be read twice, and the server lacks what it has already had');
    return chunk;
  }

  private async pull(): Promise<Uint8Array | undefined> {
    const {done, value} = await this.parts.next().catch((error) => {
      throw new SourceError('the stream has failed', {cause: error});
    });
    if (done) return undefined;
    if (!ArrayBuffer.isView(value)) throw new SourceError(`the stream gives ${typeof value} where bytes should be`);
    return value;
  }

  private async fill(count: number): Promise<void> {
    while (this.restBytes < count) {
      const part = await this.pull();
      if (!part) throw new SourceError(`the stream is shorter than the ${this.size} bytes that were told`);
      this.rest.push(part);
      this.restBytes += part.length;
    }
  }

  private async checkEnd(): Promise<void> {
    const longer = () => new SourceError(`the stream is longer than the ${this.size} bytes that were told`);
    if (this.restBytes > this.size - this.next * this.chunkSize) throw longer();
    for (let part = await this.pull(); part; part = await this.pull()) if (part.length > 0) throw longer();
  }

  private take(count: number): Uint8Array {
    const chunk = new Uint8Array(count);
    for (let at = 0; at < count; ) {
      const part = this.rest[0] as Uint8Array;
      const used = part.subarray(0, count - at);
      chunk.set(used, at);
      at += used.length;
      if (used.length === part.length) this.rest.shift();
      else this.rest[0] = part.subarray(used.length);
    }
    this.restBytes -= count;
    return chunk;
  }
}

/** For browsers whose streams are not iterable. */
async function* partsOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (let {done, value} = await reader.read(); !done; {done, value} = await reader.read()) yield value as Uint8Array;
  } finally {
    await reader.cancel().catch(() => {});
  }
}
