"""Between the connection, which must never wait for a reader, and a reader that may be slow."""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from collections import deque
from typing import Any, Awaitable, Callable, Deque, Dict, Generic, List, Optional, Sequence, Tuple, TypeVar, Union

T = TypeVar("T")
Callback = Callable[[T], Union[None, Awaitable[None]]]

MAX_EARLY = 1000

logger = logging.getLogger("covetpy.client")


async def finish(awaitable: Awaitable[Any]) -> None:
    """Awaits what a callback has returned; what it raises is logged, since nobody else could hear of it."""
    try:
        await awaitable
    except Exception:
        logger.exception("a callback failed")


def invoke(callback: Callable[..., Any], *arguments: Any) -> Optional[Awaitable[Any]]:
    """Calls a callback of either kind and returns what is still to be awaited, for `finish`."""
    try:
        result = callback(*arguments)
    except Exception:
        logger.exception("a callback failed")
        return None
    return result if inspect.isawaitable(result) else None


class Mailbox(Generic[T]):
    """What waits for one reader, in order, about `bound` items at most: `async for item in mailbox`."""

    def __init__(self, bound: int, on_empty: Callable[[], None]) -> None:
        self._bound = bound
        self._on_empty = on_empty
        self._items: Deque[T] = deque()
        self._waiters: List[asyncio.Future[None]] = []
        self._closed = False
        self._error: Optional[Exception] = None

    @property
    def empty(self) -> bool:
        return not self._items

    def takes(self, count: int) -> bool:
        """An empty one takes any number, so that no batch is too large for ever."""
        return not self._items or len(self._items) + count <= self._bound

    def put(self, items: Sequence[T]) -> None:
        """For a mailbox that takes them."""
        if not self._closed:
            self._items.extend(items)
            self._wake()

    def close(self, error: Optional[Exception] = None) -> None:
        """The reader gets what is there, then the error or the end."""
        if not self._closed:
            self._closed, self._error = True, error
            self._wake()

    def stop(self) -> None:
        """The reader gets nothing more."""
        self._closed, self._error = True, None
        self._items.clear()
        self._wake()
        # Other readers may have waited for this one alone.
        self._on_empty()

    async def aclose(self) -> None:
        self.stop()

    def __aiter__(self) -> Mailbox[T]:
        return self

    async def __anext__(self) -> T:
        while True:
            if self._items:
                return self._items.popleft()
            self._on_empty()
            if self._items:
                continue
            if self._closed:
                error, self._error = self._error, None
                raise error or StopAsyncIteration
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()


class Feed(Generic[T]):
    """What a room or subscription delivers: to callbacks, one after the other, and to iterators, each with a mailbox of its
    own that holds about `bound` items; an iterator that nobody holds any more is forgotten. What comes before the first of
    them waits for it, up to MAX_EARLY items: whoever has no reader by then wants none, and from then on items are let go."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._early: Optional[List[T]] = []
        self._closed = False
        self._error: Optional[Exception] = None
        self._mailboxes: weakref.WeakSet[Mailbox[T]] = weakref.WeakSet()
        self._listening: Dict[Any, Tuple[Mailbox[T], asyncio.Task[None]]] = {}
        # Called when every reader has taken everything.
        self.on_empty: Callable[[], None] = lambda: None

    @property
    def read(self) -> bool:
        """Whether anybody reads."""
        return len(self._mailboxes) > 0

    def listen(self, callback: Callback[T]) -> None:
        if callback in self._listening:
            return
        mailbox = self._open()

        async def run() -> None:
            try:
                async for item in mailbox:
                    result = invoke(callback, item)
                    if result is not None:
                        await finish(result)
            except Exception as error:  # The end of the feed, which iterators and callbacks for `ended` are told of.
                logger.debug("a feed has ended: %s", error)
            finally:
                # It may have been taken out and put in again since.
                if self._listening.get(callback, (None,))[0] is mailbox:
                    del self._listening[callback]

        self._listening[callback] = (mailbox, asyncio.get_running_loop().create_task(run()))

    def unlisten(self, callback: Callback[T]) -> None:
        listening = self._listening.pop(callback, None)
        if listening is not None:
            self._mailboxes.discard(listening[0])
            listening[0].stop()

    def iterate(self) -> Mailbox[T]:
        return self._open()

    def put(self, *items: T) -> bool:
        """False if a reader had no room for them; then none has got any."""
        if self._closed:
            return True
        if self._early is not None:
            self._early.extend(items)
            if len(self._early) > MAX_EARLY:
                self._early = None
            return True
        mailboxes = list(self._mailboxes)
        if not all(mailbox.takes(len(items)) for mailbox in mailboxes):
            return False
        for mailbox in mailboxes:
            mailbox.put(items)
        return True

    def close(self, error: Optional[Exception] = None) -> None:
        """Readers get what is there, then the error or the end."""
        if not self._closed:
            self._closed, self._error = True, error
            for mailbox in list(self._mailboxes):
                mailbox.close(error)

    def _open(self) -> Mailbox[T]:
        mailbox: Mailbox[T] = Mailbox(self._bound, self._emptied)
        mailbox.put(self._early or [])
        self._early = None
        if self._closed:
            mailbox.close(self._error)
        else:
            self._mailboxes.add(mailbox)
            weakref.finalize(mailbox, self._forgotten, _running_loop()).atexit = False
        return mailbox

    def _forgotten(self, loop: Optional[asyncio.AbstractEventLoop]) -> None:
        """A mailbox is gone, whichever thread collects it: other readers may have waited for that one alone."""
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._emptied)

    def _emptied(self) -> None:
        if all(mailbox.empty for mailbox in list(self._mailboxes)):
            self.on_empty()


def _running_loop() -> Optional[asyncio.AbstractEventLoop]:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
