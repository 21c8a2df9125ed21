export {CovetPyWebSocketClient} from './client.js';
export type {CallOptions, ClientEvents, ClientOptions, Notification, NotificationAction} from './client.js';
export type {Closed} from './connection.js';
export {Download} from './download.js';
export type {DownloadOptions} from './download.js';
export {
  AuthenticationError, ConnectionLostError, CovetError, DownloadError, EndedError, MessageTooLargeError, NotConnectedError,
  PermissionDeniedError, QueueFullError, RateLimitedError, RequestTimeoutError, RpcError, RpcTimeoutError, ServerError,
  SourceError, TokenError,
} from './errors.js';
export type {RateLimit} from './errors.js';
export type {Reconnect} from './reconnect.js';
export type {Ended, Gap, Position, Start} from './resumable.js';
export type {Listener} from './feed.js';
export {Room} from './room.js';
export type {JoinOptions, Published, RoomEvent, RoomEvents, SendOptions} from './room.js';
export type {Token} from './session.js';
export {Subscription} from './subscription.js';
export type {Filters, StreamRecord, StreamType, SubscribeOptions, SubscriptionEvents} from './subscription.js';
export {Upload} from './upload.js';
export type {FileStatus, Progress, UploadEvents, UploadOptions, UploadResult} from './upload.js';
export type {ByteStream, UploadSource} from './upload_source.js';
