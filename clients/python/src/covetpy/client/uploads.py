"""Files on their way to the server."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import mimetypes
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, Generator, Mapping, Optional, Set

from covetpy.client._connection import Message, new_id
from covetpy.client._mailbox import Feed
from covetpy.client._source import Source
from covetpy.client._upload_source import UploadSource, chunks_of
from covetpy.client.errors import LOST, CovetError, EndedError, RequestTimeoutError, ServerError

if TYPE_CHECKING:
    from covetpy.client.client import WebSocketClient

DEFAULT_CHUNK_BYTES = 256 << 10
MAX_WAITING = 1000
CHECKSUM_TRIES = 3
# A chunk has a slow way up.
CHUNK_SECONDS = 60.0


@dataclass(frozen=True)
class UploadResult:
    """A file that is kept."""

    upload_id: str
    """The upload's id."""
    file_id: str
    """The file's id, for `download` and `files.get`."""
    url: str
    """Where it can be downloaded for a while; `download` makes a fresh one."""
    processing_status: str
    """`queued` at first; the event `status` tells how it goes on."""


@dataclass(frozen=True)
class Progress:
    """How far an upload is."""

    sent: int
    """Bytes that the server has on its disk."""
    total: int
    """Bytes in all."""


@dataclass(frozen=True)
class FileStatus:
    """How the server's processing goes on, once the file is kept."""

    processing_status: str
    """`queued`, `processing`, `completed` or `failed`."""
    file_id: str
    """The file's id."""
    details: Optional[Mapping[str, Any]] = None
    """`sha256` and `detected_type` when completed, or why it failed."""


class Upload(Source):
    """Made by `WebSocketClient.upload`; awaiting it gives an UploadResult once the file is kept, and raises EndedError after
    `cancel`, ServerError if the server refuses it, SourceError if it cannot be read, and ConnectionLostError if the server
    has closed for what was sent (1002, 1007, 1008, 1009). Goes on over reconnects with the chunks that the server lacks, and
    whether it is awaited or not; cancelling a task that awaits it cancels it.

    Events, for `on`: `progress` (a Progress), `status` (a FileStatus).
    """

    def __init__(self, client: WebSocketClient, source: UploadSource, *, filename: Optional[str], mimetype: Optional[str],
                 size: Optional[int], chunk_size: Optional[int], metadata: Optional[Mapping[str, Any]],
                 upload_id: Optional[str], on_progress: Optional[Callable[[int, int], Any]]) -> None:
        self._progress: Feed[Progress] = Feed(MAX_WAITING)
        self._statuses: Feed[FileStatus] = Feed(MAX_WAITING)
        super().__init__({"progress": self._progress, "status": self._statuses})
        self._client = client
        self._chunk_size = chunk_size or min(DEFAULT_CHUNK_BYTES, client.limits.get("chunk_bytes", DEFAULT_CHUNK_BYTES))
        self._chunks = chunks_of(source, self._chunk_size, size)
        self._on_progress = on_progress
        self.size = self._chunks.size
        """Bytes in all."""
        self.upload_id = upload_id or new_id("upload")
        """By which it can be gone on with, later and elsewhere, by the same user."""
        self.total_chunks = -(-self.size // self._chunk_size)
        """Chunks in all."""
        name = filename or self._chunks.name or "file"
        self._start: Dict[str, Any] = {"filename": name, "size": self.size, "chunk_size": self._chunk_size}
        guessed = mimetype or mimetypes.guess_type(name)[0]
        if guessed:
            self._start["mimetype"] = guessed
        if metadata is not None:
            self._start["metadata"] = dict(metadata)
        self._received: Set[int] = set()
        self._told = 0  # Bytes, as progress.
        self._known = False  # The server has answered the start.
        self._going = asyncio.Event()
        self._going.set()
        loop = asyncio.get_running_loop()
        self._done: asyncio.Future[UploadResult] = loop.create_future()
        # Somebody who only listens for statuses need not await it.
        self._done.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Nothing more of it is to be told.
        self._processed: asyncio.Future[None] = loop.create_future()
        self._task = loop.create_task(self._run())

    def __await__(self) -> Generator[Any, None, UploadResult]:
        # A future of its own, since others may await it too. `asyncio.shield` would log, from Python 3.13.4 on, how the upload
        # ends once whoever awaits it is cancelled.
        waiter: asyncio.Future[UploadResult] = asyncio.get_running_loop().create_future()

        def tell(done: asyncio.Future[UploadResult]) -> None:
            if waiter.done():
                return
            error = done.exception()
            waiter.set_result(done.result()) if error is None else waiter.set_exception(error)

        self._done.add_done_callback(tell)
        try:
            return (yield from waiter.__await__())
        except asyncio.CancelledError:
            if self._give_up():
                self._client._spawn(self._cancel_quietly())
            raise

    def pause(self) -> None:
        """No further chunk is begun."""
        self._going.clear()

    def resume(self) -> None:
        """Goes on after `pause`."""
        self._going.set()

    async def cancel(self) -> None:
        """Gives the upload up, here at once, and at the server; awaiting it raises EndedError."""
        if self._give_up():
            await self._cancel_at_server()

    def _give_up(self) -> bool:
        """Whether there was anything to give up."""
        if self._done.done():
            return False
        self._fail(EndedError(f"upload {self.upload_id}", "cancelled"))
        return True

    async def _cancel_quietly(self) -> None:
        """For those who no longer wait."""
        with contextlib.suppress(CovetError):
            await self._cancel_at_server()

    async def _cancel_at_server(self) -> None:
        while await self._client._session.when_connected():
            try:
                await self._client._request("file_upload_cancel", {"upload_id": self.upload_id})
                return
            except LOST:
                pass
            except ServerError as error:
                if error.code != "NOT_FOUND":  # It has never heard of it.
                    raise
                return

    async def _run(self) -> None:
        failures = 0
        try:
            while not self._processed.done():
                if not await self._client._session.when_connected() or self._processed.done():
                    break
                before = len(self._received)
                try:
                    await self._send_missing()
                    await self._client._session.lost_or(self._processed)
                except LOST:
                    pass
                except (RequestTimeoutError, ServerError) as error:
                    if not _is_passing(error):
                        raise
                    failures = failures + 1 if len(self._received) <= before else 1
                    await self._client._back_off(failures, error)
        except Exception as error:  # Of metadata that cannot be sent, too.
            self._fail(error)
        finally:
            self._close_feeds()
            await self._chunks.close()

    async def _send_missing(self) -> None:
        if self._known:
            ready = await self._client._request("file_upload_resume", {"upload_id": self.upload_id})
        else:
            ready = await self._client._request("file_upload_start", self._start, id=self.upload_id)
        self._known = True
        if ready["type"] == "file_upload_complete" or self._done.done():
            return
        data = ready["data"]
        self._received = {index for first, last in data["received"] for index in range(first, last + 1)}
        for index in self._received:
            self._chunks.done(index)
        self._tell_progress()
        missing = iter([index for index in range(self.total_chunks) if index not in self._received])

        async def work() -> None:
            try:
                for index in missing:
                    await self._going.wait()
                    await self._send_chunk(index)
            except Exception:
                stop()
                raise

        def stop(_: object = None) -> None:
            for worker in workers:
                if worker is not asyncio.current_task():
                    worker.cancel()

        workers = [asyncio.get_running_loop().create_task(work()) for _ in range(data["window"])]
        # A source may be slower than the end.
        self._processed.add_done_callback(stop)
        try:
            for result in await asyncio.gather(*workers, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result
        finally:
            self._processed.remove_done_callback(stop)

    async def _send_chunk(self, index: int) -> None:
        data = await self._chunks.read(index, self._received)
        chunk: Dict[str, Any] = {"upload_id": self.upload_id, "chunk_index": index, "total_chunks": self.total_chunks,
                                 "checksum": hashlib.sha256(data).hexdigest()}
        for attempt in range(1, CHECKSUM_TRIES + 1):
            message: Message = {"type": "file_chunk", "id": new_id("chunk"), "data": chunk}
            try:
                if "binary_chunks" in self._client.capabilities:
                    await self._client._session.ask(message, CHUNK_SECONDS, encode_binary(message, data))
                else:
                    await self._client._session.ask(encode_text(message, data), CHUNK_SECONDS)
                break
            except ServerError as error:
                if error.code != "CHECKSUM_MISMATCH" or attempt == CHECKSUM_TRIES:
                    raise
        self._chunks.done(index)
        self._received.add(index)
        self._tell_progress()

    def _tell_progress(self) -> None:
        if self._done.done():
            return
        short = self.total_chunks * self._chunk_size - self.size if self.total_chunks - 1 in self._received else 0
        self._tell(len(self._received) * self._chunk_size - short)

    def _tell(self, sent: int) -> None:
        self._told = sent
        self._progress.put(Progress(sent, self.size))
        if self._on_progress is not None:
            self._client._callback(self._on_progress, sent, self.size)

    # What the client tells it.

    def _on_complete(self, data: Dict[str, Any]) -> None:
        if not self._done.done():
            # It may come before the last acknowledgements are heard of.
            if self._told < self.size:
                self._tell(self.size)
            self._done.set_result(UploadResult(data["upload_id"], data["file_id"], data["url"], data["processing_status"]))
        self._on_status(data)

    def _on_status(self, data: Dict[str, Any]) -> None:
        self._statuses.put(FileStatus(data["processing_status"], data["file_id"], data.get("details")))
        if data["processing_status"] in ("completed", "failed"):
            self._over()

    def _on_error(self, error: ServerError) -> None:
        """An error that nobody waits for tells of it: what has ended it, or an answer that comes late."""
        if not _is_passing(error):
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)
        self._over()

    def _over(self) -> None:
        if not self._processed.done():
            self._processed.set_result(None)


def _is_passing(error: CovetError) -> bool:
    """Whether it is worth another try."""
    if not isinstance(error, ServerError):
        return isinstance(error, RequestTimeoutError)  # The connection stalls.
    # What is behind the server restarts, or is short of something; or the start that was sent before is not answered yet.
    return error.code == "UNAVAILABLE" or error.code == "CONFLICT" and error.details.get("field") == "id"


def encode_text(message: Message, data: bytes) -> Message:
    """The chunk as a text message."""
    return {**message, "data": {**message["data"], "data": base64.b64encode(data).decode("ascii")}}


def encode_binary(message: Message, data: bytes) -> bytes:
    """The chunk as a binary frame: the envelope's length, the envelope, the bytes."""
    envelope = json.dumps(message, separators=(",", ":")).encode()
    return struct.pack(">I", len(envelope)) + envelope + data
