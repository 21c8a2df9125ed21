"""Between the connection, which must never wait for a reader, and a reader that may be slow."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from typing import Any, AsyncIterator, Awaitable, Callable, Deque, Generic, Optional, Sequence, TypeVar, Union

T = TypeVar("T")
Callback = Callable[[T], Union[None, Awaitable[None]]]

MAX_EARLY = 1000

logger = logging.getLogger("covetpy.client")


async def invoke(callback: Callable[..., Any], *arguments: Any) -> None:
    """Calls a callback of either kind; what it raises is logged, since nobody else could hear of it."""
    try:
        result = callback(*arguments)
        if inspect.isawaitable(result):
            await result
    except Exception:
        logger.exception("a callback failed")


class Mailbox(Generic[T]):
    """Items for one reader, in order, about `bound` at most: its owner asks `takes` before `put`."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._items: Deque[T] = deque()
        self._arrived = asyncio.Event()
        self._closed = False
        self._error: Optional[Exception] = None
        # Called when the reader has taken everything.
        self.on_empty: Optional[Callable[[], None]] = None

    def put(self, items: Sequence[T]) -> None:
        """For a mailbox that takes them."""
        if not self._closed:
            self._items.extend(items)
            self._arrived.set()

    def takes(self, count: int) -> bool:
        """An empty one takes any number, so that no batch is too large for ever."""
        return not self._items or len(self._items) + count <= self._bound

    @property
    def empty(self) -> bool:
        return not self._items

    def close(self, error: Optional[Exception] = None) -> None:
        """The reader gets what is there, then the error or the end."""
        if not self._closed:
            self._closed, self._error = True, error
            self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[T]:
        while True:
            while self._items:
                yield self._items.popleft()
            if self.on_empty is not None:
                self.on_empty()
            if self._items:
                continue
            if self._closed:
                if self._error is not None:
                    raise self._error
                return
            self._arrived.clear()
            await self._arrived.wait()


class Feed(Generic[T]):
    """What a room or subscription delivers: to callbacks, in order, and to iterators, each with a mailbox of its own.
    What comes before the first of them waits for it, up to MAX_EARLY items: whoever has no reader by then wants none, and
    from then on items are let go."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._early: Optional[list[T]] = []
        self._closed = False
        self._error: Optional[Exception] = None
        self._mailboxes: list[Mailbox[T]] = []
        self._tasks: list[asyncio.Task[None]] = []
        # Called when every reader has taken everything.
        self.on_empty: Optional[Callable[[], None]] = None

    def listen(self, callback: Callback[T]) -> None:
        mailbox = self._open()

        async def run() -> None:
            try:
                async for item in mailbox:
                    await invoke(callback, item)
            except Exception as error:  # The end of the feed, which iterators are told of.
                logger.debug("feed ended: %s", error)

        self._tasks.append(asyncio.get_running_loop().create_task(run()))

    def iterate(self) -> AsyncIterator[T]:
        mailbox = self._open()

        async def items() -> AsyncIterator[T]:
            try:
                async for item in mailbox:
                    yield item
            finally:
                if mailbox in self._mailboxes:
                    self._mailboxes.remove(mailbox)

        return items()

    def put(self, *items: T) -> bool:
        """False if a reader had no room for them; then none has got any."""
        if self._early is not None:
            self._early.extend(items)
            if len(self._early) > MAX_EARLY:
                self._early = None
            return True
        if not all(mailbox.takes(len(items)) for mailbox in self._mailboxes):
            return False
        for mailbox in self._mailboxes:
            mailbox.put(items)
        return True

    def close(self, error: Optional[Exception] = None) -> None:
        self._closed, self._error = True, error
        for mailbox in self._mailboxes:
            mailbox.close(error)

    @property
    def empty(self) -> bool:
        return all(mailbox.empty for mailbox in self._mailboxes)

    def _open(self) -> Mailbox[T]:
        mailbox: Mailbox[T] = Mailbox(self._bound)
        mailbox.on_empty = self._emptied
        self._mailboxes.append(mailbox)
        mailbox.put(self._early or [])
        self._early = None
        if self._closed:
            mailbox.close(self._error)
        return mailbox

    def _emptied(self) -> None:
        if self.on_empty is not None and self.empty:
            self.on_empty()
