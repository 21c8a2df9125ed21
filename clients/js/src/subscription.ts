import type {Message} from './connection.js';
import {Feed} from './feed.js';
import type {Link} from './link.js';
import {newId} from './platform.js';
import {MAX_WAITING, Resumable, type Ended, type Gap, type ResumableEvents, type Start} from './resumable.js';

/** The kinds of streams. */
export type StreamType = 'metrics' | 'logs' | 'events' | 'database_changes';
/** One record of a stream; which members it has is up to the source. */
export type StreamRecord = Record<string, unknown>;

/** Which records come; all conditions must hold. */
export interface Filters {
  /** This severity and above. */
  min_severity?: 'debug' | 'info' | 'notice' | 'warning' | 'error' | 'critical';
  /** Any of them. */
  tags?: string[];
  /** Comparisons on a record's values: `{cpu_usage: {gte: 80}}`. */
  fields?: Record<string, Record<string, unknown>>;
}

export interface SubscribeOptions extends Start {
  /** Milliseconds, 1000 unless given; 0 sends each record as it comes. */
  batch_interval?: number;
  /** Records: a batch of so many goes out at once, and so many wait at the server for a slow reader. */
  buffer_size?: number;
  /** Keeps only the newest record (per `key`) between batches. */
  conflate?: boolean;
}

/** Events of a subscription, with what their listeners get. */
export interface SubscriptionEvents extends ResumableEvents {
  /** Each record. */
  data: StreamRecord;
}

/**
 * Made by `subscribe`. Stays over reconnects: it goes on after the last batch that it has got. `on('data' | 'gap' |
 * 'ended', …)`, or `for await (const record of subscription)`.
 */
export class Subscription extends Resumable<SubscriptionEvents> {
  /** @internal */
  protected readonly feeds: {[K in keyof SubscriptionEvents]: Feed<SubscriptionEvents[K]>} = {
    data: this.logged<StreamRecord>(),
    gap: new Feed<Gap>(MAX_WAITING),
    ended: new Feed<Ended>(1),
  };
  protected readonly prefix = 'sub';

  /** @internal */
  constructor(
    link: Link,
    /** The type that was subscribed to. */
    readonly streamType: StreamType,
    /** The resource that was subscribed to. */
    readonly resourceId: string,
    private readonly filters: Filters | undefined,
    private readonly options: SubscribeOptions,
  ) {
    super(link, `subscription to ${streamType} of ${resourceId}`, options);
  }

  /** Another one after each reconnect. */
  get subscriptionId(): string {
    return this.openingId;
  }

  /** Records from now on. Throws EndedError when the server ends it; ends with `unsubscribe`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<StreamRecord> {
    return this.feeds.data.iterate();
  }

  /** Ends it: readers and `ended` listeners get the end. */
  unsubscribe(): Promise<void> {
    return this.stop('unsubscribed');
  }

  protected request(id: string, start: Start): Message {
    const {history: _history, resume: _resume, ...rest} = this.options;
    const options = {...rest, ...start};
    return {
      type: 'subscribe',
      id,
      data: {
        stream_type: this.streamType,
        resource_id: this.resourceId,
        ...(this.filters && {filters: this.filters}),
        ...(Object.keys(options).length > 0 && {options}),
      },
    };
  }

  /** @internal */
  endRequest(): Message {
    return {type: 'unsubscribe', id: newId('unsub'), data: {subscription_id: this.openingId}};
  }

  /** @internal */
  onSubscribed(data: Message['data']): void {
    this.opened(data);
  }

  /** @internal */
  onData(data: Message['data']): void {
    if (this.behind) return;
    if (data.gap) this.tellGap({reason: 'source'});
    if (!this.feeds.data.put(...data.batch)) {
      this.behind = true;
      return;
    }
    this.at = {epoch: data.epoch, offset: data.last_offset};
    if (data.dropped) this.tellGap({reason: 'dropped', dropped: data.dropped});
  }
}
