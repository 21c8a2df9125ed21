import type {Message} from './connection.js';
import {QueueFullError, isLost} from './errors.js';
import type {Session} from './session.js';

/** Messages on their way at once; whoever sends faster than they are answered is told by QueueFullError. */
const MAX_UNANSWERED = 10_000;

/** Waits until a message that was refused may be sent again; undefined if it may not, and rejects with what to give up with. */
export type Mend = (error: Error, attempt: number) => Promise<void> | undefined;

interface Entry {
  message: Message;
  mend: Mend;
  /** Refusals in a row, and connections that it was sent on. */
  refusals: number;
  connections: number;
  resolve: (answer: Message) => void;
  reject: (error: Error) => void;
}

/** Messages that may be sent again on the next connection, in their order: at most `bound` wait for one. */
export class Outbox {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly session: Session, private readonly bound: number) {}

  /** Resolves with the answer, whichever connection it comes by. */
  send(message: Message, mend: Mend): Promise<Message> {
    if (this.session.ended) return Promise.reject(this.session.ended);
    const {connected} = this.session;
    if (this.entries.size >= (connected ? MAX_UNANSWERED : this.bound)) {
      const whatFor = connected ? 'their answers' : 'a connection';
      return Promise.reject(new QueueFullError(`${this.entries.size} messages wait for ${whatFor} already`));
    }
    return new Promise((resolve, reject) => {
      const entry = {message, mend, refusals: 0, connections: 0, resolve, reject};
      this.entries.set(message.id, entry);
      if (connected) void this.attempt(entry);
    });
  }

  up(): void {
    for (const entry of this.entries.values()) {
      entry.connections++;
      void this.attempt(entry);
    }
  }

  /** None of them is sent again. */
  drop(reason: Error): void {
    for (const entry of this.entries.values()) this.fail(entry, reason);
  }

  private async attempt(entry: Entry): Promise<void> {
    try {
      entry.resolve(await this.session.ask(entry.message));
      this.entries.delete(entry.message.id);
    } catch (error) {
      // The next connection sends it again.
      if (!isLost(error)) await this.refused(entry, error as Error);
    }
  }

  private async refused(entry: Entry, error: Error): Promise<void> {
    const {connections} = entry;
    try {
      const mended = entry.mend(error, ++entry.refusals);
      if (!mended) throw error;
      await mended;
    } catch (final) {
      return this.fail(entry, final as Error);
    }
    // Unless another connection has sent it meanwhile.
    const mine = entry.connections === connections && this.entries.get(entry.message.id) === entry;
    if (mine && this.session.connected) await this.attempt(entry);
  }

  private fail(entry: Entry, error: Error): void {
    this.entries.delete(entry.message.id);
    entry.reject(error);
  }
}
