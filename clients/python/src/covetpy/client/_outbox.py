"""Messages that may be sent again."""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Coroutine, Dict, Tuple

from covetpy.client._connection import Message
from covetpy.client._session import Session
from covetpy.client.errors import LOST, CovetError, QueueFullError

# Messages on their way at once; whoever sends faster than they are answered is told by QueueFullError.
MAX_UNANSWERED = 10_000

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Outbox:
    """Messages that are sent again on the next connection, in their order: at most `bound` wait for one."""

    def __init__(self, session: Session, bound: int, spawn: Spawn) -> None:
        self._session = session
        self._bound = bound
        self._spawn = spawn
        self._entries: Dict[str, Tuple[Message, asyncio.Future[Message]]] = {}

    async def send(self, message: Message) -> Message:
        """Returns the answer, whichever connection it comes by."""
        if self._session.ended is not None:
            raise self._session.ended
        connected = self._session.connected
        if len(self._entries) >= (MAX_UNANSWERED if connected else self._bound):
            what_for = "their answers" if connected else "a connection"
            raise QueueFullError(f"{len(self._entries)} messages wait for {what_for} already")
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._entries[message["id"]] = (message, answer)
        try:
            if connected:
                self._spawn(self._attempt(message, answer))
            return await answer
        finally:
            self._entries.pop(message["id"], None)

    def up(self) -> None:
        for message, answer in self._entries.values():
            self._spawn(self._attempt(message, answer))

    def drop(self, reason: CovetError) -> None:
        """None of them is sent again."""
        for _, answer in self._entries.values():
            if not answer.done():
                answer.set_exception(reason)

    async def _attempt(self, message: Message, answer: asyncio.Future[Message]) -> None:
        if answer.done():
            return
        try:
            result = await self._session.ask(message)
            if not answer.done():
                answer.set_result(result)
        except LOST:
            pass  # The next connection sends it again.
        except CovetError as error:
            if not answer.done():
                answer.set_exception(error)
