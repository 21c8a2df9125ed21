"""What can go wrong, by what a caller may do about it."""

from __future__ import annotations

from typing import Any, Mapping, Optional


class CovetError(Exception):
    """Everything that this package raises on purpose."""


class ConnectionLostError(CovetError):
    """The connection ended before the answer came; whether the request took effect is unknown."""

    def __init__(self, message: str, close_code: Optional[int] = None, close_reason: str = "") -> None:
        super().__init__(message)
        self.close_code = close_code
        """The WebSocket's close code, if there was a close."""
        self.close_reason = close_reason
        """The server's words with it, empty if it had none."""


class NotConnectedError(CovetError):
    """There is no connection, and the request is not one that may wait for the next."""


class QueueFullError(CovetError):
    """Too many requests wait for a connection, or for their answers, already."""


class MessageTooLargeError(CovetError):
    """The message is larger than the server takes (`limits["message_bytes"]`); it was not sent."""


class RequestTimeoutError(CovetError):
    """No answer came in time."""


class TokenError(CovetError):
    """The function that yields tokens failed; `__cause__` is what it raised."""


class SourceError(CovetError):
    """What an upload reads from is not what was announced, or cannot be read again; `__cause__` tells more."""


class DownloadError(CovetError):
    """A file cannot be downloaded, or not to its end; `status` is the HTTP status if there was one."""

    def __init__(self, message: str, status: Optional[int] = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status, if there was an answer."""


class EndedError(CovetError):
    """The room, subscription, upload or client has ended. `reason` is the server's."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what} has ended: {reason}")
        self.reason = reason
        """`left`, `removed`, `deleted`, `closed`, …: the server's word, or the client's own."""


class ServerError(CovetError):
    """The server refused a request: `error` and `rpc_error` as they came."""

    def __init__(self, code: str, message: str, details: Optional[Mapping[str, Any]] = None, recoverable: bool = False,
                 rate_limit: Optional[Mapping[str, Any]] = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        """The protocol's error code, or a backend's own."""
        self.message = message
        """The server's words, for people."""
        self.details = dict(details or {})
        """What the protocol says for this code: the field that is wrong, the reason, …"""
        self.recoverable = recoverable
        """Whether the same request may succeed later."""
        self.rate_limit = dict(rate_limit) if rate_limit else None
        """Which rate was exceeded, with RATE_LIMITED: `limit`, `remaining`, and `reset`, when one more is accepted."""


class AuthenticationError(ServerError):
    """AUTH_FAILED or AUTH_EXPIRED."""


class PermissionDeniedError(ServerError):
    """PERMISSION_DENIED."""


class RateLimitedError(ServerError):
    """RATE_LIMITED; `rate_limit["reset"]` is when one more is accepted."""


class RpcError(ServerError):
    """A call that failed; `code` is Covet's or the backend's own."""


class RpcTimeoutError(RpcError):
    """RPC_TIMEOUT, told by the server, or because it has not answered at all."""


# The next connection may mend these.
LOST = (ConnectionLostError, NotConnectedError)

_BY_CODE = {
    "AUTH_FAILED": AuthenticationError,
    "AUTH_EXPIRED": AuthenticationError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "RATE_LIMITED": RateLimitedError,
}
_RECOVERABLE = frozenset({"RATE_LIMITED", "UNAVAILABLE", "RPC_TIMEOUT", "INTERNAL", "CHECKSUM_MISMATCH"})


def from_message(message: Mapping[str, Any]) -> ServerError:
    """The error that an `error` or `rpc_error` message tells of."""
    data = message.get("data", {})
    if message.get("type") == "rpc_error":
        error = data.get("error", {})
        code = error.get("code", "INTERNAL")
        kind = RpcTimeoutError if code == "RPC_TIMEOUT" else RpcError
        return kind(code, error.get("message", ""), error.get("details"), code in _RECOVERABLE, error.get("rate_limit"))
    code = data.get("error_code", "INTERNAL")
    return _BY_CODE.get(code, ServerError)(code, data.get("error_message", ""), data.get("details"),
                                           bool(data.get("recoverable")), data.get("rate_limit"))
