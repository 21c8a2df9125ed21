import type {Message} from './connection.js';
import {EndedError} from './errors.js';
import {Feed, Source} from './feed.js';
import type {Link} from './link.js';
import {newId} from './platform.js';

/** Events that wait for a slow reader; beyond it the room is read on from the server's log once it has caught up. */
export const MAX_WAITING = 10_000;

export interface Position {
  epoch: string;
  offset: number;
}

export interface JoinOptions {
  filter?: {event_types: string[]};
  /** Replays what came after a place that the caller has kept. */
  resume?: Position;
  /** Replays the newest so many. */
  history?: number;
  subscribe_to_metrics?: boolean;
}

/** What a member hears. Presence (`user_activity`) has no `offset` and no `epoch`: it is not in the room's log. */
export interface RoomEvent<T = unknown> {
  room_id: string;
  event_type: string;
  payload: T;
  id: string;
  timestamp: string;
  offset?: number;
  epoch?: string;
  sender?: {user_id: string; session_id?: string};
  replayed?: boolean;
  correlation_id?: string;
}

/** Something was lost: `evicted`, `epoch_changed`, `reset`, `dropped` or `source` says why. */
export interface Gap {
  reason: 'evicted' | 'epoch_changed' | 'reset' | 'dropped' | 'source';
  dropped?: number;
}

export interface SendOptions {
  idempotencyKey?: string;
  priority?: 'low' | 'normal' | 'high';
  /** Milliseconds from the server's append. */
  ttl?: number;
  correlationId?: string;
}

export interface RoomEvents {
  event: RoomEvent;
  gap: Gap;
  metrics: Record<string, unknown>;
}

/**
 * Made by `joinRoom`. Stays over reconnects: what was missed is replayed, each message once, in order; where that cannot
 * be, `gap` tells. `on('event' | 'gap' | 'metrics', …)`, or `for await (const event of room)`.
 */
export class Room extends Source<RoomEvents> {
  /** Why it has ended, if it has. */
  ended: string | undefined;
  memberCount = 0;
  permissions: string[] = [];
  metadata: Record<string, unknown> = {};

  /** @internal */
  protected readonly feeds: {[K in keyof RoomEvents]: Feed<RoomEvents[K]>} = {
    event: new Feed<RoomEvent>(MAX_WAITING),
    gap: new Feed<Gap>(MAX_WAITING),
    metrics: new Feed<Record<string, unknown>>(MAX_WAITING),
  };
  private position: Position | undefined;
  private behind = false;
  private joinId = '';

  /** @internal */
  constructor(private readonly link: Link, readonly roomId: string, private options: JoinOptions) {
    super();
    this.feeds.event.onEmpty = () => {
      if (this.behind && !this.ended) this.link.rejoin(this);
    };
  }

  /** The last message that was delivered: what `resume` takes. */
  get lastPosition(): Position | undefined {
    return this.position && {...this.position};
  }

  /** Events from now on. Throws EndedError when the server ends the room; ends when the client leaves. */
  [Symbol.asyncIterator](): AsyncIterableIterator<RoomEvent> {
    return this.feeds.event.iterate();
  }

  /**
   * Resolves once the message is on the server's disk. Without a connection it waits for the next one, within the
   * client's `queueSize`; a repeat after a broken connection stores nothing twice.
   */
  async send(eventType: string, payload: unknown, options: SendOptions = {}): Promise<{offset: number; duplicate: boolean}> {
    if (this.ended) throw new EndedError(`room ${this.roomId}`, this.ended);
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
    });
    return {offset: data.offset, duplicate: Boolean(data.duplicate)};
  }

  async leave(): Promise<void> {
    this.link.forgetRoom(this);
    this.end('left');
    await this.link.ask({type: 'leave_room', id: newId('lr'), data: {room_id: this.roomId}});
  }

  /** @internal */
  setOptions(options: JoinOptions): void {
    this.options = options;
  }

  /** @internal */
  joinMessage(): Message {
    const {history, resume, ...options} = this.options;
    const from = this.position ?? resume;
    this.joinId = newId('jr');
    return {
      type: 'join_room',
      id: this.joinId,
      data: {
        room_id: this.roomId,
        options: {...options, ...(from ? {resume: from} : history !== undefined && {history})},
      },
    };
  }

  /** @internal */
  onJoined(message: Message): void {
    if (message.metadata?.in_reply_to !== this.joinId) return;
    const {data} = message;
    this.memberCount = data.member_count;
    this.permissions = data.permissions;
    this.metadata = data.room_metadata;
    this.behind = false;
    const old = this.position ?? this.options.resume;
    if (old && old.epoch === data.epoch) {
      if (!data.recovered) this.feeds.gap.put({reason: 'evicted'});
      this.position = {...old};
      return;
    }
    if (old) this.feeds.gap.put({reason: 'epoch_changed'});
    const replays = !old && this.options.history !== undefined;
    this.position = {epoch: data.epoch, offset: replays ? 0 : data.offset};
  }

  /** @internal */
  onEvent(message: Message): void {
    const {data} = message;
    const logged = data.offset !== undefined;
    if (logged && (this.behind || data.epoch !== this.position?.epoch || data.offset <= this.position!.offset)) return;
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
    if (!this.feeds.event.put(event)) this.behind ||= logged;
    else if (logged) this.position!.offset = data.offset;
  }

  /** @internal */
  onMetrics(batch: Record<string, unknown>[]): void {
    this.feeds.metrics.put(...batch);
  }

  /** Whether to join anew. @internal */
  onLeft(reason: string): boolean {
    if (reason !== 'reset') {
      this.end(reason, new EndedError(`room ${this.roomId}`, reason));
      return false;
    }
    this.position = undefined;
    this.feeds.gap.put({reason: 'reset'});
    return true;
  }

  /** @internal */
  end(reason: string, error?: Error): void {
    this.ended = reason;
    this.closeFeeds(error);
  }
}
