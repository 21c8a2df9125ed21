const MAX_EARLY = 1000;

/** What waits for one reader, in order. */
class Mailbox<T> implements AsyncIterableIterator<T> {
  private items: T[] = [];
  private waiters: (() => void)[] = [];
  private closed = false;
  private error: Error | undefined;

  constructor(private readonly bound: number, private readonly onEmpty: () => void, private readonly onReturn: () => void) {}

  get empty(): boolean {
    return this.items.length === 0;
  }

  /** An empty one takes any number, so that no batch is too large for ever. */
  takes(count: number): boolean {
    return this.items.length === 0 || this.items.length + count <= this.bound;
  }

  put(items: readonly T[]): void {
    if (this.closed) return;
    this.items.push(...items);
    this.wake();
  }

  close(error?: Error): void {
    if (this.closed) return;
    this.closed = true;
    this.error = error;
    this.wake();
  }

  async next(): Promise<IteratorResult<T>> {
    for (;;) {
      if (this.items.length > 0) return {done: false, value: this.items.shift() as T};
      this.onEmpty();
      if (this.items.length > 0) continue;
      if (this.closed) {
        const error = this.error;
        this.error = undefined;
        if (error) throw error;
        return {done: true, value: undefined};
      }
      await new Promise<void>((resolve) => this.waiters.push(resolve));
    }
  }

  async return(): Promise<IteratorResult<T>> {
    this.onReturn();
    this.closed = true;
    this.items = [];
    this.wake();
    return {done: true, value: undefined};
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this;
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }
}

/** What is called with each item; a promise that it returns holds up its next call. */
export type Listener<T> = (item: T) => void | Promise<void>;

/** Whatever a listener throws is shown, since nobody else could hear of it. */
export async function invoke<A extends unknown[]>(listener: (...args: A) => unknown, ...args: A): Promise<void> {
  try {
    await listener(...args);
  } catch (error) {
    console.error('covet: a listener failed', error);
  }
}

/**
 * What a room or subscription delivers: to listeners, one after the other, and to iterators, each with a mailbox of its
 * own that holds about `bound` items. What comes before the first of them waits for it, up to MAX_EARLY items: whoever has
 * no reader by then wants none, and from then on items are let go.
 */
export class Feed<T> {
  private early: T[] | undefined = [];
  private closed: {error: Error | undefined} | undefined;
  private readonly mailboxes = new Set<Mailbox<T>>();
  private readonly byListener = new Map<Listener<T>, Mailbox<T>>();
  /** Called when every reader has taken everything. */
  onEmpty: () => void = () => {};

  constructor(private readonly bound: number) {}

  /** Whether anybody reads. */
  get read(): boolean {
    return this.mailboxes.size > 0;
  }

  listen(listener: Listener<T>): void {
    if (this.byListener.has(listener)) return;
    const mailbox = this.open();
    this.byListener.set(listener, mailbox);
    void (async () => {
      try {
        for await (const item of mailbox) await invoke(listener, item);
      } catch {
        // The end of the feed, which iterators and listeners for `ended` are told of.
      }
    })();
  }

  unlisten(listener: Listener<T>): void {
    void this.byListener.get(listener)?.return();
    this.byListener.delete(listener);
  }

  /** A reader that stops before the end must say so, as `break` and `return()` do: else it holds up the others once it is full. */
  iterate(): AsyncIterableIterator<T> {
    return this.open();
  }

  /** False if a reader had no room for them; then none has got any. */
  put(...items: T[]): boolean {
    if (this.closed) return true;
    if (this.early) {
      this.early.push(...items);
      if (this.early.length > MAX_EARLY) this.early = undefined;
      return true;
    }
    for (const mailbox of this.mailboxes) if (!mailbox.takes(items.length)) return false;
    for (const mailbox of this.mailboxes) mailbox.put(items);
    return true;
  }

  /** Readers get what is there, then the error or the end. */
  close(error?: Error): void {
    if (this.closed) return;
    this.closed = {error};
    for (const mailbox of this.mailboxes) mailbox.close(error);
    this.mailboxes.clear();
    this.byListener.clear();
  }

  private open(): Mailbox<T> {
    const mailbox: Mailbox<T> = new Mailbox<T>(
      this.bound,
      () => this.emptied(),
      () => {
        this.mailboxes.delete(mailbox);
        // The others may have waited for it alone.
        this.emptied();
      },
    );
    mailbox.put(this.early ?? []);
    this.early = undefined;
    if (this.closed) mailbox.close(this.closed.error);
    else this.mailboxes.add(mailbox);
    return mailbox;
  }

  private emptied(): void {
    if ([...this.mailboxes].every((each) => each.empty)) this.onEmpty();
  }
}

/** Something with a feed for each of its events, by name. */
export abstract class Source<Events extends object> {
  /** @internal */
  protected abstract readonly feeds: {readonly [K in keyof Events]: Feed<Events[K]>};

  /** Calls of one listener follow each other; one that returns a promise holds up only its own next call. */
  on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): this {
    this.feeds[name].listen(listener);
    return this;
  }

  /** Takes a listener out again. */
  off<K extends keyof Events>(name: K, listener: Listener<Events[K]>): this {
    this.feeds[name].unlisten(listener);
    return this;
  }

  protected closeFeeds(error?: Error): void {
    for (const feed of Object.values<Feed<unknown>>(this.feeds as Record<string, Feed<unknown>>)) feed.close(error);
  }
}
