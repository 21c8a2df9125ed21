"""Client of Covet: rooms, streams, RPC, notifications and uploads over one WebSocket that is kept up."""

from covetpy.client._reconnect import Reconnect
from covetpy.client.client import Notification, WebSocketClient
from covetpy.client.errors import (AuthenticationError, ConnectionLostError, CovetError, EndedError, NotConnectedError,
                                   PermissionDeniedError, QueueFullError, RateLimitedError, RequestTimeoutError,
                                   RpcError, RpcTimeoutError, ServerError)
from covetpy.client.rooms import Gap, Published, Room, RoomEvent
from covetpy.client.subscriptions import Subscription
from covetpy.client.uploads import Upload

__all__ = [
    "AuthenticationError", "ConnectionLostError", "CovetError", "EndedError", "Gap", "NotConnectedError",
    "Notification", "PermissionDeniedError", "Published", "QueueFullError", "RateLimitedError", "Reconnect",
    "RequestTimeoutError", "Room", "RoomEvent", "RpcError", "RpcTimeoutError", "ServerError", "Subscription", "Upload",
    "WebSocketClient",
]
