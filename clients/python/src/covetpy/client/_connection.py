"""One WebSocket, from its handshake to its end: messages go out, answers find those who asked."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional, Union

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from covetpy.client.errors import (ConnectionLostError, MessageTooLargeError, NotConnectedError, RequestTimeoutError,
                                   from_message)

Message = Dict[str, Any]

OPEN_SECONDS = 20.0
# How long a server may take to answer a close.
CLOSE_SECONDS = 5.0
# Silence of so many heartbeat intervals ends a connection; the server sends one each interval.
MISSED_HEARTBEATS = 2.5
# A connection that lasts so long is a good one, even if nothing has come.
STABLE_SECONDS = 10.0
# The largest message that a server of any configuration sends.
MAX_MESSAGE_BYTES = 64 << 20
# RFC 6455's code of an end without a close.
NO_CLOSE = 1006


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


@dataclass(frozen=True)
class Closed:
    """How a connection ended: the WebSocket's close code and reason."""

    code: int
    """Of RFC 6455, or the protocol's own from 4400 on; 1006 where the connection broke."""
    reason: str = ""
    """The server's words, empty if it had none."""

    def error(self, what: str = "the connection ended") -> ConnectionLostError:
        """What those get who waited for it."""
        return ConnectionLostError(f"{what} ({self.code} {self.reason})".replace(" )", ")"), self.code, self.reason)


class Connection:
    """Made by `open`; `run` reads until the end."""

    def __init__(self, socket: ClientConnection, ack: Message) -> None:
        self._socket = socket
        self._waiting: Dict[str, asyncio.Future[Message]] = {}
        self._watchdog: Optional[asyncio.TimerHandle] = None
        self._on_message: Callable[[Message], None] = lambda message: None
        self.ack: Message = ack["data"]
        self._opened = self._heard = asyncio.get_running_loop().time()
        # Done when the connection has ended.
        self.closed: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, url: str, headers: Mapping[str, str]) -> Connection:
        """Raises AuthenticationError where the server refuses the credential, ConnectionLostError where there is no
        server or it refuses for now."""
        try:
            # Whether the other side lives is for `run` to see: it counts every message.
            socket = await connect(url, additional_headers=dict(headers), open_timeout=OPEN_SECONDS,
                                   close_timeout=CLOSE_SECONDS, ping_interval=None, max_size=MAX_MESSAGE_BYTES)
        except InvalidStatus as error:
            raise ConnectionLostError(f"the server answered HTTP {error.response.status_code}") from error
        except (OSError, asyncio.TimeoutError, EOFError, InvalidHandshake, ConnectionClosed) as error:
            raise ConnectionLostError(f"no connection to {url.split('?')[0]}: {error}") from error
        try:
            first: Message = json.loads(await asyncio.wait_for(socket.recv(), OPEN_SECONDS))
            if first["type"] == "connection_ack":
                return cls(socket, first)
        except ConnectionClosed as error:
            raise _closed(socket).error("the connection ended before connection_ack") from error
        except asyncio.TimeoutError as error:
            await socket.close()
            raise ConnectionLostError("no connection_ack in time") from error
        except (ValueError, TypeError, KeyError) as error:
            await socket.close()
            raise ConnectionLostError("the server does not speak this protocol") from error
        except asyncio.CancelledError:
            socket.transport.abort()
            raise
        await socket.close()
        raise from_message(first)

    async def run(self, on_message: Callable[[Message], None], on_problem: Callable[[Exception], None]) -> Closed:
        """Reads until the connection ends. `on_message` gets what answers no request, in the order of arrival."""
        self._on_message = on_message
        loop = asyncio.get_running_loop()
        self._watch()
        try:
            async for text in self._socket:
                self._heard = loop.time()
                try:
                    if isinstance(text, str):
                        self._dispatch(json.loads(text))
                except Exception as error:
                    on_problem(error)
        except ConnectionClosed:
            pass
        finally:
            if self._watchdog is not None:
                self._watchdog.cancel()
            closed = _closed(self._socket)
            if not self.closed.done():
                self.closed.set_result(closed)
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(closed.error())
            self._waiting.clear()
        return closed

    @property
    def fruitful(self) -> bool:
        """Whether it was of use: anything has come after the first message, or it has lasted."""
        return self._heard > self._opened or asyncio.get_running_loop().time() - self._opened > STABLE_SECONDS

    async def send(self, message: Message) -> None:
        """Raises NotConnectedError or MessageTooLargeError; TypeError or ValueError for what JSON cannot hold."""
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        if not text.isascii():
            text.encode()  # Where this fails for a surrogate, the socket would end the connection.
        await self._write(text)

    async def request(self, message: Message, timeout: float, binary: Optional[bytes] = None) -> Message:
        """Sends it, or the frame that stands for it, and returns the answer as it came; raises the ServerError that it
        tells of."""
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[message["id"]] = answer

        async def exchange() -> Message:
            await (self.send(message) if binary is None else self._write(binary))
            return await answer

        try:
            return await asyncio.wait_for(exchange(), timeout)
        except asyncio.TimeoutError:
            raise RequestTimeoutError(f"no answer to {message['type']} within {timeout:g} s") from None
        finally:
            self._waiting.pop(message["id"], None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # Told by what `send` has raised already.

    async def close(self) -> None:
        """Within CLOSE_SECONDS, whether the server answers or not."""
        await self._socket.close()

    async def _write(self, data: Union[str, bytes]) -> None:
        limit = self.ack.get("limits", {}).get("message_bytes")
        # A larger one would end the connection; a character is four bytes of UTF-8 at most.
        if limit is not None and len(data) * 4 > limit:
            size = len(data.encode()) if isinstance(data, str) else len(data)
            if size > limit:
                raise MessageTooLargeError(f"a message of {size} bytes, and the server takes {limit}")
        if self._socket.transport.is_closing():
            raise await self._over()
        try:
            await self._socket.send(data)
        except ConnectionClosed as error:
            raise await self._over() from error

    async def _over(self) -> NotConnectedError:
        """Once `run` has seen it too: whoever tries again at once would find the same connection, and not let `run` go on."""
        await asyncio.wait({self.closed})
        return NotConnectedError("the connection has ended")

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        until = self._heard + self.ack["heartbeat_interval"] / 1000 * MISSED_HEARTBEATS
        if loop.time() < until:
            self._watchdog = loop.call_at(until, self._watch)
        else:
            # A peer that is gone does not answer a close either.
            self._socket.transport.abort()

    def _dispatch(self, message: Message) -> None:
        kind = message["type"]
        asked = message.get("id") if kind in ("rpc_response", "rpc_error") else None
        future = self._waiting.get(asked or message.get("metadata", {}).get("in_reply_to", ""))
        if future is None or kind == "file_status":
            self._on_message(message)
            return
        if kind in ("room_joined", "subscribed", "file_upload_complete"):
            # What follows belongs to it, and must find it known.
            self._on_message(message)
        if not future.done():
            if kind in ("error", "rpc_error"):
                future.set_exception(from_message(message))
            else:
                future.set_result(message)


def _closed(socket: ClientConnection) -> Closed:
    """How a socket that has ended did so."""
    code = socket.close_code
    return Closed(NO_CLOSE if code is None else code, socket.close_reason or "")
