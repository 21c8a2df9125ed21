"""One connection after another, as the policy says, until it is closed or cannot come back."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import Any, Awaitable, Callable, Optional, Protocol, Set, Union

from covetpy.client._connection import NO_CLOSE, Closed, Connection, Message
from covetpy.client._reconnect import Reconnect, told_to_wait
from covetpy.client.errors import (AuthenticationError, ConnectionLostError, CovetError, EndedError, NotConnectedError,
                                   TokenError)

Token = Union[str, Callable[[], Union[str, Awaitable[str]]]]

REQUEST_SECONDS = 15.0

logger = logging.getLogger("covetpy.client")


class Listener(Protocol):
    """Who is told; nothing of it may block."""

    def _up(self, ack: Message) -> None:
        """A connection is there; what is asked now goes out before anything that comes later."""

    def _down(self, closed: Closed) -> None: ...

    def _on_message(self, message: Message) -> None: ...

    def _finished(self, reason: CovetError, error: Optional[CovetError]) -> None:
        """No connection will come any more. `error` is None if the client has closed."""

    def _problem(self, error: Exception) -> None:
        """Something went wrong that nobody waits for."""


class Session:
    def __init__(self, url: str, token: Optional[Token], api_key: Optional[str], policy: Reconnect,
                 listener: Listener) -> None:
        self.policy = policy
        self.ended: Optional[CovetError] = None
        self._url = url
        self._token = token
        self._api_key = api_key
        self._listener = listener
        self._connection: Optional[Connection] = None
        self._starting: Optional[asyncio.Task[None]] = None
        self._keeper: Optional[asyncio.Task[None]] = None
        # Connections and attempts since one that has carried anything.
        self._fruitless = 0
        # Of those who wait until there is a connection, or the end.
        self._waiting: Set[asyncio.Future[None]] = set()

    @property
    def connected(self) -> bool:
        return self._connection is not None

    @property
    def can_renew(self) -> bool:
        return callable(self._token)

    async def start(self) -> None:
        """The first connection; it is not tried again by itself."""
        if self.ended is not None:
            raise self.ended
        if self._keeper is not None:
            return
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())
            # Whoever has asked may be gone.
            self._starting.add_done_callback(lambda task: task.cancelled() or task.exception())
        starting = self._starting
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            if starting.cancelled() and self.ended is not None:
                raise self.ended from None
            starting.cancel()
            raise
        finally:
            if starting.done():
                self._starting = None

    async def close(self) -> None:
        connection = self._connection
        self._finish(EndedError("the client", "closed"), None)
        if connection is not None:
            await connection.close()
        tasks = [task for task in (self._starting, self._keeper) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def ask(self, message: Message, timeout: float = REQUEST_SECONDS, binary: Optional[bytes] = None) -> Message:
        """Sends a request on the connection that there is."""
        if self._connection is None:
            raise self.ended or NotConnectedError("not connected")
        return await self._connection.request(message, timeout, binary)

    async def tell(self, message: Message) -> None:
        """Sends what has no answer; without a connection it is let go."""
        if self._connection is not None:
            try:
                await self._connection.send(message)
            except CovetError:
                pass  # The connection has just ended, and what it was about with it.

    async def when_connected(self) -> bool:
        """True when there is a connection, False when there will be none."""
        while self._connection is None and self.ended is None:
            await self._change()
        return self.ended is None

    async def lost_or(self, done: asyncio.Future[Any]) -> None:
        """Until the present connection has ended, or `done`."""
        if self._connection is not None:
            await asyncio.wait({self._connection.closed, done}, return_when=asyncio.FIRST_COMPLETED)

    async def wait(self, seconds: float) -> None:
        """At most so long; returns at once when all has ended."""
        ending = asyncio.get_running_loop().create_task(self._end())
        try:
            await asyncio.wait({ending}, timeout=seconds)
        finally:
            ending.cancel()

    async def fresh_token(self) -> Optional[str]:
        """A function that yields tokens is asked; what it raises becomes a TokenError."""
        if self._token is None or isinstance(self._token, str):
            return self._token
        try:
            token = self._token()
            return await token if inspect.isawaitable(token) else token
        except Exception as error:
            raise TokenError("the token function failed") from error

    async def _start(self) -> None:
        connection = await self._open()
        self._up(connection)
        self._keeper = asyncio.get_running_loop().create_task(self._keep(connection))

    async def _open(self) -> Connection:
        headers = {}
        token = await self.fresh_token()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if self._api_key is not None:
            headers["X-API-Key"] = self._api_key
        connection = await Connection.open(self._url, headers)
        if self.ended is not None:
            await connection.close()
            raise self.ended
        return connection

    def _up(self, connection: Connection) -> None:
        self._connection = connection
        self._listener._up(connection.ack)
        self._wake()

    async def _keep(self, connection: Connection) -> None:
        try:
            while True:
                closed = await connection.run(self._listener._on_message, self._listener._problem)
                self._connection = None
                self._listener._down(closed)
                if connection.fruitful:
                    self._fruitless = 0
                connection = await self._reopen(closed)
                self._up(connection)
        except CovetError as error:
            self._finish(error, error)
        except Exception as error:
            logger.exception("the client has ended by a fault of its own")
            self._finish(CovetError(f"{error!r}"), CovetError(f"{error!r}"))

    async def _reopen(self, closed: Closed) -> Connection:
        """Raises what the client ends with."""
        error: CovetError = closed.error()
        while self.ended is None:
            self._fruitless += 1
            if not self.policy.allows(self._fruitless, closed.code):
                break
            told = told_to_wait(closed.reason)
            await self.wait(self.policy.wait(self._fruitless, closed.code) if told is None else told)
            if self.ended is not None:
                break
            try:
                return await self._open()
            except CovetError as failure:
                error, closed = failure, _how_it_failed(failure)
                # A function may have a better token the next time; a text stays what it is.
                if isinstance(failure, AuthenticationError) and not (failure.code == "AUTH_EXPIRED" and self.can_renew):
                    break
        raise self.ended or error

    def _finish(self, reason: CovetError, error: Optional[CovetError]) -> None:
        """Nothing comes any more: whoever waits is told."""
        if self.ended is None:
            self.ended = reason
            self._wake()
            self._listener._finished(reason, error)

    async def _end(self) -> None:
        while self.ended is None:
            await self._change()

    async def _change(self) -> None:
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(change)
        try:
            await change
        finally:
            self._waiting.discard(change)

    def _wake(self) -> None:
        for change in self._waiting:
            if not change.done():
                change.set_result(None)


def _how_it_failed(failure: CovetError) -> Closed:
    """An attempt, which the server may have closed before its first message."""
    if isinstance(failure, ConnectionLostError) and failure.close_code is not None:
        return Closed(failure.close_code, failure.close_reason)
    return Closed(NO_CLOSE)
