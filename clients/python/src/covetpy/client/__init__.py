"""Client of Covet: rooms, streams, RPC, notifications and files over one WebSocket that is kept up."""

from covetpy.client._connection import Closed
from covetpy.client._reconnect import Reconnect
from covetpy.client._session import Token
from covetpy.client._source import Ended, Gap, Position
from covetpy.client._upload_source import UploadSource
from covetpy.client.client import Notification, WebSocketClient
from covetpy.client.downloads import Download
from covetpy.client.errors import (AuthenticationError, ConnectionLostError, CovetError, DownloadError, EndedError,
                                   MessageTooLargeError, NotConnectedError, PermissionDeniedError, QueueFullError,
                                   RateLimitedError, RequestTimeoutError, RpcError, RpcTimeoutError, ServerError,
                                   SourceError, TokenError)
from covetpy.client.rooms import Published, Room, RoomEvent
from covetpy.client.subscriptions import Subscription
from covetpy.client.uploads import FileStatus, Progress, Upload, UploadResult

__all__ = [
    "AuthenticationError", "Closed", "ConnectionLostError", "CovetError", "Download", "DownloadError", "Ended", "EndedError",
    "FileStatus", "Gap", "MessageTooLargeError", "NotConnectedError", "Notification", "PermissionDeniedError", "Position",
    "Progress", "Published", "QueueFullError", "RateLimitedError", "Reconnect", "RequestTimeoutError", "Room", "RoomEvent",
    "RpcError", "RpcTimeoutError", "ServerError", "SourceError", "Subscription", "Token", "TokenError", "Upload",
    "UploadResult", "UploadSource", "WebSocketClient",
]
