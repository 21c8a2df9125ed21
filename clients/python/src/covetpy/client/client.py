"""The client."""

from __future__ import annotations

import asyncio
import inspect
from collections import OrderedDict
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, List, Mapping, Optional, Set, Tuple, Type, Union

from covetpy.client._connection import Connection, Message, new_id
from covetpy.client._mailbox import Callback, Feed, invoke, logger
from covetpy.client._reconnect import Reconnect
from covetpy.client.errors import (AuthenticationError, ConnectionLostError, CovetError, EndedError, NotConnectedError,
                                   QueueFullError, RequestTimeoutError, ServerError, from_message)
from covetpy.client.rooms import Room
from covetpy.client.subscriptions import Record, Subscription
from covetpy.client.uploads import DEFAULT_CHUNK_BYTES, Source, Upload, encode_binary, encode_text

Token = Union[str, Callable[[], Union[str, Awaitable[str]]]]

REQUEST_SECONDS = 15.0
# The edge ends a call at its timeout; this is for the answer's way back.
RPC_GRACE_SECONDS = 5.0
REMEMBERED_NOTIFICATIONS = 1000


@dataclass(frozen=True)
class Notification:
    notification_id: str
    notification_type: str
    title: str
    message: str
    category: Optional[str] = None
    actions: List[Dict[str, Any]] = field(default_factory=list)
    auto_dismiss: bool = False
    dismiss_after: Optional[int] = None


class WebSocketClient:
    """One user's connection to Covet, kept up until `close`.

    `token` is a JWT or a function, of either kind, that yields a fresh one: it is asked at each connect, and when the
    server says that the token is about to end. For one event loop; not thread-safe.

    Events, for `on`: `connected`, `disconnected` (with the error), `notification`, `notification_read` (with the id).
    """

    def __init__(self, url: str, *, token: Optional[Token] = None, api_key: Optional[str] = None,
                 reconnect: Union[Reconnect, Mapping[str, Any], None] = None, queue_size: int = 100) -> None:
        self._url = url
        self._token = token
        self._api_key = api_key
        self._policy = reconnect if isinstance(reconnect, Reconnect) else Reconnect(**(reconnect or {}))
        self._queue_size = queue_size
        self._connection: Optional[Connection] = None
        self._supervisor: Optional[asyncio.Task[None]] = None
        self._changed = asyncio.Condition()
        self._ended: Optional[CovetError] = None
        self._rooms: Dict[str, Room] = {}
        self._subscriptions: Dict[str, Subscription] = {}
        self._uploads: Dict[str, Upload] = {}
        # Messages that are sent again on the next connection, with those who wait for their answers.
        self._repeating: OrderedDict[str, Tuple[Message, asyncio.Future[Message]]] = OrderedDict()
        self._callbacks: Dict[str, List[Callable[..., Any]]] = {}
        self._notifications: Feed[Notification] = Feed(REMEMBERED_NOTIFICATIONS)
        self._seen_notifications: OrderedDict[str, None] = OrderedDict()
        self._tasks: Set[asyncio.Task[Any]] = set()
        self.session_id: Optional[str] = None
        self.user_id: Optional[str] = None
        self.capabilities: List[str] = []
        self.limits: Dict[str, Any] = {}

    # The connection.

    async def connect(self) -> None:
        """Returns once connected. Raises AuthenticationError, or ConnectionLostError if there is no server: the first
        connection is not tried again."""
        if self._supervisor is not None:
            return
        connection = await self._open()
        self._supervisor = asyncio.get_running_loop().create_task(self._supervise(connection))
        await self._connected()

    async def close(self) -> None:
        """Ends the connection and everything that stands on it."""
        self._ended = self._ended or EndedError("the client", "closed")
        if self._connection is not None:
            await self._connection.close()
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        await self._finish(None)
        for task in list(self._tasks):
            task.cancel()

    async def __aenter__(self) -> WebSocketClient:
        await self.connect()
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def on(self, event: str, callback: Callable[..., Any]) -> None:
        self._callbacks.setdefault(event, []).append(callback)

    # Rooms.

    async def join_room(self, room_id: str, options: Optional[Mapping[str, Any]] = None, *,
                        callback: Optional[Callback[Any]] = None) -> Room:
        """Joins with the protocol's options: `filter`, `history`, `resume`, `subscribe_to_metrics`. `callback` gets each
        RoomEvent, those of a replay included. Joining a room again replaces its options."""
        room = self._rooms.get(room_id)
        fresh = room is None
        if room is None:
            room = Room(self, room_id, dict(options or {}))
        else:
            room._options = dict(options or {})
        if callback is not None:
            room.on_event(callback)
        self._rooms[room_id] = room
        try:
            message = room._join_message()
            await self._ask(message)
        except BaseException:
            if fresh and self._rooms.get(room_id) is room:
                del self._rooms[room_id]
            raise
        return room

    async def leave_room(self, room_id: str) -> None:
        room = self._rooms.get(room_id)
        if room is not None:
            await room.leave()

    # Streams.

    async def subscribe(self, stream_type: str, resource_id: str, filters: Optional[Mapping[str, Any]] = None, *,
                        callback: Optional[Callback[Record]] = None, options: Optional[Mapping[str, Any]] = None
                        ) -> Subscription:
        """`callback` gets each record. Raises ServerError with `details["reason"]` where there is no such stream."""
        subscription = Subscription(self, stream_type, resource_id, dict(filters) if filters else None,
                                    dict(options or {}))
        if callback is not None:
            subscription.on_data(callback)
        message = subscription._subscribe_message()
        self._subscriptions[message["id"]] = subscription
        try:
            await self._ask(message)
        except BaseException:
            self._subscriptions.pop(message["id"], None)
            raise
        return subscription

    # RPC.

    async def call(self, method: str, params: Optional[Mapping[str, Any]] = None, *, timeout: float = 10.0,
                   correlation_id: Optional[str] = None) -> Any:
        """Calls a method and returns its result. Raises RpcError, RpcTimeoutError after `timeout` seconds, and
        ConnectionLostError if the connection ended meanwhile: whether it ran is then unknown, and it is never repeated.
        Cancelling the task cancels the call at the backend."""
        message: Message = {"type": "rpc_call", "id": new_id("rpc"),
                            "data": {"method": method, "params": dict(params or {}), "timeout": int(timeout * 1000)}}
        if correlation_id is not None:
            message["metadata"] = {"correlation_id": correlation_id}
        try:
            return (await self._ask(message, timeout + RPC_GRACE_SECONDS))["data"]["result"]
        except asyncio.CancelledError:
            self._spawn(self._send({"type": "rpc_cancel", "id": new_id("rc"), "data": {"call_id": message["id"]}}))
            raise

    # Notifications.

    def notifications(self) -> AsyncIterator[Notification]:
        """Notifications from now on, each acknowledged as it is taken."""
        return self._notifications.iterate()

    # Files.

    def upload(self, source: Source, *, filename: Optional[str] = None, mimetype: Optional[str] = None,
               chunk_size: int = DEFAULT_CHUNK_BYTES, metadata: Optional[Dict[str, Any]] = None,
               on_progress: Optional[Callable[[int, int], None]] = None) -> Upload:
        """Uploads bytes, a path or a seekable binary file. `on_progress` gets bytes kept and bytes in all."""
        upload = Upload(self, source, filename, mimetype, chunk_size, metadata, on_progress)
        self._uploads[upload.upload_id] = upload
        return upload

    # What its parts need.

    async def _connected(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._connection is not None or self._ended is not None)
        if self._ended is not None:
            raise self._ended

    async def _lost_or(self, done: asyncio.Future[Any]) -> None:
        """Until the connection is another one, or `done`."""
        connection = self._connection

        async def lost() -> None:
            async with self._changed:
                await self._changed.wait_for(lambda: self._connection is None or self._connection is not connection)

        waiting = asyncio.get_running_loop().create_task(lost())
        try:
            await asyncio.wait((done, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    async def _request(self, kind: str, data: Dict[str, Any], *, id: Optional[str] = None) -> Message:
        return await self._ask({"type": kind, "id": id or new_id(kind), "data": data})

    async def _ask(self, message: Message, timeout: float = REQUEST_SECONDS) -> Message:
        if self._connection is None:
            raise self._ended or NotConnectedError("not connected")
        return await self._connection.request(message, timeout)

    async def _send(self, message: Message) -> None:
        if self._connection is not None:
            try:
                await self._connection.send(message)
            except NotConnectedError:
                pass

    async def _repeatable(self, message: Message) -> Message:
        """Sends it now or on the next connection, and again if that ends before the answer."""
        if self._ended is not None:
            raise self._ended
        if len(self._repeating) >= self._queue_size and self._connection is None:
            raise QueueFullError(f"{self._queue_size} messages wait for a connection already")
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._repeating[message["id"]] = (message, answer)
        try:
            if self._connection is not None:
                self._spawn(self._try(message, answer))
            return await answer
        finally:
            self._repeating.pop(message["id"], None)

    async def _try(self, message: Message, answer: asyncio.Future[Message]) -> None:
        try:
            result = await self._ask(message)
            if not answer.done():
                answer.set_result(result)
        except (ConnectionLostError, NotConnectedError):
            pass  # The next connection sends it again.
        except CovetError as error:
            if not answer.done():
                answer.set_exception(error)

    async def _send_chunk(self, message: Message, data: bytes) -> None:
        connection = self._connection
        if connection is None:
            raise NotConnectedError("not connected")
        if "binary_chunks" in self.capabilities:
            await connection.request(message, REQUEST_SECONDS, binary=encode_binary(message, data))
        else:
            await connection.request(encode_text(message, data), REQUEST_SECONDS)

    def _rejoin(self, room: Room) -> None:
        if self._connection is not None:
            self._spawn(self._try_rejoin(room))

    def _resubscribe(self, subscription: Subscription) -> None:
        if self._connection is not None:
            old = subscription.subscription_id
            self._subscriptions.pop(old, None)
            self._spawn(self._send({"type": "unsubscribe", "id": new_id("unsub"), "data": {"subscription_id": old}}))
            self._spawn(self._try_resubscribe(subscription))

    async def _try_rejoin(self, room: Room) -> None:
        try:
            await self._ask(room._join_message())
        except ServerError as error:
            self._rooms.pop(room.room_id, None)
            room._end(error.code, error)
        except (ConnectionLostError, NotConnectedError, RequestTimeoutError):
            pass  # The next connection joins again.

    async def _try_resubscribe(self, subscription: Subscription) -> None:
        message = subscription._subscribe_message()
        self._subscriptions[message["id"]] = subscription
        try:
            await self._ask(message)
        except ServerError as error:
            self._subscriptions.pop(message["id"], None)
            subscription._end(error.code, error)
        except (ConnectionLostError, NotConnectedError, RequestTimeoutError):
            pass

    # Inside.

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _emit(self, event: str, *arguments: Any) -> None:
        for callback in self._callbacks.get(event, ()):
            self._spawn(invoke(callback, *arguments))

    async def _fresh_token(self) -> Optional[str]:
        if self._token is None or isinstance(self._token, str):
            return self._token
        token = self._token()
        return await token if inspect.isawaitable(token) else token

    async def _open(self) -> Connection:
        headers = {}
        token = await self._fresh_token()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if self._api_key is not None:
            headers["X-API-Key"] = self._api_key
        return await Connection.open(self._url, headers, self._on_message)

    async def _supervise(self, connection: Connection) -> None:
        while True:
            reading = asyncio.get_running_loop().create_task(connection.run())
            await self._up(connection)
            try:
                await reading
            finally:
                reading.cancel()
            await self._down(connection)
            try:
                connection = await self._reopen(connection)
            except CovetError as error:
                return await self._finish(error)

    async def _reopen(self, old: Connection) -> Connection:
        error: CovetError = ConnectionLostError(f"the connection ended ({old.close_code} {old.close_reason})".rstrip())
        attempt = 1
        while self._ended is None and self._policy.allows(attempt, old.close_code):
            await asyncio.sleep(self._policy.wait(attempt, old.close_reason))
            try:
                return await self._open()
            except AuthenticationError as refused:
                # A function may have a better token the next time; a text stays what it is.
                if refused.code != "AUTH_EXPIRED" or not callable(self._token):
                    raise
                error = refused
            except ConnectionLostError as lost:
                error = lost
            attempt += 1
        raise self._ended or error

    async def _up(self, connection: Connection) -> None:
        ack = connection.ack
        self.session_id, self.user_id = ack["session_id"], ack["user_id"]
        self.capabilities, self.limits = ack["capabilities"], ack["limits"]
        again = list(self._subscriptions.values())
        self._subscriptions.clear()
        self._connection = connection
        # Joins go first: messages to a room need it joined, and one connection's requests take effect in their order.
        for room in self._rooms.values():
            self._spawn(self._try_rejoin(room))
        for subscription in again:
            self._spawn(self._try_resubscribe(subscription))
        for message, answer in list(self._repeating.values()):
            self._spawn(self._try(message, answer))
        async with self._changed:
            self._changed.notify_all()
        self._emit("connected")

    async def _down(self, connection: Connection) -> None:
        self._connection = None
        async with self._changed:
            self._changed.notify_all()
        self._emit("disconnected", ConnectionLostError(f"{connection.close_code} {connection.close_reason}".rstrip()))

    async def _finish(self, error: Optional[CovetError]) -> None:
        """Nothing comes any more: whoever waits is told."""
        self._ended = self._ended or error
        ended = self._ended or EndedError("the client", "closed")
        for room in self._rooms.values():
            room._end("disconnected", error)
        for subscription in self._subscriptions.values():
            subscription._end("disconnected", error)
        for upload in self._uploads.values():
            upload._task.cancel()
            upload._fail(ended)
        for _, answer in self._repeating.values():
            if not answer.done():
                answer.set_exception(ended)
        self._notifications.close(error)
        async with self._changed:
            self._changed.notify_all()

    def _on_message(self, message: Message) -> None:
        handler = _HANDLERS.get(message.get("type", ""))
        if handler is not None:
            handler(self, message)

    def _on_room(self, message: Message) -> None:
        data = message["data"]
        room = self._rooms.get(data["room_id"])
        if room is None:
            return
        if message["type"] == "room_joined":
            room._on_joined(message)
        elif message["type"] == "room_event":
            room._on_event(message)
        elif room._on_left(data["reason"]):
            self._rejoin(room)
        else:
            self._rooms.pop(room.room_id, None)

    def _on_stream(self, message: Message) -> None:
        data = message["data"]
        subscription = self._subscriptions.get(data["subscription_id"])
        if subscription is None:
            if data.get("resource_id", "").startswith("room:"):
                room = self._rooms.get(data["resource_id"][len("room:"):])
                if room is not None:
                    room._on_metrics(data)
            return
        if message["type"] == "subscribed":
            subscription._on_subscribed(data)
        elif message["type"] == "stream_data":
            subscription._on_data(data)
        else:
            del self._subscriptions[data["subscription_id"]]
            if subscription._on_ended(data["reason"]):
                self._spawn(self._try_resubscribe(subscription))

    def _on_notification(self, message: Message) -> None:
        data = dict(message["data"])
        known = data["notification_id"] in self._seen_notifications
        self._seen_notifications[data["notification_id"]] = None
        if len(self._seen_notifications) > REMEMBERED_NOTIFICATIONS:
            self._seen_notifications.popitem(last=False)
        names = Notification.__dataclass_fields__
        notification = Notification(**{key: value for key, value in data.items() if key in names})
        if known or self._notifications.put(notification):
            self._spawn(self._send({"type": "notification_ack", "id": new_id("na"),
                                    "data": {"notification_id": notification.notification_id}}))
        if not known:
            self._emit("notification", notification)

    def _on_notification_read(self, message: Message) -> None:
        self._emit("notification_read", message["data"]["notification_id"])

    def _on_auth_expiring(self, message: Message) -> None:
        if callable(self._token):
            self._spawn(self._renew())

    async def _renew(self) -> None:
        try:
            await self._request("auth_refresh", {"token": await self._fresh_token()})
        except Exception as error:
            logger.warning("the token could not be renewed: %s", error)

    def _on_file(self, message: Message) -> None:
        data = message["data"]
        upload = self._uploads.get(data["upload_id"])
        if upload is None:
            return
        if message["type"] == "file_upload_complete":
            upload._on_complete(data)
        else:
            upload._on_status_message(data)
        if data["processing_status"] in ("completed", "failed"):
            self._uploads.pop(upload.upload_id, None)
            upload._statuses.close()

    def _on_error(self, message: Message) -> None:
        logger.warning("the server reports: %s", from_message(message))


_HANDLERS: Dict[str, Callable[[WebSocketClient, Message], None]] = {
    "room_joined": WebSocketClient._on_room,
    "room_event": WebSocketClient._on_room,
    "room_left": WebSocketClient._on_room,
    "subscribed": WebSocketClient._on_stream,
    "stream_data": WebSocketClient._on_stream,
    "unsubscribed": WebSocketClient._on_stream,
    "notification": WebSocketClient._on_notification,
    "notification_read": WebSocketClient._on_notification_read,
    "auth_expiring": WebSocketClient._on_auth_expiring,
    "file_upload_complete": WebSocketClient._on_file,
    "file_status": WebSocketClient._on_file,
    "error": WebSocketClient._on_error,
}
