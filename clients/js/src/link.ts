import type {Message, RequestOptions} from './connection.js';
import type {Mend} from './outbox.js';
import type {AnyResumable} from './resumable.js';

/** What rooms, subscriptions, uploads and downloads need of their client. */
export interface Link {
  readonly binaryChunks: boolean;
  /** Bytes that the server takes in one chunk of a file. */
  readonly chunkBytes: number;
  /** Sends a request on the connection that there is. */
  ask(message: Message, options?: Partial<RequestOptions>): Promise<Message>;
  /** Sends it now or on the next connection, and again if that ends before the answer, or once `mend` says so. */
  repeatable(message: Message, mend: Mend): Promise<Message>;
  /** Opens it again, from where it is. */
  reopen(source: AnyResumable): void;
  forget(source: AnyResumable): void;
  /** Resolves with true when there is a connection, with false when there will be none. */
  whenConnected(): Promise<boolean>;
  /** Resolves when the present connection has ended. */
  whenLost(): Promise<void>;
  /** Waits before attempt 1, 2, … in a row, as the client does before it reconnects; rejects after the last one with `error`. */
  backOff(attempt: number, error: Error): Promise<void>;
}
