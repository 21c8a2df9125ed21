import type {Message} from './connection.js';
import {EndedError, ServerError, isLost} from './errors.js';
import {Feed, Source} from './feed.js';
import type {Link} from './link.js';
import {newId} from './platform.js';

/** Items that wait for a slow reader; beyond it they are read on from the server's log once the reader has caught up. */
export const MAX_WAITING = 10_000;

/** A place in a log: what `resume` takes. */
export interface Position {
  /** Names the log; another one whenever it starts anew. */
  epoch: string;
  /** Counts its items, from 1. */
  offset: number;
}

/** Where to begin. */
export interface Start {
  /** Replays what came after a place that the caller has kept. */
  resume?: Position;
  /** Replays the newest so many; `resume` wins. */
  history?: number;
}

/** Something was lost: `evicted`, `epoch_changed`, `reset`, `dropped` or `source` says why. */
export interface Gap {
  /**
   * `evicted`: what was missed is no longer kept. `epoch_changed`: the log was started anew. `reset`: the server could not go on
   * without loss. `dropped`: the server left out what a slow reader had no room for. `source`: a stream's source lost it.
   */
  reason: 'evicted' | 'epoch_changed' | 'reset' | 'dropped' | 'source';
  /** How many, with `dropped`. */
  dropped?: number;
}

/** The end, told once: `reason` is the server's, or `left`, `unsubscribed`, `disconnected`. */
export interface Ended {
  /** `removed`, `deleted`, `permission_revoked`, …, as in the protocol. */
  reason: string;
  /** Missing if the client itself has ended it. */
  error?: Error;
}

export interface ResumableEvents {
  /** Something cannot be had any more. */
  gap: Gap;
  /** Nothing more will come. */
  ended: Ended;
}

interface Asker {
  resolve: () => void;
  reject: (error: Error) => void;
}

/** What stays over reconnects and goes on where it was: rooms and subscriptions. */
export abstract class Resumable<Events extends ResumableEvents> extends Source<Events> {
  /** Why it has ended, if it has. */
  ended: string | undefined;

  /** Whether it has ever been open. @internal */
  established = false;
  /** Failed attempts to open it again, in a row. @internal */
  failures = 0;
  /** The request that opens it, the newest one. @internal */
  openingId = '';
  /** Those who have asked for it to be opened. @internal */
  askers: Asker[] = [];
  /** Whether it is open on this connection, and those who wait until it is. */
  protected open = false;
  private openWaiters: Asker[] = [];
  protected at: Position | undefined;
  /** A reader has not kept up: what comes is left out until it has, and then read on from `at`. */
  protected behind = false;

  constructor(protected readonly link: Link, private readonly what: string, private start: Start) {
    super();
  }

  /** The place of the last item that was delivered: what `resume` takes. */
  get position(): Position | undefined {
    return this.at && {...this.at};
  }

  /** Its opening request, with a fresh id. @internal */
  openMessage(): Message {
    this.openingId = newId(this.prefix);
    const {resume, history} = this.start;
    const from = this.at ?? resume;
    return this.request(this.openingId, from ? {resume: from} : history !== undefined ? {history} : {});
  }

  protected abstract readonly prefix: string;
  protected abstract request(id: string, start: Start): Message;
  /** The request that ends it. @internal */
  abstract endRequest(): Message;

  /** A feed whose readers may be slow, since the server's log has what they miss. */
  protected logged<T>(): Feed<T> {
    const feed = new Feed<T>(MAX_WAITING);
    feed.onEmpty = () => {
      if (this.behind && !this.ended) this.link.reopen(this);
    };
    return feed;
  }

  /** It is open: what comes now follows `data`. */
  protected opened(data: {epoch: string; offset: number; recovered: boolean}): void {
    const from = this.at ?? this.start.resume;
    const {epoch, offset} = data;
    this.behind = false;
    if (from?.epoch === epoch) {
      if (!data.recovered) this.tellGap({reason: 'evicted'});
      this.at = {...from};
    } else {
      if (from) this.tellGap({reason: 'epoch_changed'});
      const replayed = from ? 0 : this.start.history ?? 0;
      this.at = {epoch, offset: Math.max(0, offset - replayed)};
    }
    // From now on it goes on where it is.
    this.start = {};
    this.established = true;
    this.open = true;
    for (const waiter of this.openWaiters.splice(0)) waiter.resolve();
  }

  /** The connection has ended. @internal */
  lost(): void {
    this.open = false;
  }

  /** Until it is open. Rejects if it ends before. */
  protected whenOpen(): Promise<void> {
    if (this.open) return Promise.resolve();
    return new Promise((resolve, reject) => this.openWaiters.push({resolve, reject}));
  }

  /** The server has ended it. Whether to open it anew. @internal */
  onEnded(reason: string): boolean {
    if (reason !== 'reset') {
      this.end(reason, new EndedError(this.what, reason));
      return false;
    }
    this.at = undefined;
    this.open = false;
    this.tellGap({reason: 'reset'});
    return true;
  }

  /** @internal */
  end(reason: string, error?: Error): void {
    if (this.ended) return;
    this.ended = reason;
    for (const asker of [...this.askers.splice(0), ...this.openWaiters.splice(0)]) {
      asker.reject(error ?? new EndedError(this.what, reason));
    }
    this.feed('ended').put({reason, ...(error && {error})});
    this.closeFeeds(error);
  }

  protected checkOpen(): void {
    if (this.ended) throw new EndedError(this.what, this.ended);
  }

  /** Ends it here and at the server; a connection that is lost has ended it there too. */
  protected async stop(reason: string): Promise<void> {
    if (this.ended) return;
    this.link.forget(this);
    this.end(reason);
    try {
      await this.link.ask(this.endRequest());
    } catch (error) {
      // One that is being opened again is not there.
      const absent = error instanceof ServerError && error.code === 'NOT_FOUND';
      if (!isLost(error) && !absent) throw error;
    }
  }

  protected tellGap(gap: Gap): void {
    this.feed('gap').put(gap);
  }

  private feed<K extends keyof ResumableEvents>(name: K): Feed<ResumableEvents[K]> {
    return (this.feeds as unknown as {[Name in keyof ResumableEvents]: Feed<ResumableEvents[Name]>})[name];
  }
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyResumable = Resumable<any>;
