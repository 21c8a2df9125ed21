/** The part of the WebSocket API that browsers, Node's own and the `ws` package share. */
export interface Socket {
  binaryType: string;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  /** Of the `ws` package only. */
  terminate?: () => void;
  onopen: (() => void) | null;
  onmessage: ((event: {data: unknown}) => void) | null;
  onclose: ((event: {code: number; reason: string}) => void) | null;
  onerror: ((event: unknown) => void) | null;
}

/** A browser's WebSocket; in Node.js that of `ws`, since its own waits without end for a peer that does not answer a close. */
export async function openSocket(url: string, protocols: string[]): Promise<Socket> {
  const {process, WebSocket: native} = globalThis as {
    process?: {versions?: {node?: string}};
    WebSocket?: new (url: string, protocols: string[]) => unknown;
  };
  if (native && !process?.versions?.node) return new native(url, protocols) as Socket;
  const {WebSocket} = await import('#node');
  return new WebSocket(url, protocols, {maxPayload: 64 << 20}) as unknown as Socket;
}

async function webCrypto(): Promise<Crypto> {
  return globalThis.crypto ?? ((await import('#node')).webcrypto as unknown as Crypto);
}

let sequence = 0;
/** Unguessable enough for an id of this client, and never the same twice. */
export function newId(prefix: string): string {
  const bytes = new Uint8Array(16);
  if (globalThis.crypto) globalThis.crypto.getRandomValues(bytes);
  else bytes.forEach((_, i) => (bytes[i] = Math.random() * 256));
  return `${prefix}_${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}${(sequence++).toString(36)}`;
}

/** SHA-256 as 64 hexadecimal digits. Pages without a secure context have no WebCrypto; theirs is computed here. */
export async function sha256(data: Uint8Array): Promise<string> {
  const {subtle} = await webCrypto();
  const digest = subtle ? new Uint8Array(await subtle.digest('SHA-256', data as BufferSource)) : sha256Slow(data);
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** FIPS 180-4. */
export function sha256Slow(data: Uint8Array): Uint8Array {
  const primes: number[] = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p !== 0)) primes.push(n);
  const fraction = (x: number) => ((x - Math.floor(x)) * 2 ** 32) >>> 0;
  const k = primes.map((p) => fraction(Math.cbrt(p)));
  const h = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
  const padded = new Uint8Array((((data.length + 8) >> 6) + 1) << 6);
  padded.set(data);
  padded[data.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(data.length / 2 ** 29));
  view.setUint32(padded.length - 4, (data.length << 3) >>> 0);
  const rotate = (x: number, n: number) => (x >>> n) | (x << (32 - n));
  const w = new Uint32Array(64);
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 64; i++) {
      if (i < 16) {
        w[i] = view.getUint32(at + 4 * i);
        continue;
      }
      const a = w[i - 15] as number;
      const b = w[i - 2] as number;
      const s0 = rotate(a, 7) ^ rotate(a, 18) ^ (a >>> 3);
      const s1 = rotate(b, 17) ^ rotate(b, 19) ^ (b >>> 10);
      w[i] = (w[i - 16] as number) + s0 + (w[i - 7] as number) + s1;
    }
    const v = h.slice() as [number, number, number, number, number, number, number, number];
    for (let i = 0; i < 64; i++) {
      const [a, b, c, d, e, f, g, last] = v;
      const t1 = (last + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + (k[i] as number) + (w[i] as number)) | 0;
      const t2 = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      v.splice(0, 8, (t1 + t2) | 0, a, b, c, (d + t1) | 0, e, f, g);
    }
    v.forEach((x, i) => (h[i] = ((h[i] as number) + x) >>> 0));
  }
  const out = new DataView(new ArrayBuffer(32));
  h.forEach((x, i) => out.setUint32(4 * i, x));
  return new Uint8Array(out.buffer);
}

export function base64(data: Uint8Array): string {
  if (typeof Buffer !== 'undefined') return Buffer.from(data).toString('base64');
  let text = '';
  for (let i = 0; i < data.length; i += 0x8000) text += String.fromCharCode(...data.subarray(i, i + 0x8000));
  return btoa(text);
}
