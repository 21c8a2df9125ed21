import type {Message} from './connection.js';
import {ServerError} from './errors.js';
import {Feed} from './feed.js';
import type {Link} from './link.js';
import {newId} from './platform.js';
import {MAX_WAITING, Resumable, type Ended, type Gap, type ResumableEvents, type Start} from './resumable.js';

export interface JoinOptions extends Start {
  /** Limits what arrives. */
  filter?: {
    /** Only events of these types. */
    event_types: string[];
  };
  /** Whether to get the room's own metrics too, as the event `metrics`. */
  subscribe_to_metrics?: boolean;
}

/** What a member hears. Presence (`user_activity`) has no `offset` and no `epoch`: it is not in the room's log. */
export interface RoomEvent<T = unknown> {
  /** The room. */
  room_id: string;
  /** The sender's word for it; `user_activity` is presence. */
  event_type: string;
  /** What was sent. */
  payload: T;
  /** The same for every member, and in every replay. */
  id: string;
  /** When the server took it, RFC 3339. */
  timestamp: string;
  /** Its place in the room's log. */
  offset?: number;
  /** Names that log. */
  epoch?: string;
  /** Who has sent it. */
  sender?: {
    /** The user, or a service's. */
    user_id: string;
    /** Missing if it came by gRPC. */
    session_id?: string;
  };
  /** Whether it was sent before the room was joined, or while the client was away. */
  replayed?: boolean;
  /** What its sender gave. */
  correlation_id?: string;
}

/** Where a message is in the room's log. */
export interface Published {
  /** Its place. */
  offset: number;
  /** Whether it was there already: a repeat with the same idempotency key. */
  duplicate: boolean;
}

/** How a message is kept and delivered. */
export interface SendOptions {
  /** The same key from the same user within 10 minutes stores nothing; a random one unless given. */
  idempotencyKey?: string;
  /** What a full queue drops last, and what leaves first; `normal` unless given. */
  priority?: 'low' | 'normal' | 'high';
  /** Milliseconds from the server's append. */
  ttl?: number;
  /** Up to 128 characters that come with the acknowledgement, go to all readers, and to the logs. */
  correlationId?: string;
}

/** Events of a room, with what their listeners get. */
export interface RoomEvents extends ResumableEvents {
  /** Each message, and presence. */
  event: RoomEvent;
  /** The room's own metrics, if it was joined with `subscribe_to_metrics`. */
  metrics: Record<string, unknown>;
}

/**
 * Made by `joinRoom`. Stays over reconnects: what was missed is replayed, each message once, in order; where that cannot
 * be, `gap` tells. `on('event' | 'gap' | 'metrics' | 'ended', …)`, or `for await (const event of room)`.
 */
export class Room extends Resumable<RoomEvents> {
  /** Users in the room, as last heard. */
  memberCount = 0;
  /** What this user may do here: `read`, `write`, `manage`. */
  permissions: string[] = [];
  /** The room's own, by `name`, `created_at` and whatever was set. */
  metadata: Record<string, unknown> = {};

  /** @internal */
  protected readonly feeds: {[K in keyof RoomEvents]: Feed<RoomEvents[K]>} = {
    event: this.logged<RoomEvent>(),
    gap: new Feed<Gap>(MAX_WAITING),
    metrics: new Feed<Record<string, unknown>>(MAX_WAITING),
    ended: new Feed<Ended>(1),
  };
  protected readonly prefix = 'jr';
  /** Those of the newest join. @internal */
  options: JoinOptions;
  /** Those that the server has accepted last. @internal */
  accepted: JoinOptions;

  /** @internal */
  constructor(
    link: Link,
    /** Its id. */
    readonly roomId: string,
    options: JoinOptions,
  ) {
    super(link, `room ${roomId}`, options);
    this.options = this.accepted = options;
  }

  /** Events from now on. Throws EndedError when the server ends the room; ends when the client leaves. */
  [Symbol.asyncIterator](): AsyncIterableIterator<RoomEvent> {
    return this.feeds.event.iterate();
  }

  /**
   * Resolves once the message is on the server's disk. Without a connection it waits for the next one, within the
   * client's `queueSize`; a repeat after a broken connection stores nothing twice.
   */
  async send(eventType: string, payload: unknown, options: SendOptions = {}): Promise<Published> {
    this.checkOpen();
    const metadata = {
      ...(options.priority !== undefined && {priority: options.priority}),
      ...(options.ttl !== undefined && {ttl: options.ttl}),
      ...(options.correlationId !== undefined && {correlation_id: options.correlationId}),
    };
    const {data} = await this.link.repeatable({
      type: 'room_message',
      id: newId('rm'),
      data: {room_id: this.roomId, event_type: eventType, payload, idempotency_key: options.idempotencyKey ?? newId('key')},
      ...(Object.keys(metadata).length > 0 && {metadata}),
    }, (error, attempt) => this.mend(error, attempt));
    return {offset: data.offset, duplicate: Boolean(data.duplicate)};
  }

  /** Leaves the room: readers and `ended` listeners get the end. */
  leave(): Promise<void> {
    return this.stop('left');
  }

  /** The room's owner may be away for a while: what it refuses then is sent again, which is safe. */
  private mend(error: Error, attempt: number): Promise<void> | undefined {
    if (!(error instanceof ServerError) || this.ended) return undefined;
    if (error.details.reason === 'NOT_JOINED' && !this.open) return this.whenOpen();
    return error.code === 'UNAVAILABLE' ? this.link.backOff(attempt, error) : undefined;
  }

  protected request(id: string, start: Start): Message {
    const {history: _history, resume: _resume, ...options} = this.options;
    return {type: 'join_room', id, data: {room_id: this.roomId, options: {...options, ...start}}};
  }

  /** @internal */
  endRequest(): Message {
    return {type: 'leave_room', id: newId('lr'), data: {room_id: this.roomId}};
  }

  /** @internal */
  onJoined(message: Message): void {
    if (message.metadata?.in_reply_to !== this.openingId) return;
    const {data} = message;
    this.memberCount = data.member_count;
    this.permissions = data.permissions;
    this.metadata = data.room_metadata;
    this.accepted = this.options;
    this.opened(data);
  }

  /** @internal */
  onEvent(message: Message): void {
    const {dropped, ...data} = message.data;
    const logged = data.offset !== undefined;
    if (logged && (this.behind || data.epoch !== this.at?.epoch || data.offset <= this.at!.offset)) return;
    if (data.event_type === 'user_activity' && typeof data.payload?.member_count === 'number') {
      this.memberCount = data.payload.member_count;
    }
    const correlationId = message.metadata?.correlation_id;
    const event: RoomEvent = {
      ...data,
      id: message.id,
      timestamp: message.timestamp,
      ...(correlationId !== undefined && {correlation_id: correlationId}),
    };
    if (!this.feeds.event.put(event)) {
      this.behind ||= logged;
      return;
    }
    if (logged) this.at!.offset = data.offset;
    if (dropped) this.tellGap({reason: 'dropped', dropped});
  }

  /** @internal */
  onMetrics(batch: Record<string, unknown>[]): void {
    this.feeds.metrics.put(...batch);
  }
}
