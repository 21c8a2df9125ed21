import {Connection, closedBy, lostError, type Closed, type Message, type RequestOptions} from './connection.js';
import {AuthenticationError, EndedError, NotConnectedError, TokenError} from './errors.js';
import {mayReconnect, toldToWait, waitBefore, type Reconnect} from './reconnect.js';

/** A JSON Web Token, or what yields one. */
export type Token = string | (() => string | Promise<string>);

export interface SessionOptions {
  url: string;
  token?: Token | undefined;
  apiKey?: string | undefined;
  policy: Reconnect;
}

export interface SessionListener {
  /** A connection is there; what is sent now goes out before anything that comes later. */
  up(ack: Message['data']): void;
  down(closed: Closed): void;
  message(message: Message): void;
  /** No connection will come any more. `error` is undefined if the client has closed. */
  ended(reason: Error, error: Error | undefined): void;
  /** Something went wrong that nobody waits for. */
  problem(error: Error): void;
}

const REQUEST_MS = 15_000;

/** One connection after another, as the policy says, until it is closed or cannot come back. */
export class Session {
  private connection: Connection | undefined;
  private connecting: Promise<void> | undefined;
  private endedBy: Error | undefined;
  /** Connections and attempts since one that has carried anything. */
  private fruitless = 0;
  private readonly timers = new Map<ReturnType<typeof setTimeout>, () => void>();
  private readonly waiting = new Set<() => void>();
  private readonly opening = new AbortController();

  constructor(private readonly options: SessionOptions, private readonly listener: SessionListener) {}

  get connected(): boolean {
    return this.connection !== undefined;
  }

  get ended(): Error | undefined {
    return this.endedBy;
  }

  get policy(): Reconnect {
    return this.options.policy;
  }

  get canRenew(): boolean {
    return typeof this.options.token === 'function';
  }

  /** The first connection; it is not tried again by itself. */
  async start(): Promise<void> {
    if (this.endedBy) throw this.endedBy;
    this.connecting ??= this.open().then((connection) => this.up(connection));
    try {
      await this.connecting;
    } catch (error) {
      this.connecting = undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    const connection = this.connection;
    this.finish(new EndedError('the client', 'closed'), undefined);
    connection?.close();
    await connection?.closed;
  }

  /** Sends a request on the connection that there is. */
  async ask(message: Message, options: Partial<RequestOptions> = {}): Promise<Message> {
    if (!this.connection) throw this.endedBy ?? new NotConnectedError('not connected');
    return this.connection.request(message, {timeoutMs: REQUEST_MS, ...options});
  }

  /** Sends what has no answer; without a connection it is let go. */
  tell(message: Message): void {
    try {
      this.connection?.send(message);
    } catch {
      // The connection has just ended, and what it was about with it.
    }
  }

  /** Resolves with true when there is a connection, with false when there will be none. */
  async whenConnected(): Promise<boolean> {
    while (!this.connection && !this.endedBy) await new Promise<void>((resolve) => this.waiting.add(resolve));
    return this.endedBy === undefined;
  }

  /** When the present connection has ended. */
  async whenLost(): Promise<void> {
    await this.connection?.closed;
  }

  /** Waits; at once when all has ended. */
  wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.endedBy) return resolve();
      const timer = setTimeout(() => (this.timers.delete(timer), resolve()), milliseconds);
      this.timers.set(timer, resolve);
    });
  }

  /** A function that yields tokens is asked; what it throws becomes a TokenError. */
  async freshToken(): Promise<string | undefined> {
    const {token} = this.options;
    if (typeof token !== 'function') return token;
    try {
      return await token();
    } catch (error) {
      throw new TokenError('the token function failed', {cause: error});
    }
  }

  private async open(): Promise<Connection> {
    const token = await this.freshToken();
    if (this.endedBy) throw this.endedBy;
    const url = new URL(this.options.url);
    if (this.options.apiKey !== undefined) url.searchParams.set('api_key', this.options.apiKey);
    // A subprotocol keeps the token out of URLs, and browsers cannot set headers.
    return Connection.open(url.href, token === undefined ? [] : ['covet.v1', `bearer.${token}`], this.opening.signal);
  }

  /** Throws if all has ended meanwhile. */
  private up(connection: Connection): void {
    if (this.endedBy) {
      connection.close();
      throw this.endedBy;
    }
    this.connection = connection;
    this.listener.up(connection.ack);
    this.wake();
    connection.start((message) => this.listener.message(message), (error) => this.listener.problem(error));
    void connection.closed.then((closed) => this.lost(connection, closed));
  }

  private async lost(connection: Connection, how: Closed): Promise<void> {
    this.connection = undefined;
    this.listener.down(how);
    if (connection.fruitful) this.fruitless = 0;
    let closed = how;
    let error: Error = lostError(closed);
    while (!this.endedBy && mayReconnect(this.policy, ++this.fruitless, closed.code)) {
      await this.wait(toldToWait(closed.reason) ?? waitBefore(this.policy, this.fruitless, closed.code));
      if (this.endedBy) return;
      try {
        return this.up(await this.open());
      } catch (failure) {
        error = failure as Error;
        closed = closedBy(failure);
        // A function may have a better token the next time; a text stays what it is.
        if (failure instanceof AuthenticationError && !(failure.code === 'AUTH_EXPIRED' && this.canRenew)) break;
      }
    }
    this.finish(error, error);
  }

  /** Nothing comes any more: whoever waits is told. */
  private finish(reason: Error, error: Error | undefined): void {
    if (this.endedBy) return;
    this.endedBy = reason;
    this.opening.abort(reason);
    for (const [timer, resolve] of this.timers) {
      clearTimeout(timer);
      resolve();
    }
    this.timers.clear();
    this.wake();
    this.listener.ended(reason, error);
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}
