"""A live stream of records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, AsyncIterator, Dict, Optional

from covetpy.client._connection import Message, new_id
from covetpy.client._mailbox import Callback, Feed
from covetpy.client.errors import EndedError
from covetpy.client.rooms import MAX_WAITING, Gap

if TYPE_CHECKING:
    from covetpy.client.client import WebSocketClient

Record = Dict[str, Any]


class Subscription:
    """Made by `WebSocketClient.subscribe`. Stays over reconnects: it goes on after the last batch that it has got."""

    def __init__(self, client: WebSocketClient, stream_type: str, resource_id: str, filters: Optional[Dict[str, Any]],
                 options: Dict[str, Any]) -> None:
        self._client = client
        self._filters = filters
        self._options = options
        self._records: Feed[Record] = Feed(MAX_WAITING)
        self._gaps: Feed[Gap] = Feed(MAX_WAITING)
        self._records.on_empty = self._caught_up
        self._position: Optional[Dict[str, Any]] = None
        self._behind = False
        self.stream_type = stream_type
        self.resource_id = resource_id
        # Another one after each reconnect.
        self.subscription_id = ""
        self.ended: Optional[str] = None

    def on_data(self, callback: Callback[Record]) -> None:
        """Called with each record."""
        self._records.listen(callback)

    def on_gap(self, callback: Callback[Gap]) -> None:
        """Called where records were lost: dropped for a slow reader, lost at the source, or no longer kept."""
        self._gaps.listen(callback)

    def records(self) -> AsyncIterator[Record]:
        """Records from now on. Raises EndedError when the server ends it; ends with `unsubscribe`."""
        return self._records.iterate()

    def __aiter__(self) -> AsyncIterator[Record]:
        return self.records()

    async def unsubscribe(self) -> None:
        self._client._subscriptions.pop(self.subscription_id, None)
        self._end("unsubscribed", None)
        await self._client._request("unsubscribe", {"subscription_id": self.subscription_id})

    # What the client tells it.

    def _subscribe_message(self) -> Message:
        options = dict(self._options)
        if self._position is not None:
            options.pop("history", None)
            options["resume"] = dict(self._position)
        data: Dict[str, Any] = {"stream_type": self.stream_type, "resource_id": self.resource_id}
        if self._filters:
            data["filters"] = self._filters
        if options:
            data["options"] = options
        self.subscription_id = new_id("sub")
        self._behind = False
        return {"type": "subscribe", "id": self.subscription_id, "data": data}

    def _on_subscribed(self, data: Dict[str, Any]) -> None:
        old = self._position
        if old is not None and old["epoch"] != data["epoch"]:
            self._gaps.put(Gap("epoch_changed"))
        elif old is not None and not data["recovered"]:
            self._gaps.put(Gap("evicted"))
        replays = old is None and ("history" in self._options or "resume" in self._options)
        if not replays and (old is None or old["epoch"] != data["epoch"]):
            self._position = {"epoch": data["epoch"], "offset": data["offset"]}

    def _on_data(self, data: Dict[str, Any]) -> None:
        if self._behind:
            return
        if data.get("dropped"):
            self._gaps.put(Gap("dropped", data["dropped"]))
        if data.get("gap"):
            self._gaps.put(Gap("source"))
        if not self._records.put(*data["batch"]):
            # To be read on from the last batch once the reader has caught up.
            self._behind = True
            return
        self._position = {"epoch": data["epoch"], "offset": data["last_offset"]}

    def _on_ended(self, reason: str) -> bool:
        """Whether to subscribe anew."""
        if reason == "reset":
            self._position = None
            self._gaps.put(Gap("reset"))
            return True
        self._end(reason, EndedError(f"subscription to {self.stream_type} of {self.resource_id}", reason))
        return False

    def _caught_up(self) -> None:
        if self._behind and self.ended is None:
            self._client._resubscribe(self)

    def _end(self, reason: str, error: Optional[Exception]) -> None:
        self.ended = reason
        for feed in (self._records, self._gaps):
            feed.close(error)
