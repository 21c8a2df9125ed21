import type {Message} from './connection.js';
import {EndedError} from './errors.js';
import {Feed, Source} from './feed.js';
import type {Link} from './link.js';
import {newId} from './platform.js';
import {MAX_WAITING, type Gap, type Position} from './room.js';

export type StreamType = 'metrics' | 'logs' | 'events' | 'database_changes';
export type Rec = Record<string, unknown>;

export interface Filters {
  min_severity?: 'debug' | 'info' | 'notice' | 'warning' | 'error' | 'critical';
  tags?: string[];
  fields?: Record<string, Record<string, unknown>>;
}

export interface SubscribeOptions {
  batch_interval?: number;
  buffer_size?: number;
  conflate?: boolean;
  history?: number;
  resume?: Position;
}

export interface SubscriptionEvents {
  data: Rec;
  gap: Gap;
}

/**
 * Made by `subscribe`. Stays over reconnects: it goes on after the last batch that it has got. `on('data', …)` gets each
 * record, `on('gap', …)` what was lost; or `for await (const record of subscription)`.
 */
export class Subscription extends Source<SubscriptionEvents> {
  /** Another one after each reconnect. */
  subscriptionId = '';
  /** Why it has ended, if it has. */
  ended: string | undefined;

  /** @internal */
  protected readonly feeds: {[K in keyof SubscriptionEvents]: Feed<SubscriptionEvents[K]>} = {
    data: new Feed<Rec>(MAX_WAITING),
    gap: new Feed<Gap>(MAX_WAITING),
  };
  private position: Position | undefined;
  private behind = false;

  /** @internal */
  constructor(
    private readonly link: Link,
    readonly streamType: StreamType,
    readonly resourceId: string,
    private readonly filters: Filters | undefined,
    private readonly options: SubscribeOptions,
  ) {
    super();
    this.feeds.data.onEmpty = () => {
      if (this.behind && !this.ended) this.link.resubscribe(this);
    };
  }

  /** Records from now on. Throws EndedError when the server ends it; ends with `unsubscribe`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Rec> {
    return this.feeds.data.iterate();
  }

  async unsubscribe(): Promise<void> {
    this.link.forgetSubscription(this);
    this.end('unsubscribed');
    await this.link.ask({type: 'unsubscribe', id: newId('unsub'), data: {subscription_id: this.subscriptionId}});
  }

  /** @internal */
  subscribeMessage(): Message {
    const {history, resume, ...rest} = this.options;
    const from = this.position ?? resume;
    const options = {...rest, ...(from ? {resume: from} : history !== undefined && {history})};
    this.subscriptionId = newId('sub');
    this.behind = false;
    return {
      type: 'subscribe',
      id: this.subscriptionId,
      data: {
        stream_type: this.streamType,
        resource_id: this.resourceId,
        ...(this.filters && {filters: this.filters}),
        ...(Object.keys(options).length > 0 && {options}),
      },
    };
  }

  /** @internal */
  onSubscribed(data: Message['data']): void {
    const old = this.position ?? this.options.resume;
    if (old && old.epoch !== data.epoch) this.feeds.gap.put({reason: 'epoch_changed'});
    else if (old && !data.recovered) this.feeds.gap.put({reason: 'evicted'});
    if (old?.epoch === data.epoch) this.position = {...old!};
    // Until its first batch, one that replays has seen nothing.
    else if (old || this.options.history === undefined) this.position = {epoch: data.epoch, offset: data.offset};
  }

  /** @internal */
  onData(data: Message['data']): void {
    if (this.behind) return;
    if (data.dropped) this.feeds.gap.put({reason: 'dropped', dropped: data.dropped});
    if (data.gap) this.feeds.gap.put({reason: 'source'});
    // What does not fit is read on from the last batch once the reader has caught up.
    if (!this.feeds.data.put(...data.batch)) this.behind = true;
    else this.position = {epoch: data.epoch, offset: data.last_offset};
  }

  /** Whether to subscribe anew. @internal */
  onEnded(reason: string): boolean {
    if (reason !== 'reset') {
      this.end(reason, new EndedError(`subscription to ${this.streamType} of ${this.resourceId}`, reason));
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
