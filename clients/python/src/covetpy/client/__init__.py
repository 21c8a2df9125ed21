"""Client of Covet: rooms, streams, RPC, notifications and files over one WebSocket that is kept up."""

from covetpy.client import _session, _upload_source
from covetpy.client._connection import Closed
from covetpy.client._reconnect import Reconnect
from covetpy.client._source import Ended, Gap, Position
from covetpy.client.client import Notification, WebSocketClient
from covetpy.client.downloads import Download
from covetpy.client.errors import (AuthenticationError, ConnectionLostError, CovetError, DownloadError, EndedError,
                                   MessageTooLargeError, NotConnectedError, PermissionDeniedError, QueueFullError,
                                   RateLimitedError, RequestTimeoutError, RpcError, RpcTimeoutError, ServerError,
                                   SourceError, TokenError)
from covetpy.client.rooms import Published, Room, RoomEvent
from covetpy.client.subscriptions import Subscription
from covetpy.client.uploads import FileStatus, Progress, Upload, UploadResult

Token = _session.Token
"""A JSON Web Token, or a function, of either kind, that yields one."""
UploadSource = _upload_source.UploadSource
"""What can be uploaded: bytes, the path of a file, a binary file, an async iterable of bytes. What is not seekable needs its
size told, and is read once: only chunks on their way are kept in memory."""

__all__ = [
    "AuthenticationError", "Closed", "ConnectionLostError", "CovetError", "Download", "DownloadError", "Ended", "EndedError",
    "FileStatus", "Gap", "MessageTooLargeError", "NotConnectedError", "Notification", "PermissionDeniedError", "Position",
    "Progress", "Published", "QueueFullError", "RateLimitedError", "Reconnect", "RequestTimeoutError", "Room", "RoomEvent",
    "RpcError", "RpcTimeoutError", "ServerError", "SourceError", "Subscription", "Token", "TokenError", "Upload",
    "UploadResult", "UploadSource", "WebSocketClient",
]
