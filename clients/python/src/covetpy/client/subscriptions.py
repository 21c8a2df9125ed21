"""A live stream of records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

from covetpy.client._connection import Message, new_id
from covetpy.client._mailbox import Feed
from covetpy.client._source import MAX_WAITING, Gap, Resumable

if TYPE_CHECKING:
    from covetpy.client.client import WebSocketClient

Record = Dict[str, Any]


class Subscription(Resumable[Record]):
    """Made by `WebSocketClient.subscribe`. Stays over reconnects: it goes on after the last batch that it has got.

    Events, for `on`: `data` (each record), `gap` (a Gap: dropped for a slow reader, lost at the source, or no longer kept),
    `ended` (an Ended). Or `async for record in subscription`.
    """

    _prefix = "sub"
    _left = "unsubscribed"

    def __init__(self, client: WebSocketClient, stream_type: str, resource_id: str, filters: Optional[Mapping[str, Any]],
                 options: Mapping[str, Any]) -> None:
        records: Feed[Record] = Feed(MAX_WAITING)
        super().__init__(client, f"subscription to {stream_type} of {resource_id}", options, records, data=records)
        self._filters = filters
        self._options = {name: value for name, value in options.items() if name not in ("resume", "history")}
        self.stream_type = stream_type
        """The type that was subscribed to."""
        self.resource_id = resource_id
        """The resource that was subscribed to."""

    @property
    def subscription_id(self) -> str:
        """Another one after each reconnect."""
        return self._opening_id

    async def unsubscribe(self) -> None:
        """Ends it: iterators and `ended` callbacks get the end."""
        await self._stop()

    # What the client tells it.

    def _request(self, id: str, start: Mapping[str, Any]) -> Message:
        data: Dict[str, Any] = {"stream_type": self.stream_type, "resource_id": self.resource_id}
        if self._filters:
            data["filters"] = self._filters
        options = {**self._options, **start}
        if options:
            data["options"] = options
        return {"type": "subscribe", "id": id, "data": data}

    def _end_request(self) -> Message:
        return {"type": "unsubscribe", "id": new_id("unsub"), "data": {"subscription_id": self._opening_id}}

    def _on_data(self, data: Dict[str, Any]) -> None:
        if self._behind:
            return
        if data.get("gap"):
            self._tell_gap(Gap("source"))
        if not self._items.put(*data["batch"]):
            self._behind = True
            return
        self._at = {"epoch": data["epoch"], "offset": data["last_offset"]}
        if data.get("dropped"):
            self._tell_gap(Gap("dropped", data["dropped"]))
