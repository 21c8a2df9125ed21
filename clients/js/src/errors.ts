/** Everything that this package throws on purpose. */
export class CovetError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The connection ended before the answer came; whether the request took effect is unknown. */
export class ConnectionLostError extends CovetError {
  constructor(
    message: string,
    /** The WebSocket's close code, if there was a close. */
    readonly closeCode?: number,
    /** The server's words with it, empty if it had none. */
    readonly closeReason = '',
  ) {
    super(message);
  }
}

/** There is no connection, and the request is not one that may wait for the next. */
export class NotConnectedError extends CovetError {}

/** Too many requests wait for a connection, or for their answers, already. */
export class QueueFullError extends CovetError {}

/** The message is larger than the server takes (`limits.message_bytes`); it was not sent. */
export class MessageTooLargeError extends CovetError {}

/** No answer came in time. */
export class RequestTimeoutError extends CovetError {}

/** The function that yields tokens failed; `cause` is what it threw. */
export class TokenError extends CovetError {}

/** What an upload reads from is not what was announced, or cannot be read again; `cause` tells more. */
export class SourceError extends CovetError {}

/** A file cannot be downloaded, or not to its end; `status` is the HTTP status if there was one. */
export class DownloadError extends CovetError {
  constructor(
    message: string,
    /** The HTTP status, if there was an answer. */
    readonly status?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The room, subscription, upload or client has ended; `reason` is the server's. */
export class EndedError extends CovetError {
  constructor(
    what: string,
    /** `left`, `removed`, `deleted`, `closed`, …: the server's word, or the client's own. */
    readonly reason: string,
  ) {
    super(`${what} has ended: ${reason}`);
  }
}

/** A rate, and when it allows more. */
export interface RateLimit {
  /** So many are accepted in its period. */
  limit: number;
  /** So many more are accepted now. */
  remaining: number;
  /** When one more is accepted, RFC 3339. */
  reset: string;
}

/** The server refused a request: `error` and `rpc_error` as they came. */
export class ServerError extends CovetError {
  constructor(
    /** The protocol's error code, or a backend's own. */
    readonly code: string,
    message: string,
    /** What the protocol says for this code: the field that is wrong, the reason, … */
    readonly details: Record<string, unknown> = {},
    /** Whether the same request may succeed later. */
    readonly recoverable = false,
    /** Which rate was exceeded, with RATE_LIMITED. */
    readonly rateLimit?: RateLimit,
  ) {
    super(message || code);
  }
}

/** AUTH_FAILED or AUTH_EXPIRED. */
export class AuthenticationError extends ServerError {}
/** PERMISSION_DENIED. */
export class PermissionDeniedError extends ServerError {}
/** RATE_LIMITED; `rateLimit.reset` is when one more is accepted. */
export class RateLimitedError extends ServerError {}
/** A call that failed; `code` is Covet's or the backend's own. */
export class RpcError extends ServerError {}
/** RPC_TIMEOUT, told by the server, or because it has not answered at all. */
export class RpcTimeoutError extends RpcError {}

const RECOVERABLE = new Set(['RATE_LIMITED', 'UNAVAILABLE', 'RPC_TIMEOUT', 'INTERNAL', 'CHECKSUM_MISMATCH']);

/** The error that an `error` or `rpc_error` message tells of. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export function errorOf(message: any): ServerError {
  const data = message.data ?? {};
  if (message.type === 'rpc_error') {
    const error = data.error ?? {};
    const kind = error.code === 'RPC_TIMEOUT' ? RpcTimeoutError : RpcError;
    return new kind(error.code, error.message ?? '', error.details, RECOVERABLE.has(error.code), error.rate_limit);
  }
  const kind = {
    AUTH_FAILED: AuthenticationError,
    AUTH_EXPIRED: AuthenticationError,
    PERMISSION_DENIED: PermissionDeniedError,
    RATE_LIMITED: RateLimitedError,
  }[data.error_code as string] ?? ServerError;
  return new kind(data.error_code, data.error_message ?? '', data.details, Boolean(data.recoverable), data.rate_limit);
}

/** Whether the next connection may mend it. */
export function isLost(error: unknown): boolean {
  return error instanceof ConnectionLostError || error instanceof NotConnectedError;
}
