"""Messages that may be sent again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Awaitable, Callable, Coroutine, Dict, Optional

from covetpy.client._connection import Message
from covetpy.client._session import Session
from covetpy.client.errors import LOST, CovetError, QueueFullError

# Messages on their way at once; whoever sends faster than they are answered is told by QueueFullError.
MAX_UNANSWERED = 10_000

Spawn = Callable[[Coroutine[Any, Any, None]], None]
# Waits until a message that was refused may be sent again; None if it may not, and raises what to give up with.
Mend = Callable[[Exception, int], Optional[Awaitable[None]]]


@dataclass
class Entry:
    message: Message
    answer: asyncio.Future[Message]
    mend: Mend
    # Refusals in a row, and connections that it was sent on.
    refusals: int = 0
    connections: int = 0


class Outbox:
    """Messages that are sent again on the next connection, in their order: at most `bound` wait for one."""

    def __init__(self, session: Session, bound: int, spawn: Spawn) -> None:
        self._session = session
        self._bound = bound
        self._spawn = spawn
        self._entries: Dict[str, Entry] = {}

    async def send(self, message: Message, mend: Mend) -> Message:
        """Returns the answer, whichever connection it comes by."""
        if self._session.ended is not None:
            raise self._session.ended
        connected = self._session.connected
        if len(self._entries) >= (MAX_UNANSWERED if connected else self._bound):
            what_for = "their answers" if connected else "a connection"
            raise QueueFullError(f"{len(self._entries)} messages wait for {what_for} already")
        entry = Entry(message, asyncio.get_running_loop().create_future(), mend)
        self._entries[message["id"]] = entry
        try:
            if connected:
                self._spawn(self._attempt(entry))
            return await entry.answer
        finally:
            self._entries.pop(message["id"], None)

    def up(self) -> None:
        for entry in self._entries.values():
            entry.connections += 1
            self._spawn(self._attempt(entry))

    def drop(self, reason: CovetError) -> None:
        """None of them is sent again."""
        for entry in self._entries.values():
            if not entry.answer.done():
                entry.answer.set_exception(reason)

    async def _attempt(self, entry: Entry) -> None:
        connections = entry.connections
        # Unless another connection has sent it meanwhile.
        while not entry.answer.done() and entry.connections == connections:
            try:
                result = await self._session.ask(entry.message)
                if not entry.answer.done():
                    entry.answer.set_result(result)
            except LOST:
                return  # The next connection sends it again.
            except Exception as error:
                try:
                    entry.refusals += 1
                    mended = entry.mend(error, entry.refusals)
                    if mended is None:
                        raise
                    await mended
                except Exception as final:
                    if not entry.answer.done():
                        entry.answer.set_exception(final)
