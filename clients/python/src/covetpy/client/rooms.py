"""A room that the client is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, AsyncIterator, Dict, List, Optional

from covetpy.client._connection import Message, new_id
from covetpy.client._mailbox import Callback, Feed
from covetpy.client.errors import EndedError

if TYPE_CHECKING:
    from covetpy.client.client import WebSocketClient

# Events that wait for a slow reader; beyond it the room is read on from the server's log once the reader has caught up.
MAX_WAITING = 10_000


@dataclass(frozen=True)
class RoomEvent:
    """What a member hears. `offset` and `epoch` are None for presence, which is not in the room's log."""

    room_id: str
    event_type: str
    payload: Any
    id: str
    timestamp: str
    offset: Optional[int] = None
    epoch: Optional[str] = None
    user_id: Optional[str] = None
    session_id: Optional[str] = None
    replayed: bool = False
    correlation_id: Optional[str] = None


@dataclass(frozen=True)
class Gap:
    """Something was lost, and `reason` says why: `evicted`, `epoch_changed`, `reset`, `dropped` or `source`."""

    reason: str
    dropped: int = 0


@dataclass(frozen=True)
class Published:
    offset: int
    duplicate: bool = False


class Room:
    """Made by `WebSocketClient.join_room`. Stays over reconnects: what was missed is replayed, each message once; where
    that cannot be, `on_gap` callbacks hear of it."""

    def __init__(self, client: WebSocketClient, room_id: str, options: Dict[str, Any]) -> None:
        self._client = client
        self._options = options
        self._events: Feed[RoomEvent] = Feed(MAX_WAITING)
        self._gaps: Feed[Gap] = Feed(MAX_WAITING)
        self._metrics: Feed[Any] = Feed(MAX_WAITING)
        self._events.on_empty = self._caught_up
        self._position: Optional[Dict[str, Any]] = None
        self._resuming = False
        self._behind = False
        self._join_id = ""
        self.room_id = room_id
        self.ended: Optional[str] = None
        self.member_count = 0
        self.permissions: List[str] = []
        self.metadata: Dict[str, Any] = {}

    @property
    def epoch(self) -> Optional[str]:
        return self._position["epoch"] if self._position else None

    @property
    def offset(self) -> Optional[int]:
        """The last offset that was delivered."""
        return self._position["offset"] if self._position else None

    async def send(self, event_type: str, payload: Any, *, idempotency_key: Optional[str] = None,
                   priority: Optional[str] = None, ttl: Optional[int] = None,
                   correlation_id: Optional[str] = None) -> Published:
        """Sends a message; returns once it is on the server's disk. While there is no connection it waits for the next
        one, at most `queue_size` of them; a repeat after a broken connection stores nothing twice."""
        if self.ended:
            raise EndedError(f"room {self.room_id}", self.ended)
        metadata = {"priority": priority, "ttl": ttl, "correlation_id": correlation_id}
        message: Message = {
            "type": "room_message",
            "id": new_id("rm"),
            "data": {"room_id": self.room_id, "event_type": event_type, "payload": payload,
                     "idempotency_key": idempotency_key or new_id("key")},
        }
        chosen = {key: value for key, value in metadata.items() if value is not None}
        if chosen:
            message["metadata"] = chosen
        data = (await self._client._repeatable(message))["data"]
        return Published(data["offset"], bool(data.get("duplicate")))

    def on_event(self, callback: Callback[RoomEvent]) -> None:
        self._events.listen(callback)

    def on_gap(self, callback: Callback[Gap]) -> None:
        self._gaps.listen(callback)

    def on_metrics(self, callback: Callback[Any]) -> None:
        """The room's own metrics, if it was joined with `subscribe_to_metrics`."""
        self._metrics.listen(callback)

    def events(self) -> AsyncIterator[RoomEvent]:
        """Events from now on. Raises EndedError when the server ends the room; ends when the client leaves."""
        return self._events.iterate()

    def __aiter__(self) -> AsyncIterator[RoomEvent]:
        return self.events()

    async def leave(self) -> None:
        self._client._rooms.pop(self.room_id, None)
        self._end("left", None)
        await self._client._request("leave_room", {"room_id": self.room_id})

    # What the client tells it.

    def _join_message(self) -> Message:
        options = dict(self._options)
        self._resuming = self._position is not None
        if self._position is not None:
            options.pop("history", None)
            options["resume"] = dict(self._position)
        self._join_id = new_id("jr")
        return {"type": "join_room", "id": self._join_id, "data": {"room_id": self.room_id, "options": options}}

    def _on_joined(self, message: Message) -> None:
        if message.get("metadata", {}).get("in_reply_to") != self._join_id:
            return
        data = message["data"]
        self.member_count = data["member_count"]
        self.permissions = data["permissions"]
        self.metadata = data["room_metadata"]
        self._behind = False
        old = self._position
        if old is not None and old["epoch"] == data["epoch"]:
            if not data["recovered"]:
                self._gaps.put(Gap("evicted"))
            return
        if old is not None:
            self._gaps.put(Gap("epoch_changed"))
        replays = "history" in self._options or "resume" in self._options
        self._position = {"epoch": data["epoch"], "offset": 0 if replays and old is None else data["offset"]}

    def _on_event(self, message: Message) -> None:
        data = message["data"]
        offset = data.get("offset")
        if offset is not None:
            position = self._position
            if self._behind or position is None or data["epoch"] != position["epoch"] or offset <= position["offset"]:
                return
        sender = data.get("sender", {})
        if data["event_type"] == "user_activity" and "member_count" in (data.get("payload") or {}):
            self.member_count = data["payload"]["member_count"]
        event = RoomEvent(self.room_id, data["event_type"], data.get("payload"), message["id"], message["timestamp"],
                          offset, data.get("epoch"), sender.get("user_id"), sender.get("session_id"),
                          bool(data.get("replayed")), message.get("metadata", {}).get("correlation_id"))
        if not self._events.put(event):
            self._behind = self._behind or offset is not None
        elif offset is not None and self._position is not None:
            self._position["offset"] = offset

    def _on_metrics(self, data: Dict[str, Any]) -> None:
        for record in data["batch"]:
            self._metrics.put(record)

    def _on_left(self, reason: str) -> bool:
        """Whether to join anew."""
        if reason == "reset":
            self._position = None
            self._gaps.put(Gap("reset"))
            return True
        self._end(reason, EndedError(f"room {self.room_id}", reason))
        return False

    def _caught_up(self) -> None:
        if self._behind and self.ended is None:
            self._client._rejoin(self)

    def _end(self, reason: str, error: Optional[Exception]) -> None:
        self.ended = reason
        for feed in (self._events, self._gaps, self._metrics):
            feed.close(error)
