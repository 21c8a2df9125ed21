"""What rooms, subscriptions and uploads share: events by name, and going on where they were."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import (TYPE_CHECKING, Any, AsyncIterator, Dict, Generic, List, Mapping, Optional, Type, TypedDict, TypeVar)

from covetpy.client._connection import Message, new_id
from covetpy.client._mailbox import Callback, Feed
from covetpy.client.errors import LOST, CovetError, EndedError, ServerError

if TYPE_CHECKING:
    from covetpy.client.client import WebSocketClient

T = TypeVar("T")
S = TypeVar("S", bound="Resumable[Any]")

# Items that wait for a slow reader; beyond it they are read on from the server's log once the reader has caught up.
MAX_WAITING = 10_000


class Position(TypedDict):
    """A place in a log: what the option `resume` takes."""

    epoch: str
    """Names the log; another one whenever it starts anew."""
    offset: int
    """Counts its items, from 1."""


@dataclass(frozen=True)
class Gap:
    """Something was lost, and `reason` says why."""

    reason: str
    """`evicted`: what was missed is no longer kept. `epoch_changed`: the log was started anew. `reset`: the server could not
    go on without loss. `dropped`: the server left out what a slow reader had no room for. `source`: a stream's source lost
    it."""
    dropped: int = 0
    """How many, with `dropped`."""


@dataclass(frozen=True)
class Ended:
    """The end, told once."""

    reason: str
    """The server's, `removed`, `deleted`, `permission_revoked`, …, or `left`, `unsubscribed`, `disconnected`."""
    error: Optional[Exception] = None
    """None if the client itself has ended it."""


class Source:
    """Something with a feed for each of its events, by name."""

    def __init__(self, feeds: Dict[str, Feed[Any]]) -> None:
        self._feeds = feeds

    def on(self, event: str, callback: Callback[Any]) -> None:
        """Calls of one callback follow each other; one that is a coroutine function holds up only its own next call."""
        self._feed(event).listen(callback)

    def off(self, event: str, callback: Callback[Any]) -> None:
        """Takes a callback out again."""
        self._feed(event).unlisten(callback)

    def _feed(self, event: str) -> Feed[Any]:
        if event not in self._feeds:
            raise ValueError(f"no event '{event}'; there are {', '.join(self._feeds)}")
        return self._feeds[event]

    def _close_feeds(self, error: Optional[Exception] = None) -> None:
        for feed in self._feeds.values():
            feed.close(error)


class Resumable(Source, Generic[T]):
    """What stays over reconnects and goes on where it was. `async for item in it`; `async with it` ends it at the end."""

    _prefix = ""
    _left = ""  # The reason of an end that the client wants.

    def __init__(self, client: WebSocketClient, what: str, options: Mapping[str, Any], items: Feed[T],
                 **feeds: Feed[Any]) -> None:
        super().__init__({**feeds, "gap": Feed[Gap](MAX_WAITING), "ended": Feed[Ended](1)})
        self._client = client
        self._what = what
        self._items = items
        items.on_empty = self._caught_up
        # Where to begin, until it has begun: `resume` or `history`.
        self._start = {name: options[name] for name in ("resume", "history") if options.get(name) is not None}
        self._at: Optional[Position] = None
        # A reader has not kept up: what comes is left out until it has, and then read on from `_at`.
        self._behind = False
        # Whether it has ever been open, and failed attempts to open it again, in a row.
        self._established = False
        self._failures = 0
        # The request that opens it, the newest one.
        self._opening_id = ""
        # Of those who have asked for it to be opened.
        self._askers: List[asyncio.Future[None]] = []
        # Whether it is open on this connection, and of those who wait until it is.
        self._open = False
        self._open_waiters: List[asyncio.Future[None]] = []
        self.ended: Optional[str] = None
        """Why it has ended, if it has."""

    @property
    def position(self) -> Optional[Position]:
        """The place of the last item that was delivered: what the option `resume` takes."""
        return {**self._at} if self._at is not None else None

    def __aiter__(self) -> AsyncIterator[T]:
        """Items from now on. Raises EndedError when the server ends it; ends when the client does."""
        return self._items.iterate()

    async def __aenter__(self: S) -> S:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        await self._stop()

    # What the client tells it.

    def _open_message(self) -> Message:
        """Its opening request, with a fresh id."""
        self._opening_id = new_id(self._prefix)
        if self._at is not None:
            return self._request(self._opening_id, {"resume": {**self._at}})
        return self._request(self._opening_id, {"resume": self._start["resume"]} if "resume" in self._start else self._start)

    def _request(self, id: str, start: Mapping[str, Any]) -> Message:
        raise NotImplementedError

    def _end_request(self) -> Message:
        raise NotImplementedError

    def _opened(self, data: Dict[str, Any]) -> None:
        """It is open: what comes now follows `data`."""
        begin: Optional[Position] = self._at or self._start.get("resume")
        self._behind = False
        if begin is not None and begin["epoch"] == data["epoch"]:
            if not data["recovered"]:
                self._tell_gap(Gap("evicted"))
            self._at = {**begin}
        else:
            if begin is not None:
                self._tell_gap(Gap("epoch_changed"))
            replayed = self._start.get("history", 0) if begin is None else 0
            self._at = {"epoch": data["epoch"], "offset": max(0, data["offset"] - replayed)}
        # From now on it goes on where it is.
        self._start = {}
        self._established = True
        self._open = True
        _settle(self._open_waiters, None)

    def _lost(self) -> None:
        """The connection has ended."""
        self._open = False

    async def _when_open(self) -> None:
        """Until it is open. Raises if it ends before."""
        if not self._open:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._open_waiters.append(waiter)
            await waiter

    def _on_ended(self, reason: str) -> bool:
        """The server has ended it. Returns whether to open it anew."""
        if reason == "reset":
            self._at = None
            self._open = False
            self._tell_gap(Gap("reset"))
            return True
        self._end(reason, EndedError(self._what, reason))
        return False

    def _end(self, reason: str, error: Optional[Exception]) -> None:
        if self.ended is not None:
            return
        self.ended = reason
        for waiting in (self._askers, self._open_waiters):
            _settle(waiting, error or EndedError(self._what, reason))
        self._feeds["ended"].put(Ended(reason, error))
        self._close_feeds(error)

    def _settle(self, error: Optional[Exception]) -> None:
        """Tells those who have asked for it to be opened."""
        _settle(self._askers, error)

    def _check_open(self) -> None:
        if self.ended is not None:
            raise EndedError(self._what, self.ended)

    async def _stop(self) -> None:
        """Ends it here and at the server; a connection that is lost has ended it there too."""
        if self.ended is not None:
            return
        self._client._forget(self)
        self._end(self._left, None)
        try:
            await self._client._session.ask(self._end_request())
        except LOST:
            pass
        except ServerError as error:
            # One that is being opened again is not there.
            if error.code != "NOT_FOUND":
                raise

    def _tell_gap(self, gap: Gap) -> None:
        self._feeds["gap"].put(gap)

    def _caught_up(self) -> None:
        if self._behind and self.ended is None:
            self._client._reopen(self)


def _settle(waiting: List[asyncio.Future[None]], error: Optional[Exception]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None) if error is None else future.set_exception(error)
    waiting.clear()
