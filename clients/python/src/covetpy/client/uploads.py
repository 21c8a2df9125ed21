"""Files on their way to the server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import mimetypes
import os
import struct
from typing import TYPE_CHECKING, Any, BinaryIO, Callable, Dict, Generator, List, Optional, Set, Union

from covetpy.client._connection import Message, new_id
from covetpy.client._mailbox import Callback, Feed
from covetpy.client.errors import ConnectionLostError, EndedError, NotConnectedError, ServerError

if TYPE_CHECKING:
    from covetpy.client.client import WebSocketClient

Source = Union[bytes, str, "os.PathLike[str]", BinaryIO]
DEFAULT_CHUNK_BYTES = 256 << 10
MAX_STATUSES = 100
# What an upload waits after UNAVAILABLE, and how often in a row it does before it gives up.
RETRY_SECONDS = 0.5
MAX_RETRIES = 60


def _open(source: Source) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if isinstance(source, (str, os.PathLike)):
        return open(source, "rb")
    return source


class Upload:
    """Made by `WebSocketClient.upload`; awaiting it gives the `file_upload_complete` data once the file is kept. Goes on
    over reconnects with the chunks that the server lacks."""

    def __init__(self, client: WebSocketClient, source: Source, filename: Optional[str], mimetype: Optional[str],
                 chunk_size: int, metadata: Optional[Dict[str, Any]],
                 on_progress: Optional[Callable[[int, int], None]]) -> None:
        self._client = client
        self._file = _open(source)
        self._owns_file = self._file is not source
        self._file.seek(0, os.SEEK_END)
        self._chunk_size = chunk_size
        self._on_progress = on_progress
        self._statuses: Feed[Dict[str, Any]] = Feed(MAX_STATUSES)
        name = filename or os.path.basename(str(getattr(self._file, "name", ""))) or "file"
        self.size = self._file.tell()
        self.upload_id = new_id("upload")
        self.received_chunks = 0
        self.total_chunks = max(1, -(-self.size // chunk_size))
        self._start: Dict[str, Any] = {"filename": name, "size": self.size, "chunk_size": chunk_size}
        guessed = mimetype or mimetypes.guess_type(name)[0]
        if guessed:
            self._start["mimetype"] = guessed
        if metadata is not None:
            self._start["metadata"] = metadata
        self._received: Set[int] = set()
        self._known = False  # The server has answered the start.
        self._running = asyncio.Event()
        self._running.set()
        self._done: asyncio.Future[Dict[str, Any]] = asyncio.get_running_loop().create_future()
        # Somebody who only listens for statuses need not await it.
        self._done.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._task = asyncio.get_running_loop().create_task(self._run())

    def __await__(self) -> Generator[Any, None, Dict[str, Any]]:
        return asyncio.shield(self._done).__await__()

    def on_status(self, callback: Callback[Dict[str, Any]]) -> None:
        """Called as the server processes the file: `processing_status` and `details`."""
        self._statuses.listen(callback)

    def pause(self) -> None:
        """No further chunk is begun."""
        self._running.clear()

    def resume(self) -> None:
        self._running.set()

    async def cancel(self) -> None:
        """Gives the upload up; awaiting it raises EndedError."""
        self._task.cancel()
        self._fail(EndedError(f"upload {self.upload_id}", "cancelled"))
        await self._client._request("file_upload_cancel", {"upload_id": self.upload_id})

    async def _run(self) -> None:
        retries = 0
        try:
            while not self._done.done():
                before = len(self._received)
                try:
                    await self._client._connected()
                    await self._send_missing()
                    await self._client._lost_or(self._done)
                except (ConnectionLostError, NotConnectedError):
                    pass
                except ServerError as error:
                    # What is behind the server restarts, or is short of something.
                    retries = retries + 1 if len(self._received) <= before else 1
                    if error.code != "UNAVAILABLE" or retries > MAX_RETRIES:
                        raise
                    await asyncio.sleep(RETRY_SECONDS)
        except Exception as error:
            self._fail(error)
        finally:
            if self._owns_file:
                self._file.close()

    async def _send_missing(self) -> None:
        if self._known:
            ready = await self._client._request("file_upload_resume", {"upload_id": self.upload_id})
        else:
            ready = await self._client._request("file_upload_start", self._start, id=self.upload_id)
        self._known = True
        if ready["type"] == "file_upload_complete":
            return
        data = ready["data"]
        self._received = {index for first, last in data["received"] for index in range(first, last + 1)}
        self._progress(len(self._received))
        window = asyncio.Semaphore(data["window"])
        sending: List[asyncio.Task[None]] = []
        try:
            for index in range(data["total_chunks"]):
                if index in self._received:
                    continue
                await self._running.wait()
                await window.acquire()
                if any(task.done() and task.exception() for task in sending):
                    break
                sending = [task for task in sending if not task.done()]
                sending.append(asyncio.ensure_future(self._send_chunk(index, window)))
            await asyncio.gather(*sending)
        finally:
            for task in sending:
                task.cancel()

    async def _send_chunk(self, index: int, window: asyncio.Semaphore) -> None:
        try:
            self._file.seek(index * self._chunk_size)
            data = self._file.read(self._chunk_size)
            chunk: Dict[str, Any] = {"upload_id": self.upload_id, "chunk_index": index, "total_chunks": self.total_chunks,
                                     "checksum": hashlib.sha256(data).hexdigest()}
            message: Message = {"type": "file_chunk", "id": new_id("chunk"), "data": chunk}
            for attempt in range(3):
                try:
                    await self._client._send_chunk(message, data)
                    break
                except ServerError as error:
                    if error.code != "CHECKSUM_MISMATCH" or attempt == 2:
                        raise
            self._received.add(index)
            self._progress(len(self._received))
        finally:
            window.release()

    def _progress(self, received: int) -> None:
        self.received_chunks = received
        if self._on_progress is not None:
            self._on_progress(min(received * self._chunk_size, self.size), self.size)

    def _on_complete(self, data: Dict[str, Any]) -> None:
        if not self._done.done():
            self._done.set_result(data)
        self._statuses.put({"processing_status": data["processing_status"], "file_id": data["file_id"]})

    def _on_status_message(self, data: Dict[str, Any]) -> None:
        self._statuses.put(data)

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)
        self._statuses.close(error)


def encode_text(message: Message, data: bytes) -> Message:
    """The chunk as a text message."""
    return {**message, "data": {**message["data"], "data": base64.b64encode(data).decode("ascii")}}


def encode_binary(message: Message, data: bytes) -> bytes:
    """The chunk as a binary frame: the envelope's length, the envelope, the bytes."""
    envelope = json.dumps(message, separators=(",", ":")).encode()
    return struct.pack(">I", len(envelope)) + envelope + data
