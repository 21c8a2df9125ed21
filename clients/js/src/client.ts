import {lostError, type Closed, type Message} from './connection.js';
import {Download, type DownloadOptions} from './download.js';
import {QueueFullError, RequestTimeoutError, RpcTimeoutError, ServerError, errorOf, isLost} from './errors.js';
import {Feed, invoke} from './feed.js';
import type {Link} from './link.js';
import {Outbox} from './outbox.js';
import {newId} from './platform.js';
import {DEFAULT_RECONNECT, isOurFault, waitBefore, type Reconnect} from './reconnect.js';
import type {AnyResumable} from './resumable.js';
import {Room, type JoinOptions} from './room.js';
import {Session, type Token} from './session.js';
import {Subscription, type Filters, type StreamType, type SubscribeOptions} from './subscription.js';
import {Upload, type UploadOptions} from './upload.js';
import type {UploadSource} from './upload_source.js';

/** Where to connect, as whom, and how to come back. */
export interface ClientOptions {
  /** The server's WebSocket, `ws://…/ws` or `wss://…/ws`. */
  url: string;
  /** A JWT, or a function that yields a fresh one: asked at each connect, and when the token is about to end. */
  token?: Token;
  /** The key of a service account, instead of a token. */
  apiKey?: string;
  /** What is left out is as in `{enabled: true, maxAttempts: 10, delay: 1000}`. */
  reconnect?: Partial<Reconnect>;
  /** Messages to rooms that may wait for a connection, 100 unless given, and as many joins and subscribes. */
  queueSize?: number;
}

/** How long a call may take, and what goes with it. */
export interface CallOptions {
  /** Milliseconds, 10,000 unless given, at most 60,000. */
  timeout?: number;
  /** Cancels the call, at the backend too; its reason is what the caller gets. */
  signal?: AbortSignal;
  /**
   * Up to 128 characters that come with the answer and go through to the logs of all services; the request's id unless
   * given.
   */
  correlationId?: string;
}

/** Something that a user may choose. */
export interface NotificationAction {
  /** What people read. */
  label: string;
  /** What the application does then, in its own words. */
  action: string;
  /** What it needs for it. */
  params?: unknown;
}

/** What an application tells a user; its members are the protocol's. */
export interface Notification {
  /** The same however often it comes; the client shows each once. */
  notification_id: string;
  /** How it is meant. */
  notification_type: 'info' | 'warning' | 'error' | 'success';
  /** A line for people. */
  title: string;
  /** The text for people. */
  message: string;
  /** What it is about, in the application's own words. */
  category?: string;
  /** What the user may choose. */
  actions?: NotificationAction[];
  /** Whether it may go away by itself. */
  auto_dismiss?: boolean;
  /** Milliseconds until it does. */
  dismiss_after?: number;
}

/** Events of a client, with what their listeners get. */
export interface ClientEvents {
  /** A connection is there, the first or a later one. */
  connected: [];
  /** The connection has ended; another is tried unless `ended` follows. */
  disconnected: [Closed];
  /** Each notification, once. */
  notification: [Notification];
  /** Another session of the user has read it. */
  notification_read: [string];
  /** No connection any more, and none will come. */
  ended: [Error];
  /** Something failed that nobody waits for; shown on the console if nobody listens. */
  error: [Error];
}

const DEFAULT_CALL_MS = 10_000;
/** The edge ends a call at its timeout; this is for the answer's way back. */
const CALL_GRACE_MS = 5_000;
const DEFAULT_QUEUE_SIZE = 100;
const DEFAULT_CHUNK_LIMIT = 512 << 10;
const REMEMBERED_NOTIFICATIONS = 1000;

/** One user's connection to Covet, kept up until `close`. */
export class CovetPyWebSocketClient {
  /** Of this connection; undefined before the first. */
  sessionId: string | undefined;
  /** Who the server says that the credential is. */
  userId: string | undefined;
  /** What the server offers: `rooms`, `streaming`, `notifications`, `resume`, `rpc`, `files`, `binary_chunks`. */
  capabilities: string[] = [];
  /** The server's limits by name: `message_bytes`, `room_payload_bytes`, `chunk_bytes`, … */
  limits: Record<string, number> = {};

  private readonly rooms = new Map<string, Room>();
  private readonly subscriptions = new Map<string, Subscription>();
  private readonly uploads = new Map<string, Upload>();
  private readonly listeners = new Map<string, Set<(...args: never[]) => unknown>>();
  private readonly notificationFeed = new Feed<Notification>(REMEMBERED_NOTIFICATIONS);
  /** Those that somebody was told of, by id, with whether every iterator has got them. */
  private readonly seenNotifications = new Map<string, boolean>();
  private readonly queueSize: number;
  private readonly session: Session;
  private readonly outbox: Outbox;
  private readonly link: Link;

  constructor({url, token, apiKey, reconnect, queueSize = DEFAULT_QUEUE_SIZE}: ClientOptions) {
    this.queueSize = queueSize;
    this.session = new Session({url, token, apiKey, policy: {...DEFAULT_RECONNECT, ...reconnect}}, {
      up: (ack) => this.up(ack),
      down: (closed) => this.down(closed),
      message: (message) => this.onMessage(message),
      ended: (reason, error) => this.ended(reason, error),
      problem: (error) => this.problem(error),
    });
    this.outbox = new Outbox(this.session, queueSize);
    const client = this;
    this.link = {
      get binaryChunks() {
        return client.capabilities.includes('binary_chunks');
      },
      get chunkBytes() {
        return client.limits.chunk_bytes ?? DEFAULT_CHUNK_LIMIT;
      },
      ask: (message, options) => this.session.ask(message, options),
      repeatable: (message, mend) => this.outbox.send(message, mend),
      reopen: (source) => this.reopen(source),
      forget: (source) => this.forget(source),
      whenConnected: () => this.session.whenConnected(),
      whenLost: () => this.session.whenLost(),
      backOff: (attempt, error) => this.backOff(attempt, error),
    };
  }

  /** Whether there is a connection now. */
  get connected(): boolean {
    return this.session.connected;
  }

  /**
   * Rejects with AuthenticationError, with TokenError, or with ConnectionLostError without a server: the first connection is
   * not tried again by itself. A client that has ended does not come back: make another one.
   */
  connect(): Promise<void> {
    return this.session.start();
  }

  /** Ends the connection and everything that stands on it. */
  close(): Promise<void> {
    return this.session.close();
  }

  /** Calls `listener` at each such event; what it throws is shown on the console. */
  on<K extends keyof ClientEvents>(name: K, listener: (...args: ClientEvents[K]) => unknown): this {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name)!.add(listener as (...args: never[]) => unknown);
    return this;
  }

  /** Takes a listener out again. */
  off<K extends keyof ClientEvents>(name: K, listener: (...args: ClientEvents[K]) => unknown): this {
    this.listeners.get(name)?.delete(listener as (...args: never[]) => unknown);
    return this;
  }

  /**
   * Joins, on the next connection if there is none now. Rejects with ServerError (PERMISSION_DENIED, ROOM_NOT_FOUND, …).
   * Joining a room again replaces its options; it goes on where it is.
   */
  async joinRoom(roomId: string, options: JoinOptions = {}): Promise<Room> {
    const room = this.rooms.get(roomId) ?? new Room(this.link, roomId, options);
    room.options = options;
    this.rooms.set(roomId, room);
    try {
      await this.open(room);
    } catch (error) {
      // It goes on as it was.
      if (room.established && !room.ended) {
        room.options = room.accepted;
        this.reopen(room);
      } else this.abandon(room, error);
      throw error;
    }
    return room;
  }

  /** Leaves a room, as `Room.leave` does; nothing if it was not joined. */
  async leaveRoom(roomId: string): Promise<void> {
    await this.rooms.get(roomId)?.leave();
  }

  /** Subscribes, on the next connection if there is none now. Rejects with ServerError, whose `details.reason` tells why. */
  async subscribe(streamType: StreamType, resourceId: string, filters?: Filters, options: SubscribeOptions = {}): Promise<Subscription> {
    const subscription = new Subscription(this.link, streamType, resourceId, filters, options);
    try {
      await this.open(subscription);
    } catch (error) {
      this.abandon(subscription, error);
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
    try {
      return (await this.session.ask(message, {timeoutMs: timeout + CALL_GRACE_MS, signal})).data.result as T;
    } catch (error) {
      const late = error instanceof RequestTimeoutError;
      if (late || signal?.aborted) this.session.tell({type: 'rpc_cancel', id: newId('rc'), data: {call_id: message.id}});
      throw late ? new RpcTimeoutError('RPC_TIMEOUT', error.message, {}, true) : error;
    }
  }

  /** Notifications from now on, those that nobody has listened for yet included. */
  notifications(): AsyncIterableIterator<Notification> {
    return this.notificationFeed.iterate();
  }

  /** Begins an upload, on the next connection if there is none now. */
  upload(source: UploadSource, options: UploadOptions = {}): Upload {
    if (this.session.ended) throw this.session.ended;
    const upload = new Upload(this.link, source, options);
    this.uploads.set(upload.uploadId, upload);
    void upload.over.then(() => {
      // Another one may go on with its id.
      if (this.uploads.get(upload.uploadId) === upload) this.uploads.delete(upload.uploadId);
    });
    return upload;
  }

  /** Downloads a file by its id, or by a link that an upload or `files.get` gave. Nothing is fetched before it is read. */
  download(file: string, options: DownloadOptions = {}): Download {
    return new Download(this.link, file, options);
  }

  /** Resolves when it is open, on whichever connection that is. */
  private open(source: AnyResumable): Promise<void> {
    const {ended, connected} = this.session;
    if (ended) return Promise.reject(ended);
    const waiting = [...this.rooms.values(), ...this.subscriptions.values()].filter((each) => each.askers.length > 0);
    if (!connected && waiting.length >= this.queueSize) {
      return Promise.reject(new QueueFullError(`${waiting.length} rooms and subscriptions wait for a connection already`));
    }
    return new Promise((resolve, reject) => {
      source.askers.push({resolve, reject});
      if (connected) return void this.attempt(source);
      // It needs an id, by which the next connection finds it.
      source.openMessage();
      if (source instanceof Subscription) this.subscriptions.set(source.subscriptionId, source);
    });
  }

  /** Opens it on this connection; the next one does so again if this ends before. */
  private async attempt(source: AnyResumable): Promise<void> {
    const message = source.openMessage();
    if (source instanceof Subscription) this.subscriptions.set(message.id, source);
    try {
      await this.session.ask(message);
      if (source.openingId !== message.id) return;
      source.failures = 0;
      for (const asker of source.askers.splice(0)) asker.resolve();
    } catch (error) {
      if (isLost(error) || source.ended || source.openingId !== message.id) return;
      this.refused(source, error as Error);
    }
  }

  private refused(source: AnyResumable, error: Error): void {
    if (source.askers.length > 0) {
      for (const asker of source.askers.splice(0)) asker.reject(error);
      return;
    }
    // What was open before is worth some patience: its owner may be on its way back.
    const passing = error instanceof ServerError ? error.recoverable || error.details.reason === 'SOURCE_DOWN' : error instanceof RequestTimeoutError;
    const id = source.openingId;
    this.backOff(passing ? ++source.failures : Infinity, error).then(
      () => {
        if (!source.ended && source.openingId === id && this.session.connected) this.reopen(source);
      },
      () => {
        if (source.ended) return;
        this.abandon(source, error);
        source.end(error instanceof ServerError ? error.code : 'timeout', error);
      },
    );
  }

  private async backOff(attempt: number, error: Error): Promise<void> {
    if (attempt > this.session.policy.maxAttempts) throw error;
    await this.session.wait(waitBefore(this.session.policy, attempt));
    if (this.session.ended) throw this.session.ended;
  }

  private reopen(source: AnyResumable): void {
    if (!this.session.connected) return;
    if (source instanceof Subscription) {
      this.subscriptions.delete(source.subscriptionId);
      this.endAtServer(source);
    }
    void this.attempt(source);
  }

  /** It has not been opened, as `error` says; unless the server has refused it, it may have done it all the same. */
  private abandon(source: AnyResumable, error: unknown): void {
    this.forget(source);
    if (!source.ended && !(error instanceof ServerError)) this.endAtServer(source);
  }

  /** Nobody waits for the answer; where there was nothing to end, that is no problem to be told. */
  private endAtServer(source: AnyResumable): void {
    this.session.ask(source.endRequest()).catch(() => {});
  }

  private forget(source: AnyResumable): void {
    if (source instanceof Subscription) this.subscriptions.delete(source.subscriptionId);
    else if (source instanceof Room && this.rooms.get(source.roomId) === source) this.rooms.delete(source.roomId);
  }

  private up(ack: Message['data']): void {
    this.sessionId = ack.session_id;
    this.userId = ack.user_id;
    this.capabilities = ack.capabilities;
    this.limits = ack.limits;
    const again = [...this.subscriptions.values()];
    this.subscriptions.clear();
    // Joins go first: messages to a room need it joined, and one connection's requests take effect in their order.
    for (const room of this.rooms.values()) void this.attempt(room);
    for (const subscription of again) void this.attempt(subscription);
    this.outbox.up();
    this.emit('connected');
  }

  private down(closed: Closed): void {
    for (const source of [...this.rooms.values(), ...this.subscriptions.values()]) source.lost();
    if (isOurFault(closed.code)) this.dropSent(lostError(closed));
    this.emit('disconnected', closed);
  }

  /** Whatever may have broken the connection is not sent on the next. */
  private dropSent(error: Error): void {
    this.outbox.drop(error);
    for (const source of [...this.rooms.values(), ...this.subscriptions.values()]) {
      for (const asker of source.askers.splice(0)) asker.reject(error);
    }
    for (const upload of this.uploads.values()) if (!upload.kept) upload.fail(error);
  }

  private ended(reason: Error, error: Error | undefined): void {
    for (const source of [...this.rooms.values(), ...this.subscriptions.values()]) {
      for (const asker of source.askers.splice(0)) asker.reject(reason);
      source.end('disconnected', error);
    }
    for (const upload of this.uploads.values()) upload.fail(reason);
    this.rooms.clear();
    this.subscriptions.clear();
    this.outbox.drop(reason);
    this.notificationFeed.close(error);
    this.emit('ended', reason);
    this.listeners.clear();
  }

  private emit<K extends keyof ClientEvents>(name: K, ...args: ClientEvents[K]): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) {
      void invoke(listener as (...args: ClientEvents[K]) => unknown, ...args);
    }
  }

  private problem(error: Error): void {
    if (this.listeners.get('error')?.size) this.emit('error', error);
    else console.warn('covet:', error);
  }

  private onMessage(message: Message): void {
    const {data} = message;
    switch (message.type) {
      case 'room_joined':
        return this.rooms.get(data.room_id)?.onJoined(message);
      case 'room_event':
        return this.rooms.get(data.room_id)?.onEvent(message);
      case 'room_left':
        // One that answers: the room may have been joined again since.
        if (isLate(message)) return;
        return this.onSourceEnded(this.rooms.get(data.room_id), data.reason);
      case 'subscribed':
        return this.subscriptions.get(data.subscription_id)?.onSubscribed(data);
      case 'stream_data':
        return this.onStreamData(data);
      case 'unsubscribed':
        return this.onSourceEnded(this.subscriptions.get(data.subscription_id), data.reason);
      case 'notification':
        return this.onNotification(data);
      case 'notification_read':
        return this.emit('notification_read', data.notification_id);
      case 'auth_expiring':
        return void this.renew();
      case 'file_upload_complete':
        return this.uploads.get(data.upload_id)?.onComplete(data);
      case 'file_status':
        return this.uploads.get(data.upload_id)?.onStatus(data);
      case 'error':
        return this.onError(errorOf(message), data.original_message_id, isLate(message));
    }
  }

  private onSourceEnded(source: AnyResumable | undefined, reason: string): void {
    if (!source) return;
    const anew = source.onEnded(reason);
    if (source instanceof Subscription || !anew) this.forget(source);
    if (anew) void this.attempt(source);
  }

  private onStreamData(data: Message['data']): void {
    const subscription = this.subscriptions.get(data.subscription_id);
    if (subscription) subscription.onData(data);
    else if (data.resource_id.startsWith('room:')) this.rooms.get(data.resource_id.slice('room:'.length))?.onMetrics(data.batch);
  }

  /** Acknowledged, and so read for the user's other sessions, only where somebody here is told of it. */
  private onNotification(notification: Notification): void {
    const id = notification.notification_id;
    const listening = Boolean(this.listeners.get('notification')?.size);
    const read = listening || this.notificationFeed.read;
    const known = this.seenNotifications.has(id);
    // One that an iterator had no room for is not acknowledged, and so comes again.
    const taken = this.seenNotifications.get(id) || this.notificationFeed.put(notification);
    if (taken || listening) this.seenNotifications.set(id, taken);
    if (this.seenNotifications.size > REMEMBERED_NOTIFICATIONS) {
      this.seenNotifications.delete(this.seenNotifications.keys().next().value as string);
    }
    if (taken && read) {
      this.session.tell({type: 'notification_ack', id: newId('na'), data: {notification_id: id}});
    }
    if (!known) this.emit('notification', notification);
  }

  private onError(error: ServerError, about: string | undefined, late: boolean): void {
    const upload = about === undefined ? undefined : this.uploads.get(about);
    if (upload) upload.onError(error);
    else if (!late) this.problem(error);
  }

  private async renew(): Promise<void> {
    if (!this.session.canRenew) return;
    try {
      await this.session.ask({type: 'auth_refresh', id: newId('ar'), data: {token: await this.session.freshToken()}});
    } catch (error) {
      // The connection ends with its token, and the next one asks for another.
      if (!isLost(error) && !this.session.ended) this.problem(error as Error);
    }
  }
}

/** Whether it is an answer that nobody waits for any more: whoever asked has been told so. Those in time find their askers. */
function isLate(message: Message): boolean {
  return message.metadata?.in_reply_to !== undefined;
}
