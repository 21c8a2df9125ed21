"""A room that the client is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Awaitable, Dict, List, Mapping, Optional

from covetpy.client._connection import Message, new_id
from covetpy.client._mailbox import Feed
from covetpy.client._source import MAX_WAITING, Gap, Resumable
from covetpy.client.errors import CovetError, ServerError

if TYPE_CHECKING:
    from covetpy.client.client import WebSocketClient


@dataclass(frozen=True)
class RoomEvent:
    """What a member hears."""

    room_id: str
    """The room."""
    event_type: str
    """The sender's word for it; `user_activity` is presence."""
    payload: Any
    """What was sent."""
    id: str
    """The same for every member, and in every replay."""
    timestamp: str
    """When the server took it, RFC 3339."""
    offset: Optional[int] = None
    """Its place in the room's log; None for presence, which is not in it."""
    epoch: Optional[str] = None
    """Names that log; None for presence."""
    user_id: Optional[str] = None
    """Who has sent it."""
    session_id: Optional[str] = None
    """The sender's session; None if it came by gRPC."""
    replayed: bool = False
    """Whether it was sent before the room was joined, or while the client was away."""
    correlation_id: Optional[str] = None
    """What its sender gave."""


@dataclass(frozen=True)
class Published:
    """Where a message is in the room's log."""

    offset: int
    """Its place."""
    duplicate: bool = False
    """Whether it was there already: a repeat with the same idempotency key."""


class Room(Resumable[RoomEvent]):
    """Made by `WebSocketClient.join_room`. Stays over reconnects: what was missed is replayed, each message once, in order;
    where that cannot be, the event `gap` tells.

    Events, for `on`: `event` (a RoomEvent), `gap` (a Gap), `metrics` (the room's own, if it was joined with
    `subscribe_to_metrics`), `ended` (an Ended). Or `async for event in room`.
    """

    _prefix = "jr"
    _left = "left"

    def __init__(self, client: WebSocketClient, room_id: str, options: Mapping[str, Any]) -> None:
        events: Feed[RoomEvent] = Feed(MAX_WAITING)
        super().__init__(client, f"room {room_id}", options, events, event=events,
                         metrics=Feed[Dict[str, Any]](MAX_WAITING))
        # Those of the newest join, and those that the server has accepted last.
        self._options = self._accepted = options
        self.room_id = room_id
        """Its id."""
        self.member_count = 0
        """Users in the room, as last heard."""
        self.permissions: List[str] = []
        """What this user may do here: `read`, `write`, `manage`."""
        self.metadata: Dict[str, Any] = {}
        """The room's own, by `name`, `created_at` and whatever was set."""

    async def send(self, event_type: str, payload: Any, *, idempotency_key: Optional[str] = None,
                   priority: Optional[str] = None, ttl: Optional[int] = None,
                   correlation_id: Optional[str] = None) -> Published:
        """Sends a message; returns once it is on the server's disk. While there is no connection it waits for the next
        one, at most `queue_size` of them; a repeat after a broken connection stores nothing twice. `ttl` is in
        milliseconds from the server's append."""
        self._check_open()
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
        data = (await self._client._outbox.send(message, self._mend))["data"]
        return Published(data["offset"], bool(data.get("duplicate")))

    async def leave(self) -> None:
        """Leaves the room: iterators and `ended` callbacks get the end."""
        await self._stop()

    # What the client tells it.

    def _mend(self, error: Exception, attempt: int) -> Optional[Awaitable[None]]:
        """The room's owner may be away for a while: what it refuses then is sent again, which is safe."""
        if not isinstance(error, ServerError) or self.ended is not None:
            return None
        if error.details.get("reason") == "NOT_JOINED" and not self._open:
            return self._when_open()
        return self._client._back_off(attempt, error) if error.code == "UNAVAILABLE" else None

    def _request(self, id: str, start: Mapping[str, Any]) -> Message:
        options = {name: value for name, value in self._options.items() if name not in ("resume", "history")}
        return {"type": "join_room", "id": id, "data": {"room_id": self.room_id, "options": {**options, **start}}}

    def _end_request(self) -> Message:
        return {"type": "leave_room", "id": new_id("lr"), "data": {"room_id": self.room_id}}

    def _on_joined(self, message: Message) -> None:
        if message.get("metadata", {}).get("in_reply_to") != self._opening_id:
            return
        data = message["data"]
        self.member_count = data["member_count"]
        self.permissions = data["permissions"]
        self.metadata = data["room_metadata"]
        self._accepted = self._options
        self._opened(data)

    def _on_event(self, message: Message) -> None:
        data = message["data"]
        offset = data.get("offset")
        if offset is not None:
            if self._behind or self._at is None or data["epoch"] != self._at["epoch"] or offset <= self._at["offset"]:
                return
        sender = data.get("sender", {})
        payload = data.get("payload")
        if data["event_type"] == "user_activity" and isinstance(payload, dict) and "member_count" in payload:
            self.member_count = payload["member_count"]
        event = RoomEvent(self.room_id, data["event_type"], payload, message["id"], message["timestamp"], offset,
                          data.get("epoch"), sender.get("user_id"), sender.get("session_id"),
                          bool(data.get("replayed")), message.get("metadata", {}).get("correlation_id"))
        if not self._items.put(event):
            self._behind = self._behind or offset is not None
            return
        if offset is not None and self._at is not None:
            self._at["offset"] = offset
        if data.get("dropped"):
            self._tell_gap(Gap("dropped", data["dropped"]))

    def _on_metrics(self, data: Dict[str, Any]) -> None:
        self._feeds["metrics"].put(*data["batch"])
