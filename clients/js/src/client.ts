import {Connection, type Closed, type Message} from './connection.js';
import {
  AuthenticationError, ConnectionLostError, EndedError, NotConnectedError, QueueFullError,
  ServerError, errorOf,
} from './errors.js';
import {Feed, invoke} from './feed.js';
import type {Link} from './link.js';
import {newId} from './platform.js';
import {DEFAULT_RECONNECT, mayReconnect, waitBefore, type Reconnect} from './reconnect.js';
import {Room, type JoinOptions} from './room.js';
import {Subscription, type Filters, type StreamType, type SubscribeOptions} from './subscription.js';
import {Upload, type UploadOptions, type UploadSource} from './upload.js';

export interface ClientOptions {
  url: string;
  /** A JWT, or a function that yields a fresh one: asked at each connect, and when the token is about to end. */
  token?: string | (() => string | Promise<string>);
  apiKey?: string;
  reconnect?: Partial<Reconnect>;
  /** Messages to rooms that may wait for a connection. */
  queueSize?: number;
}

export interface CallOptions {
  /** Milliseconds. */
  timeout?: number;
  /** Cancels the call, at the backend too. */
  signal?: AbortSignal;
  correlationId?: string;
}

export interface Notification {
  notification_id: string;
  notification_type: 'info' | 'warning' | 'error' | 'success';
  title: string;
  message: string;
  category?: string;
  actions?: {label: string; action: string; params?: unknown}[];
  auto_dismiss?: boolean;
  dismiss_after?: number;
}

export interface ClientEvents {
  connected: [];
  disconnected: [Closed];
  notification: [Notification];
  /** Another session of the user has read it. */
  notification_read: [string];
  /** No connection any more, and none will come. */
  ended: [Error];
}

const REQUEST_MS = 15_000;
const DEFAULT_CALL_MS = 10_000;
/** The edge ends a call at its timeout; this is for the answer's way back. */
const CALL_GRACE_MS = 5_000;
const REMEMBERED_NOTIFICATIONS = 1000;

interface Repeating {
  message: Message;
  resolve: (answer: Message) => void;
  reject: (error: Error) => void;
}

/** One user's connection to Covet, kept up until `close`. */
export class CovetPyWebSocketClient {
  sessionId: string | undefined;
  userId: string | undefined;
  capabilities: string[] = [];
  limits: Record<string, number> = {};

  private readonly policy: Reconnect;
  private readonly queueSize: number;
  private readonly rooms = new Map<string, Room>();
  private readonly subscriptions = new Map<string, Subscription>();
  private readonly uploads = new Map<string, Upload>();
  private readonly repeating = new Map<string, Repeating>();
  private readonly listeners = new Map<string, Set<(...args: never[]) => unknown>>();
  private readonly notificationFeed = new Feed<Notification>(REMEMBERED_NOTIFICATIONS);
  private readonly seenNotifications = new Set<string>();
  private connection: Connection | undefined;
  private connecting: Promise<void> | undefined;
  private ended: Error | undefined;
  private wakeUp: (() => void) | undefined;
  private readonly link: Link;

  constructor(private readonly options: ClientOptions) {
    this.policy = {...DEFAULT_RECONNECT, ...options.reconnect};
    this.queueSize = options.queueSize ?? 100;
    const client = this;
    this.link = {
      get binaryChunks() {
        return client.capabilities.includes('binary_chunks');
      },
      ask: (message, timeoutMs, binary) => this.ask(message, timeoutMs, binary),
      repeatable: (message) => this.repeatable(message),
      rejoin: (room) => void this.tryRejoin(room),
      resubscribe: (subscription) => this.resubscribe(subscription),
      forgetRoom: (room) => void this.rooms.delete(room.roomId),
      forgetSubscription: (subscription) => void this.subscriptions.delete(subscription.subscriptionId),
      whenConnected: () => this.whenConnected(),
      whenLost: () => this.connection?.closed.then(() => {}) ?? Promise.resolve(),
    };
  }

  get connected(): boolean {
    return this.connection !== undefined;
  }

  /** Rejects with AuthenticationError, or ConnectionLostError without a server: the first connection is not tried again. */
  async connect(): Promise<void> {
    this.connecting ??= this.open().then((connection) => {
      this.up(connection);
    });
    try {
      await this.connecting;
    } catch (error) {
      this.connecting = undefined;
      throw error;
    }
  }

  /** Ends the connection and everything that stands on it. */
  async close(): Promise<void> {
    const connection = this.connection;
    this.finish(new EndedError('the client', 'closed'), undefined);
    connection?.close();
    await connection?.closed;
  }

  on<K extends keyof ClientEvents>(name: K, listener: (...args: ClientEvents[K]) => unknown): this {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name)!.add(listener as (...args: never[]) => unknown);
    return this;
  }

  off<K extends keyof ClientEvents>(name: K, listener: (...args: ClientEvents[K]) => unknown): this {
    this.listeners.get(name)?.delete(listener as (...args: never[]) => unknown);
    return this;
  }

  /** Joining a room again replaces its options. */
  async joinRoom(roomId: string, options: JoinOptions = {}): Promise<Room> {
    const known = this.rooms.get(roomId);
    const room = known ?? new Room(this.link, roomId, options);
    room.setOptions(options);
    this.rooms.set(roomId, room);
    try {
      await this.ask(room.joinMessage());
    } catch (error) {
      if (!known && this.rooms.get(roomId) === room) this.rooms.delete(roomId);
      throw error;
    }
    return room;
  }

  async leaveRoom(roomId: string): Promise<void> {
    await this.rooms.get(roomId)?.leave();
  }

  /** Rejects with ServerError, whose `details.reason` tells why there is no such stream. */
  async subscribe(streamType: StreamType, resourceId: string, filters?: Filters, options: SubscribeOptions = {}): Promise<Subscription> {
    const subscription = new Subscription(this.link, streamType, resourceId, filters, options);
    const message = subscription.subscribeMessage();
    this.subscriptions.set(message.id, subscription);
    try {
      await this.ask(message);
    } catch (error) {
      this.subscriptions.delete(message.id);
      throw error;
    }
    return subscription;
  }

  /**
   * Calls a method. Rejects with RpcError, with RpcTimeoutError after `timeout`, and with ConnectionLostError if the
   * connection ended meanwhile: whether it ran is then unknown, and it is never repeated.
   */
  async call<T = unknown>(method: string, params: Record<string, unknown> = {}, options: CallOptions = {}): Promise<T> {
    const {timeout = DEFAULT_CALL_MS, signal, correlationId} = options;
    signal?.throwIfAborted();
    const message: Message = {
      type: 'rpc_call',
      id: newId('rpc'),
      data: {method, params, timeout},
      ...(correlationId !== undefined && {metadata: {correlation_id: correlationId}}),
    };
    const cancel = () => this.sendQuietly({type: 'rpc_cancel', id: newId('rc'), data: {call_id: message.id}});
    signal?.addEventListener('abort', cancel, {once: true});
    try {
      return (await this.ask(message, timeout + CALL_GRACE_MS)).data.result as T;
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Notifications from now on, each acknowledged as it is taken in. */
  notifications(): AsyncIterableIterator<Notification> {
    return this.notificationFeed.iterate();
  }

  upload(source: UploadSource, options: UploadOptions = {}): Upload {
    const upload = new Upload(this.link, source, options);
    this.uploads.set(upload.uploadId, upload);
    upload.done.catch(() => this.uploads.delete(upload.uploadId));
    return upload;
  }

  private async ask(message: Message, timeoutMs = REQUEST_MS, binary?: Uint8Array): Promise<Message> {
    if (!this.connection) throw this.ended ?? new NotConnectedError('not connected');
    return this.connection.request(message, timeoutMs, binary);
  }

  private sendQuietly(message: Message): void {
    try {
      this.connection?.send(message);
    } catch {
      // The connection has just ended, and what it was about with it.
    }
  }

  private repeatable(message: Message): Promise<Message> {
    if (this.ended) return Promise.reject(this.ended);
    if (!this.connection && this.repeating.size >= this.queueSize) {
      return Promise.reject(new QueueFullError(`${this.queueSize} messages wait for a connection already`));
    }
    return new Promise((resolve, reject) => {
      const entry = {message, resolve, reject};
      this.repeating.set(message.id, entry);
      if (this.connection) void this.tryOne(entry);
    });
  }

  private async tryOne({message, resolve, reject}: Repeating): Promise<void> {
    try {
      resolve(await this.ask(message));
    } catch (error) {
      // The next connection sends it again.
      if (error instanceof ConnectionLostError || error instanceof NotConnectedError) return;
      reject(error as Error);
    }
    this.repeating.delete(message.id);
  }

  private async tryRejoin(room: Room): Promise<void> {
    try {
      await this.ask(room.joinMessage());
    } catch (error) {
      // Without a connection: the next one joins again.
      if (!(error instanceof ServerError)) return;
      this.rooms.delete(room.roomId);
      room.end(error.code, error);
    }
  }

  private resubscribe(subscription: Subscription): void {
    if (!this.connection) return;
    const old = subscription.subscriptionId;
    this.subscriptions.delete(old);
    this.sendQuietly({type: 'unsubscribe', id: newId('unsub'), data: {subscription_id: old}});
    void this.tryResubscribe(subscription);
  }

  private async tryResubscribe(subscription: Subscription): Promise<void> {
    const message = subscription.subscribeMessage();
    this.subscriptions.set(message.id, subscription);
    try {
      await this.ask(message);
    } catch (error) {
      if (!(error instanceof ServerError)) return;
      this.subscriptions.delete(message.id);
      subscription.end(error.code, error);
    }
  }

  private async freshToken(): Promise<string | undefined> {
    return typeof this.options.token === 'function' ? await this.options.token() : this.options.token;
  }

  private async open(): Promise<Connection> {
    const token = await this.freshToken();
    const url = new URL(this.options.url);
    if (this.options.apiKey !== undefined) url.searchParams.set('api_key', this.options.apiKey);
    // A subprotocol keeps the token out of URLs, and browsers cannot set headers.
    const protocols = token === undefined ? [] : ['covet.v1', `bearer.${token}`];
    return Connection.open(url.href, protocols);
  }

  private up(connection: Connection): void {
    if (this.ended) return connection.close();
    this.sessionId = connection.ack.session_id;
    this.userId = connection.ack.user_id;
    this.capabilities = connection.ack.capabilities;
    this.limits = connection.ack.limits;
    const again = [...this.subscriptions.values()];
    this.subscriptions.clear();
    this.connection = connection;
    // Joins go first: messages to a room need it joined, and one connection's requests take effect in their order.
    for (const room of this.rooms.values()) void this.tryRejoin(room);
    for (const subscription of again) void this.tryResubscribe(subscription);
    for (const entry of this.repeating.values()) void this.tryOne(entry);
    this.emit('connected');
    connection.start((message) => this.onMessage(message));
    void connection.closed.then((closed) => this.lost(closed));
  }

  private async lost(closed: Closed): Promise<void> {
    this.connection = undefined;
    this.emit('disconnected', closed);
    let error: Error = new ConnectionLostError(`the connection ended (${closed.code} ${closed.reason})`.replace(/ \)$/, ')'), closed.code);
    for (let attempt = 1; !this.ended && mayReconnect(this.policy, attempt, closed.code); attempt++) {
      await new Promise<void>((resolve) => {
        this.wakeUp = resolve;
        setTimeout(resolve, waitBefore(this.policy, attempt, closed.reason));
      });
      if (this.ended) return;
      try {
        return this.up(await this.open());
      } catch (failure) {
        error = failure as Error;
        // A function may have a better token the next time; a text stays what it is.
        const final = failure instanceof AuthenticationError && !(failure.code === 'AUTH_EXPIRED' && typeof this.options.token === 'function');
        if (final) break;
      }
    }
    if (!this.ended) this.finish(error, error);
  }

  /** Nothing comes any more: whoever waits is told. */
  private finish(reason: Error, error: Error | undefined): void {
    if (this.ended) return;
    this.ended = reason;
    this.wakeUp?.();
    for (const room of this.rooms.values()) room.end('disconnected', error);
    for (const subscription of this.subscriptions.values()) subscription.end('disconnected', error);
    for (const upload of this.uploads.values()) upload.fail(reason);
    for (const entry of this.repeating.values()) entry.reject(reason);
    this.repeating.clear();
    this.notificationFeed.close(error);
    this.emit('ended', reason);
  }

  private async whenConnected(): Promise<void> {
    while (!this.connection) {
      if (this.ended) throw this.ended;
      await new Promise<void>((resolve) => {
        const done = () => (this.off('connected', done), this.off('ended', done), resolve());
        this.on('connected', done).on('ended', done);
      });
    }
  }

  private emit<K extends keyof ClientEvents>(name: K, ...args: ClientEvents[K]): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) {
      void invoke(listener as (...args: ClientEvents[K]) => unknown, ...args);
    }
  }

  private onMessage(message: Message): void {
    const {data} = message;
    switch (message.type) {
      case 'room_joined':
        return this.rooms.get(data.room_id)?.onJoined(message);
      case 'room_event':
        return this.rooms.get(data.room_id)?.onEvent(message);
      case 'room_left':
        return this.onRoomLeft(data);
      case 'subscribed':
        return this.subscriptions.get(data.subscription_id)?.onSubscribed(data);
      case 'stream_data':
        return this.onStreamData(data);
      case 'unsubscribed':
        return this.onUnsubscribed(data);
      case 'notification':
        return this.onNotification(data);
      case 'notification_read':
        return this.emit('notification_read', data.notification_id);
      case 'auth_expiring':
        return void this.renew();
      case 'file_upload_complete':
        this.uploads.get(data.upload_id)?.onComplete(data);
        return this.onFileStatus(data);
      case 'file_status':
        this.uploads.get(data.upload_id)?.onStatus(data);
        return this.onFileStatus(data);
      case 'error':
        return console.warn(`covet: the server reports ${errorOf(message).message}`);
    }
  }

  private onRoomLeft(data: Message['data']): void {
    const room = this.rooms.get(data.room_id);
    if (!room) return;
    if (room.onLeft(data.reason)) void this.tryRejoin(room);
    else this.rooms.delete(data.room_id);
  }

  private onStreamData(data: Message['data']): void {
    const subscription = this.subscriptions.get(data.subscription_id);
    if (subscription) subscription.onData(data);
    else if (data.resource_id.startsWith('room:')) this.rooms.get(data.resource_id.slice('room:'.length))?.onMetrics(data.batch);
  }

  private onUnsubscribed(data: Message['data']): void {
    const subscription = this.subscriptions.get(data.subscription_id);
    if (!subscription) return;
    this.subscriptions.delete(data.subscription_id);
    if (subscription.onEnded(data.reason)) void this.tryResubscribe(subscription);
  }

  private onNotification(notification: Notification): void {
    const id = notification.notification_id;
    const known = this.seenNotifications.has(id);
    this.seenNotifications.add(id);
    if (this.seenNotifications.size > REMEMBERED_NOTIFICATIONS) {
      this.seenNotifications.delete(this.seenNotifications.values().next().value as string);
    }
    if (known || this.notificationFeed.put(notification)) {
      this.sendQuietly({type: 'notification_ack', id: newId('na'), data: {notification_id: id}});
    }
    if (!known) this.emit('notification', notification);
  }

  private onFileStatus(data: Message['data']): void {
    if (data.processing_status === 'completed' || data.processing_status === 'failed') this.uploads.delete(data.upload_id);
  }

  private async renew(): Promise<void> {
    if (typeof this.options.token !== 'function') return;
    try {
      await this.ask({type: 'auth_refresh', id: newId('ar'), data: {token: await this.freshToken()}});
    } catch (error) {
      console.warn('covet: the token could not be renewed', error);
    }
  }
}

