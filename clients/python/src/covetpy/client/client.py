"""The client."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, AsyncIterator, Callable, Coroutine, Dict, List, Mapping, Optional, Set, Type, Union

from covetpy.client._connection import Closed, Message, new_id
from covetpy.client._mailbox import Callback, Feed, finish, invoke
from covetpy.client._outbox import Outbox
from covetpy.client._reconnect import OUR_FAULT, Reconnect
from covetpy.client._session import Session, Token, logger
from covetpy.client._source import Resumable
from covetpy.client._upload_source import UploadSource
from covetpy.client.downloads import Download
from covetpy.client.errors import (LOST, CovetError, QueueFullError, RequestTimeoutError, RpcTimeoutError, ServerError,
                                   from_message)
from covetpy.client.rooms import Room
from covetpy.client.subscriptions import Record, Subscription
from covetpy.client.uploads import Upload

# The edge ends a call at its timeout; this is for the answer's way back.
RPC_GRACE_SECONDS = 5.0
REMEMBERED_NOTIFICATIONS = 1000
EVENTS = ("connected", "disconnected", "notification", "notification_read", "ended", "error")


@dataclass(frozen=True)
class Notification:
    """What an application tells a user; its members are the protocol's."""

    notification_id: str
    """The same however often it comes; the client shows each once."""
    notification_type: str
    """How it is meant: `info`, `warning`, `error` or `success`."""
    title: str
    """A line for people."""
    message: str
    """The text for people."""
    category: Optional[str] = None
    """What it is about, in the application's own words."""
    actions: List[Dict[str, Any]] = field(default_factory=list)
    """What the user may choose: `label`, which people read, `action` and `params`, which are the application's."""
    auto_dismiss: bool = False
    """Whether it may go away by itself."""
    dismiss_after: Optional[int] = None
    """Milliseconds until it does."""


class WebSocketClient:
    """One user's connection to Covet, kept up until `close`.

    `token` is a JWT or a function, of either kind, that yields a fresh one: it is asked at each connect, and when the
    server says that the token is about to end. `queue_size` messages to rooms may wait for a connection, and as many joins
    and subscribes. For one event loop; not thread-safe.

    Events, for `on`: `connected`, `disconnected` (with a Closed), `notification` (with a Notification), `notification_read`
    (with the id: another session of the user has read it), `ended` (with the error: no connection any more, and none will
    come), `error` (with what failed that nobody waits for; logged if nobody listens).
    """

    def __init__(self, url: str, *, token: Optional[Token] = None, api_key: Optional[str] = None,
                 reconnect: Union[Reconnect, Mapping[str, Any], None] = None, queue_size: int = 100) -> None:
        policy = reconnect if isinstance(reconnect, Reconnect) else Reconnect(**(reconnect or {}))
        self._session = Session(url, token, api_key, policy, self)
        self._outbox = Outbox(self._session, queue_size, self._spawn)
        self._queue_size = queue_size
        self._rooms: Dict[str, Room] = {}
        self._subscriptions: Dict[str, Subscription] = {}
        self._uploads: Dict[str, Upload] = {}
        self._callbacks: Dict[str, List[Callable[..., Any]]] = {event: [] for event in EVENTS}
        self._notifications: Feed[Notification] = Feed(REMEMBERED_NOTIFICATIONS)
        # Those that somebody was told of, by id, with whether every iterator has got them.
        self._seen_notifications: OrderedDict[str, bool] = OrderedDict()
        # What it does itself, and what callbacks still do.
        self._tasks: Set[asyncio.Task[None]] = set()
        self._callback_tasks: Set[asyncio.Task[None]] = set()
        self.session_id: Optional[str] = None
        """Of this connection; None before the first."""
        self.user_id: Optional[str] = None
        """Who the server says that the credential is."""
        self.capabilities: List[str] = []
        """What the server offers: `rooms`, `streaming`, `notifications`, `resume`, `rpc`, `files`, `binary_chunks`."""
        self.limits: Dict[str, Any] = {}
        """The server's limits by name: `message_bytes`, `room_payload_bytes`, `chunk_bytes`, …"""

    # The connection.

    async def connect(self) -> None:
        """Returns once connected. Raises AuthenticationError, TokenError, or ConnectionLostError if there is no server: the
        first connection is not tried again by itself. A client that has ended does not come back: make another one."""
        await self._session.start()

    async def close(self) -> None:
        """Ends the connection and everything that stands on it."""
        await self._session.close()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> WebSocketClient:
        await self.connect()
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._session.connected

    def on(self, event: str, callback: Callable[..., Any]) -> None:
        """Callbacks may be coroutine functions."""
        self._callbacks[self._known(event)].append(callback)

    def off(self, event: str, callback: Callable[..., Any]) -> None:
        """Takes a callback out again."""
        if callback in self._callbacks[self._known(event)]:
            self._callbacks[event].remove(callback)

    # Rooms.

    async def join_room(self, room_id: str, options: Optional[Mapping[str, Any]] = None, *,
                        callback: Optional[Callback[Any]] = None) -> Room:
        """Joins, on the next connection if there is none now, with the protocol's options: `filter`, `history`, `resume`,
        `subscribe_to_metrics`. `callback` gets each RoomEvent, those of a replay included. Raises ServerError
        (PERMISSION_DENIED, ROOM_NOT_FOUND, …). Joining a room again replaces its options; it goes on where it is."""
        room = self._rooms.get(room_id)
        if room is None:
            room = Room(self, room_id, dict(options or {}))
        room._options = dict(options or {})
        if callback is not None:
            room.on("event", callback)
        self._rooms[room_id] = room
        try:
            await self._open(room)
        except BaseException as error:
            if room._askers:
                pass  # Others wait for the same room, and may get it.
            elif room._established and room.ended is None:
                # It goes on as it was.
                room._options = room._accepted
                self._reopen(room)
            else:
                self._abandon(room, error)
            raise
        return room

    async def leave_room(self, room_id: str) -> None:
        """Leaves a room, as `Room.leave` does; nothing if it was not joined."""
        room = self._rooms.get(room_id)
        if room is not None:
            await room.leave()

    # Streams.

    async def subscribe(self, stream_type: str, resource_id: str, filters: Optional[Mapping[str, Any]] = None, *,
                        callback: Optional[Callback[Record]] = None, options: Optional[Mapping[str, Any]] = None
                        ) -> Subscription:
        """Subscribes, on the next connection if there is none now. `callback` gets each record. Raises ServerError, whose
        `details["reason"]` tells why."""
        subscription = Subscription(self, stream_type, resource_id, filters, dict(options or {}))
        if callback is not None:
            subscription.on("data", callback)
        try:
            await self._open(subscription)
        except BaseException as error:
            self._abandon(subscription, error)
            raise
        return subscription

    # RPC.

    async def call(self, method: str, params: Optional[Mapping[str, Any]] = None, *, timeout: float = 10.0,
                   correlation_id: Optional[str] = None) -> Any:
        """Calls a method and returns its result. Raises RpcError, RpcTimeoutError after `timeout` seconds (at most 60), and
        ConnectionLostError if the connection ended meanwhile: whether it ran is then unknown, and it is never repeated.
        Cancelling the task cancels the call at the backend."""
        message: Message = {"type": "rpc_call", "id": new_id("rpc"),
                            "data": {"method": method, "params": dict(params or {}), "timeout": int(timeout * 1000)}}
        if correlation_id is not None:
            message["metadata"] = {"correlation_id": correlation_id}
        try:
            return (await self._session.ask(message, timeout + RPC_GRACE_SECONDS))["data"]["result"]
        except (asyncio.CancelledError, RequestTimeoutError) as error:
            self._tell("rpc_cancel", {"call_id": message["id"]})
            if isinstance(error, RequestTimeoutError):
                raise RpcTimeoutError("RPC_TIMEOUT", str(error), recoverable=True) from None
            raise

    # Notifications.

    def notifications(self) -> AsyncIterator[Notification]:
        """Notifications from now on, those that nobody has listened for yet included."""
        return self._notifications.iterate()

    # Files.

    def upload(self, source: UploadSource, *, filename: Optional[str] = None, mimetype: Optional[str] = None,
               size: Optional[int] = None, chunk_size: Optional[int] = None, metadata: Optional[Mapping[str, Any]] = None,
               upload_id: Optional[str] = None, on_progress: Optional[Callable[[int, int], Any]] = None) -> Upload:
        """Begins to upload bytes, a path, a binary file or an async iterator of bytes, on the next connection if there is none
        now. What is not seekable needs its `size`. `chunk_size` is 256 KiB unless given. `upload_id` is that of an upload
        of the same file that was begun before, by a process that has ended perhaps: only what the server lacks is sent.
        `on_progress` gets bytes kept and bytes in all."""
        if self._session.ended is not None:
            raise self._session.ended
        upload = Upload(self, source, filename=filename, mimetype=mimetype, size=size, chunk_size=chunk_size,
                        metadata=metadata, upload_id=upload_id, on_progress=on_progress)
        self._uploads[upload.upload_id] = upload
        upload._processed.add_done_callback(lambda _: self._forget_upload(upload))
        return upload

    def download(self, file: str, *, offset: int = 0,
                 on_progress: Optional[Callable[[int, Optional[int]], Any]] = None) -> Download:
        """Downloads a file by its id, or by a link that an upload or `files.get` gave, from `offset` on. Nothing is fetched
        before it is read. `on_progress` gets bytes received and bytes in all, if the server tells."""
        return Download(self, file, offset, on_progress)

    # What its parts need.

    async def _request(self, kind: str, data: Dict[str, Any], *, id: Optional[str] = None) -> Message:
        return await self._session.ask({"type": kind, "id": id or new_id(kind), "data": data})

    def _tell(self, kind: str, data: Dict[str, Any]) -> None:
        """Sends what has no answer that matters."""
        if self._session.connected:
            self._spawn(self._session.tell({"type": kind, "id": new_id(kind), "data": data}))

    async def _back_off(self, attempt: float, error: Exception) -> None:
        """Waits before attempt 1, 2, … in a row; raises `error` after the last one."""
        if attempt > self._session.policy.max_attempts:
            raise error
        await self._session.wait(self._session.policy.wait(int(attempt)))
        if self._session.ended is not None:
            raise self._session.ended

    def _callback(self, callback: Callable[..., Any], *arguments: Any) -> None:
        result = invoke(callback, *arguments)
        if result is not None:
            _keep(self._callback_tasks, finish(result))

    def _reopen(self, source: Resumable[Any]) -> None:
        """Opens it again, from where it is."""
        if not self._session.connected or source.ended is not None:
            return
        if isinstance(source, Subscription):
            self._subscriptions.pop(source.subscription_id, None)
            self._spawn(self._end_at_server(source._end_request()))
        self._spawn(self._attempt(source))

    def _forget(self, source: Resumable[Any]) -> None:
        if isinstance(source, Subscription):
            self._subscriptions.pop(source.subscription_id, None)
        elif isinstance(source, Room) and self._rooms.get(source.room_id) is source:
            del self._rooms[source.room_id]

    # Inside.

    def _forget_upload(self, upload: Upload) -> None:
        # Another one may go on with its id.
        if self._uploads.get(upload.upload_id) is upload:
            del self._uploads[upload.upload_id]

    def _known(self, event: str) -> str:
        if event not in EVENTS:
            raise ValueError(f"no event '{event}'; there are {', '.join(EVENTS)}")
        return event

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        _keep(self._tasks, work)

    def _emit(self, event: str, *arguments: Any) -> None:
        for callback in list(self._callbacks[event]):
            self._callback(callback, *arguments)

    def _sources(self) -> List[Resumable[Any]]:
        return [*self._rooms.values(), *self._subscriptions.values()]

    async def _open(self, source: Resumable[Any]) -> None:
        """Returns when it is open, on whichever connection that is."""
        if self._session.ended is not None:
            raise self._session.ended
        waiting = sum(bool(each._askers) for each in self._sources())
        if not self._session.connected and waiting >= self._queue_size:
            raise QueueFullError(f"{waiting} rooms and subscriptions wait for a connection already")
        asker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        source._askers.append(asker)
        # It needs an id at once, by which the next connection finds it.
        message = self._opening(source)
        if self._session.connected:
            self._spawn(self._attempt(source, message))
        try:
            await asker
        finally:
            if asker in source._askers:
                source._askers.remove(asker)

    def _opening(self, source: Resumable[Any]) -> Message:
        message = source._open_message()
        if isinstance(source, Subscription):
            self._subscriptions[message["id"]] = source
        return message

    async def _attempt(self, source: Resumable[Any], message: Optional[Message] = None) -> None:
        """Opens it on this connection; the next one does so again if this ends before."""
        if source.ended is not None or message is not None and source._opening_id != message["id"]:
            return
        message = message or self._opening(source)
        try:
            await self._session.ask(message)
            if source._opening_id == message["id"]:
                source._failures = 0
                source._settle(None)
        except LOST:
            pass
        except Exception as error:  # Of options that cannot be sent, too.
            if source.ended is None and source._opening_id == message["id"]:
                await self._refused(source, error)

    async def _refused(self, source: Resumable[Any], error: Exception) -> None:
        if source._askers:
            return source._settle(error)
        # What was open before is worth some patience: its owner may be on its way back.
        passing = isinstance(error, RequestTimeoutError) or isinstance(error, ServerError) and (
            error.recoverable or error.details.get("reason") == "SOURCE_DOWN")
        source._failures += 1
        id = source._opening_id
        try:
            await self._back_off(source._failures if passing else math.inf, error)
        except Exception:
            if source.ended is None:
                self._abandon(source, error)
                source._end(error.code if isinstance(error, ServerError) else "timeout", error)
            return
        if source._opening_id == id:
            self._reopen(source)

    def _abandon(self, source: Resumable[Any], error: BaseException) -> None:
        """It has not been opened, as `error` says; unless the server has refused it, it may have done it all the same."""
        self._forget(source)
        if source.ended is None and not isinstance(error, ServerError):
            self._spawn(self._end_at_server(source._end_request()))

    async def _end_at_server(self, request: Message) -> None:
        """Nobody waits for the answer; where there was nothing to end, that is no problem to be told."""
        with contextlib.suppress(CovetError):
            await self._session.ask(request)

    # What the session tells it.

    def _up(self, ack: Message) -> None:
        self.session_id, self.user_id = ack["session_id"], ack["user_id"]
        self.capabilities, self.limits = ack["capabilities"], ack["limits"]
        sources = self._sources()
        self._subscriptions.clear()
        # Joins go first: messages to a room need it joined, and one connection's requests take effect in their order.
        for source in sources:
            self._spawn(self._attempt(source, self._opening(source)))
        self._outbox.up()
        self._emit("connected")

    def _down(self, closed: Closed) -> None:
        for source in self._sources():
            source._lost()
        if closed.code in OUR_FAULT:
            self._drop_sent(closed.error())
        self._emit("disconnected", closed)

    def _drop_sent(self, error: CovetError) -> None:
        """Whatever may have broken the connection is not sent on the next."""
        self._outbox.drop(error)
        for source in self._sources():
            source._settle(error)
        for upload in list(self._uploads.values()):
            if not upload._done.done():
                upload._fail(error)

    def _finished(self, reason: CovetError, error: Optional[CovetError]) -> None:
        for source in self._sources():
            source._settle(reason)
            source._end("disconnected", error)
        for upload in list(self._uploads.values()):
            upload._fail(reason)
        self._rooms.clear()
        self._subscriptions.clear()
        self._outbox.drop(reason)
        self._notifications.close(error)
        self._emit("ended", reason)
        for callbacks in self._callbacks.values():
            callbacks.clear()

    def _problem(self, error: Exception) -> None:
        if self._callbacks["error"]:
            self._emit("error", error)
        else:
            logger.warning("%s: %s", type(error).__name__, error)

    def _on_message(self, message: Message) -> None:
        handler = _HANDLERS.get(message["type"])
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
        elif _is_late(message):
            pass  # The room may have been joined again since.
        elif room._on_ended(data["reason"]):
            self._reopen(room)
        else:
            self._forget(room)

    def _on_stream(self, message: Message) -> None:
        data = message["data"]
        subscription = self._subscriptions.get(data["subscription_id"])
        if subscription is None:
            if data.get("resource_id", "").startswith("room:"):
                room = self._rooms.get(data["resource_id"][len("room:"):])
                if room is not None:
                    room._on_metrics(data)
        elif message["type"] == "subscribed":
            subscription._opened(data)
        elif message["type"] == "stream_data":
            subscription._on_data(data)
        else:
            self._forget(subscription)
            if subscription._on_ended(data["reason"]):
                self._spawn(self._attempt(subscription))

    def _on_notification(self, message: Message) -> None:
        """Acknowledged, and so read for the user's other sessions, only where somebody here is told of it."""
        data = message["data"]
        notification = Notification(**{key: data[key] for key in Notification.__dataclass_fields__ if key in data})
        id = notification.notification_id
        listening = bool(self._callbacks["notification"])
        read = listening or self._notifications.read
        known = id in self._seen_notifications
        # One that an iterator had no room for is not acknowledged, and so comes again.
        taken = self._seen_notifications.get(id, False) or self._notifications.put(notification)
        if taken or listening:
            self._seen_notifications[id] = taken
        if len(self._seen_notifications) > REMEMBERED_NOTIFICATIONS:
            self._seen_notifications.popitem(last=False)
        if taken and read:
            self._tell("notification_ack", {"notification_id": id})
        if not known:
            self._emit("notification", notification)

    def _on_notification_read(self, message: Message) -> None:
        self._emit("notification_read", message["data"]["notification_id"])

    def _on_auth_expiring(self, message: Message) -> None:
        if self._session.can_renew:
            self._spawn(self._renew())

    async def _renew(self) -> None:
        try:
            await self._request("auth_refresh", {"token": await self._session.fresh_token()})
        except LOST:
            pass
        except CovetError as error:
            # The connection ends with its token, and the next one asks for another.
            if self._session.ended is None:
                self._problem(error)

    def _on_file(self, message: Message) -> None:
        upload = self._uploads.get(message["data"]["upload_id"])
        if upload is not None:
            (upload._on_complete if message["type"] == "file_upload_complete" else upload._on_status)(message["data"])

    def _on_error(self, message: Message) -> None:
        error = from_message(message)
        upload = self._uploads.get(message["data"].get("original_message_id", ""))
        if upload is not None:
            upload._on_error(error)
        elif not _is_late(message):
            self._problem(error)


def _is_late(message: Message) -> bool:
    """Whether it is an answer that nobody waits for any more: whoever asked has been told so. Those in time find their askers."""
    return "in_reply_to" in message.get("metadata", {})


def _keep(tasks: Set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    """Runs it as a task that is held until it has ended."""
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


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
