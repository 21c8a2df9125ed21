import {AuthenticationError, ConnectionLostError, NotConnectedError, RequestTimeoutError, errorOf} from './errors.js';
import {openSocket, type Socket} from './platform.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Message = {type: string; id: string; data: any; timestamp?: string; metadata?: any};

export interface Closed {
  code: number;
  reason: string;
}

const OPEN_MS = 20_000;
/** Silence of so many heartbeat intervals ends a connection; the server sends one each interval. */
const MISSED_HEARTBEATS = 2.5;

interface Waiting {
  resolve: (message: Message) => void;
  reject: (error: Error) => void;
}

/** One WebSocket, from its handshake to its end: messages go out, answers find those who asked. */
export class Connection {
  private readonly waiting = new Map<string, Waiting>();
  private watchdog: ReturnType<typeof setTimeout> | undefined;
  private closing: ((closed: Closed) => void) | undefined;
  private over: Closed | undefined;
  /** What came before `start`. */
  private early: unknown[] | undefined = [];
  private onMessage: (message: Message) => void = () => {};
  /** When the connection has ended. */
  readonly closed: Promise<Closed>;

  private constructor(
    private readonly socket: Socket,
    /** `data` of connection_ack. */
    readonly ack: Message['data'],
  ) {
    this.closed = new Promise((resolve) => (this.closing = resolve));
    socket.onmessage = ({data}) => this.receive(data);
    socket.onclose = ({code, reason}) => this.end({code, reason: String(reason)});
    socket.onerror = () => {};
    this.alive();
  }

  /** Throws AuthenticationError where the server refuses the credential, ConnectionLostError where there is none. */
  static async open(url: string, protocols: string[]): Promise<Connection> {
    const socket = await openSocket(url, protocols);
    socket.binaryType = 'arraybuffer';
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new ConnectionLostError('no connection in time'));
        socket.close();
      }, OPEN_MS);
      socket.onerror = () => {};
      socket.onclose = ({code, reason}) => {
        clearTimeout(timer);
        reject(new ConnectionLostError(`no connection (${code} ${reason})`.replace(/ \)$/, ')'), code));
      };
      socket.onmessage = ({data}) => {
        clearTimeout(timer);
        const first = JSON.parse(data as string) as Message;
        if (first.type === 'error') reject(errorOf(first) as AuthenticationError);
        else resolve(new Connection(socket, first.data));
      };
    });
  }

  /** Gives `onMessage` what answers no request, in the order of arrival, from the first message on. */
  start(onMessage: (message: Message) => void): void {
    this.onMessage = onMessage;
    const early = this.early ?? [];
    this.early = undefined;
    for (const data of early) this.receive(data);
  }

  send(message: Message): void {
    this.write(JSON.stringify(message));
  }

  /** Sends it, or the frame that stands for it; resolves with the answer, rejects with the error that it tells of. */
  request(message: Message, timeoutMs: number, binary?: Uint8Array): Promise<Message> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(message.id);
        reject(new RequestTimeoutError(`no answer to ${message.type} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.waiting.set(message.id, {
        resolve: (answer) => (clearTimeout(timer), resolve(answer)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      });
      try {
        this.write(binary ?? JSON.stringify(message));
      } catch (error) {
        clearTimeout(timer);
        this.waiting.delete(message.id);
        reject(error as Error);
      }
    });
  }

  close(code = 1000): void {
    this.socket.close(code);
  }

  private write(data: string | Uint8Array): void {
    if (this.over) throw new NotConnectedError('the connection has ended');
    this.socket.send(data);
  }

  private alive(): void {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => {
      // A peer that is gone does not answer a close either.
      this.socket.close(4000, 'heartbeat timeout');
      this.end({code: 1006, reason: 'heartbeat timeout'});
    }, this.ack.heartbeat_interval * MISSED_HEARTBEATS);
    (this.watchdog as {unref?: () => void}).unref?.();
  }

  private receive(data: unknown): void {
    if (this.over) return;
    this.alive();
    if (this.early) return void this.early.push(data);
    if (typeof data !== 'string') return;
    const message = JSON.parse(data) as Message;
    const rpc = message.type === 'rpc_response' || message.type === 'rpc_error';
    const asked = rpc ? message.id : message.metadata?.in_reply_to;
    const waiting = asked === undefined || message.type === 'file_status' ? undefined : this.waiting.get(asked);
    // What follows room_joined or subscribed belongs to it, and must find it known.
    if (!waiting || ['room_joined', 'subscribed', 'file_upload_complete'].includes(message.type)) this.onMessage(message);
    if (!waiting) return;
    this.waiting.delete(asked);
    if (message.type === 'error' || message.type === 'rpc_error') waiting.reject(errorOf(message));
    else waiting.resolve(message);
  }

  private end(closed: Closed): void {
    if (this.over) return;
    this.over = closed;
    clearTimeout(this.watchdog);
    const lost = new ConnectionLostError(`the connection ended (${closed.code} ${closed.reason})`.replace(/ \)$/, ')'), closed.code);
    for (const each of this.waiting.values()) each.reject(lost);
    this.waiting.clear();
    this.closing?.(closed);
  }
}
