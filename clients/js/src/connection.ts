import {ConnectionLostError, MessageTooLargeError, NotConnectedError, RequestTimeoutError, errorOf} from './errors.js';
import {openSocket, type Socket} from './platform.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Message = {type: string; id: string; data: any; timestamp?: string; metadata?: any};

/** How a connection ended: the WebSocket's close code and reason. */
export interface Closed {
  /** Of RFC 6455, or the protocol's own from 4400 on; 1006 where the connection broke. */
  code: number;
  /** The server's words, empty if it had none. */
  reason: string;
}

export interface RequestOptions {
  timeoutMs: number;
  /** The frame that stands for the message. */
  binary?: Uint8Array | undefined;
  /** Gives the answer up. */
  signal?: AbortSignal | undefined;
}

const OPEN_MS = 20_000;
/** How long a server may take to answer a close. */
const CLOSE_MS = 5_000;
/** Silence of so many heartbeat intervals ends a connection; the server sends one each interval. */
const MISSED_HEARTBEATS = 2.5;
/** A connection that lasts so long is a good one, even if nothing has come. */
const STABLE_MS = 10_000;
/** RFC 6455's code of an end without a close. */
const NO_CLOSE = 1006;

interface Waiting {
  resolve: (message: Message) => void;
  reject: (error: Error) => void;
}

export function lostError({code, reason}: Closed, what = 'the connection ended'): ConnectionLostError {
  return new ConnectionLostError(`${what} (${code}${reason && ` ${reason}`})`, code, reason);
}

/** How an attempt has failed, which the server may have closed before its first message. */
export function closedBy(failure: unknown): Closed {
  if (!(failure instanceof ConnectionLostError) || failure.closeCode === undefined) return {code: NO_CLOSE, reason: ''};
  return {code: failure.closeCode, reason: failure.closeReason};
}

/** One WebSocket, from its handshake to its end: messages go out, answers find those who asked. */
export class Connection {
  private readonly waiting = new Map<string, Waiting>();
  private watchdog: ReturnType<typeof setTimeout> | undefined;
  private closing: ReturnType<typeof setTimeout> | undefined;
  private resolveClosed!: (closed: Closed) => void;
  private over: Closed | undefined;
  /** What came before `start`. */
  private early: unknown[] | undefined = [];
  private onMessage: (message: Message) => void = () => {};
  private onProblem: (error: Error) => void = () => {};
  private heard = false;
  private readonly opened = Date.now();
  /** When the connection has ended. */
  readonly closed: Promise<Closed>;

  private constructor(
    private readonly socket: Socket,
    /** `data` of connection_ack. */
    readonly ack: Message['data'],
  ) {
    this.closed = new Promise((resolve) => (this.resolveClosed = resolve));
    socket.onmessage = ({data}) => this.receive(data);
    socket.onclose = ({code, reason}) => this.end({code, reason: String(reason)});
    socket.onerror = () => {};
    this.alive();
  }

  /** Throws AuthenticationError where the server refuses the credential, ConnectionLostError where there is none, and what `signal` gives. */
  static async open(url: string, protocols: string[], signal: AbortSignal): Promise<Connection> {
    const socket = await openSocket(url, protocols);
    socket.binaryType = 'arraybuffer';
    return new Promise((resolve, reject) => {
      const finished = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
      };
      const giveUp = (error: Error) => {
        finished();
        reject(error);
        abandon(socket);
      };
      const abort = () => giveUp(signal.reason as Error);
      const timer = setTimeout(() => giveUp(new ConnectionLostError('no connection in time')), OPEN_MS);
      signal.addEventListener('abort', abort, {once: true});
      socket.onerror = () => {};
      socket.onclose = ({code, reason}) => {
        finished();
        reject(lostError({code, reason: String(reason)}, 'no connection'));
      };
      socket.onmessage = ({data}) => {
        finished();
        try {
          const first = JSON.parse(data as string) as Message;
          if (first.type === 'connection_ack') return resolve(new Connection(socket, first.data));
          reject(errorOf(first));
        } catch {
          reject(new ConnectionLostError('the server does not speak this protocol'));
        }
        socket.close();
      };
    });
  }

  /** Gives `onMessage` what answers no request, in the order of arrival, from the first message on. */
  start(onMessage: (message: Message) => void, onProblem: (error: Error) => void): void {
    this.onMessage = onMessage;
    this.onProblem = onProblem;
    const early = this.early ?? [];
    this.early = undefined;
    for (const data of early) this.receive(data);
  }

  /** Whether it was of use: anything has come after the first message, or it has lasted. */
  get fruitful(): boolean {
    return this.heard || Date.now() - this.opened > STABLE_MS;
  }

  /** Throws NotConnectedError or MessageTooLargeError. */
  send(message: Message): void {
    this.write(JSON.stringify(message));
  }

  /** Sends it, or the frame that stands for it; resolves with the answer, rejects with the error that it tells of. */
  request(message: Message, {timeoutMs, binary, signal}: RequestOptions): Promise<Message> {
    return new Promise((resolve, reject) => {
      const finished = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        this.waiting.delete(message.id);
      };
      const fail = (error: unknown) => (finished(), reject(error));
      const abort = () => fail(signal?.reason);
      const timer = setTimeout(
        () => fail(new RequestTimeoutError(`no answer to ${message.type} within ${timeoutMs} ms`)), timeoutMs);
      signal?.addEventListener('abort', abort, {once: true});
      this.waiting.set(message.id, {resolve: (answer) => (finished(), resolve(answer)), reject: fail});
      try {
        this.write(binary ?? JSON.stringify(message));
      } catch (error) {
        fail(error);
      }
    });
  }

  /** `closed` follows within 5 s, whether the server answers or not. */
  close(): void {
    if (this.over) return;
    this.socket.close(1000);
    this.closing ??= setTimeout(() => this.abandon({code: NO_CLOSE, reason: 'the server did not answer the close'}), CLOSE_MS);
  }

  private abandon(closed: Closed): void {
    abandon(this.socket);
    this.end(closed);
  }

  private write(data: string | Uint8Array): void {
    if (this.over) throw new NotConnectedError('the connection has ended');
    const limit = this.ack.limits?.message_bytes ?? Infinity;
    // A larger one would end the connection; a character is three bytes of UTF-8 at most.
    if (data.length * (typeof data === 'string' ? 3 : 1) > limit) {
      const bytes = typeof data === 'string' ? new TextEncoder().encode(data).length : data.length;
      if (bytes > limit) throw new MessageTooLargeError(`a message of ${bytes} bytes, and the server takes ${limit}`);
    }
    this.socket.send(data);
  }

  private alive(): void {
    clearTimeout(this.watchdog);
    // A peer that is gone does not answer a close either.
    this.watchdog = setTimeout(
      () => this.abandon({code: NO_CLOSE, reason: 'heartbeat timeout'}), this.ack.heartbeat_interval * MISSED_HEARTBEATS);
    (this.watchdog as {unref?: () => void}).unref?.();
  }

  private receive(data: unknown): void {
    if (this.over) return;
    this.alive();
    if (this.early) return void this.early.push(data);
    this.heard = true;
    try {
      if (typeof data === 'string') this.dispatch(JSON.parse(data) as Message);
    } catch (error) {
      this.onProblem(error as Error);
    }
  }

  private dispatch(message: Message): void {
    const rpc = message.type === 'rpc_response' || message.type === 'rpc_error';
    const asked = rpc ? message.id : message.metadata?.in_reply_to;
    const waiting = asked === undefined || message.type === 'file_status' ? undefined : this.waiting.get(asked);
    // What follows room_joined or subscribed belongs to it, and must find it known.
    if (!waiting || ['room_joined', 'subscribed', 'file_upload_complete'].includes(message.type)) this.onMessage(message);
    if (!waiting) return;
    if (message.type === 'error' || message.type === 'rpc_error') waiting.reject(errorOf(message));
    else waiting.resolve(message);
  }

  private end(closed: Closed): void {
    if (this.over) return;
    this.over = closed;
    clearTimeout(this.watchdog);
    clearTimeout(this.closing);
    for (const each of [...this.waiting.values()]) each.reject(lostError(closed));
    this.resolveClosed(closed);
  }
}

/** Ends it without waiting for the other side, where the platform can. */
function abandon(socket: Socket): void {
  if (socket.terminate) socket.terminate();
  else socket.close();
}
