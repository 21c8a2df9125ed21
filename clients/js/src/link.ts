import type {Message} from './connection.js';
import type {Room} from './room.js';
import type {Subscription} from './subscription.js';

/** What rooms, subscriptions and uploads need of their client. */
export interface Link {
  readonly binaryChunks: boolean;
  /** Sends a request on the connection that there is. */
  ask(message: Message, timeoutMs?: number, binary?: Uint8Array): Promise<Message>;
  /** Sends it now or on the next connection, and again if that ends before the answer. */
  repeatable(message: Message): Promise<Message>;
  rejoin(room: Room): void;
  resubscribe(subscription: Subscription): void;
  forgetRoom(room: Room): void;
  forgetSubscription(subscription: Subscription): void;
  /** Resolves when there is a connection; rejects when there will be none. */
  whenConnected(): Promise<void>;
  /** Resolves when the present connection has ended. */
  whenLost(): Promise<void>;
}
