"""One WebSocket, from its handshake to its end: messages go out, answers find those who asked."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any, Callable, Dict, Mapping, Optional

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from covetpy.client.errors import ConnectionLostError, NotConnectedError, RequestTimeoutError, from_message

Message = Dict[str, Any]

OPEN_SECONDS = 20.0
# The largest message that a server of any configuration sends.
MAX_MESSAGE_BYTES = 64 << 20


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


class Connection:
    """`on_message` gets what answers no request of `request`, in the order of arrival; it must not block."""

    def __init__(self, socket: ClientConnection, ack: Message, on_message: Callable[[Message], None]) -> None:
        self._socket = socket
        self._on_message = on_message
        self._waiting: Dict[str, asyncio.Future[Message]] = {}
        self.ack: Message = ack["data"]

    @classmethod
    async def open(cls, url: str, headers: Mapping[str, str], on_message: Callable[[Message], None]) -> Connection:
        """Raises AuthenticationError where the server refuses the credential, ConnectionLostError where there is no
        server or it refuses for now."""
        try:
            socket = await connect(url, additional_headers=dict(headers), open_timeout=OPEN_SECONDS,
                                   max_size=MAX_MESSAGE_BYTES)
        except InvalidStatus as error:
            raise ConnectionLostError(f"the server answered HTTP {error.response.status_code}") from error
        except (OSError, asyncio.TimeoutError, EOFError, InvalidHandshake, ConnectionClosed) as error:
            raise ConnectionLostError(f"no connection to {url.split('?')[0]}: {error}") from error
        try:
            first: Message = json.loads(await asyncio.wait_for(socket.recv(), OPEN_SECONDS))
        except (ConnectionClosed, asyncio.TimeoutError, ValueError) as error:
            await socket.close()
            raise ConnectionLostError("the connection ended before connection_ack") from error
        if first.get("type") == "error":
            await socket.close()
            raise from_message(first)
        return cls(socket, first, on_message)

    async def run(self) -> None:
        """Reads until the connection ends. `close_code` and `close_reason` tell how."""
        try:
            async for text in self._socket:
                if isinstance(text, str):
                    self._dispatch(json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            lost = ConnectionLostError(f"the connection ended ({self.close_code} {self.close_reason})".rstrip())
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(lost)
            self._waiting.clear()

    @property
    def close_code(self) -> Optional[int]:
        return self._socket.close_code

    @property
    def close_reason(self) -> str:
        return self._socket.close_reason or ""

    async def send(self, message: Message) -> None:
        await self._write(json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    async def request(self, message: Message, timeout: float, binary: Optional[bytes] = None) -> Message:
        """Sends it, or the frame that stands for it, and returns the answer as it came; raises the ServerError that it
        tells of."""
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[message["id"]] = answer
        try:
            await (self.send(message) if binary is None else self._write(binary))
            return await asyncio.wait_for(answer, timeout)
        except asyncio.TimeoutError:
            raise RequestTimeoutError(f"no answer to {message['type']} within {timeout:g} s") from None
        finally:
            self._waiting.pop(message["id"], None)

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code)

    async def _write(self, data: Any) -> None:
        try:
            await self._socket.send(data)
        except ConnectionClosed as error:
            raise NotConnectedError("the connection has ended") from error

    def _dispatch(self, message: Message) -> None:
        kind = message.get("type")
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
