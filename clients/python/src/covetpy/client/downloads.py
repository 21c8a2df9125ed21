"""Files on their way from the server."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import socket
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Dict, Optional, Union
from urllib.parse import urlsplit

from covetpy.client.errors import LOST, CovetError, DownloadError, ServerError

if TYPE_CHECKING:
    from covetpy.client.client import WebSocketClient

PART_BYTES = 64 << 10
# Silence that ends a request, which is then made again.
SILENCE_SECONDS = 30.0

# Of a link that was asked for: the connection, or what is behind the server, may be back soon.
_PASSING = frozenset({"UNAVAILABLE", "RPC_TIMEOUT"})

_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")


class Download:
    """Made by `WebSocketClient.download`: `async for part in download`, `await download.read()` or
    `await download.save(path)`, once. Over broken connections it goes on where it was, with `Range`, as long as the file is
    the same."""

    def __init__(self, client: WebSocketClient, file: str, offset: int,
                 on_progress: Optional[Callable[[int, Optional[int]], Any]]) -> None:
        self._client = client
        self._file = file
        self._at = offset
        self._etag: Optional[str] = None
        self._on_progress = on_progress
        self.size: Optional[int] = None
        """Bytes in all, once the first have come and if the server tells."""
        self.mimetype: Optional[str] = None
        """What the server says that the file is, once the first bytes have come."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Parts as they come. Raises DownloadError; ServerError if there is no such file."""
        is_link = self._file.startswith(("http://", "https://"))
        url = self._file if is_link else None
        failures = 0
        while True:
            before = self._at
            try:
                if url is None:
                    url = await self._fresh_link()
                async for part in self._parts(url):
                    yield part
                return
            except DownloadError as error:
                if error.status == 403 and not is_link:
                    url = None  # The link has ended; the file need not have.
                elif error.status not in (None, 503):
                    raise
                failed = error
            except (*LOST, ServerError, OSError, http.client.HTTPException) as error:
                if isinstance(error, ServerError) and error.code not in _PASSING:
                    raise
                failed = DownloadError("no connection to the file")
                failed.__cause__ = error
            failures = failures + 1 if self._at <= before else 1
            await self._client._back_off(failures, failed)

    async def read(self) -> bytes:
        """All of it."""
        return b"".join([part async for part in self])

    async def save(self, path: Union[str, "os.PathLike[str]"]) -> int:
        """Writes all of it to a file and returns the number of bytes."""
        written = 0
        with open(path, "wb") as file:
            async for part in self:
                written += await asyncio.to_thread(file.write, part)
        return written

    async def _fresh_link(self) -> str:
        await self._client._session.when_connected()
        url: str = (await self._client.call("files.get", {"file_id": self._file}))["url"]
        return url

    async def _parts(self, url: str) -> AsyncIterator[bytes]:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=SILENCE_SECONDS)
        headers: Dict[str, str] = {}
        if self._at > 0:
            headers["Range"] = f"bytes={self._at}-"
            if self._etag is not None:
                headers["If-Range"] = self._etag
        opened: Optional[socket.socket] = None
        try:
            await asyncio.to_thread(connection.connect)
            opened = connection.sock
            await asyncio.to_thread(connection.request, "GET", f"{parts.path}?{parts.query}", None, headers)
            response = await asyncio.to_thread(connection.getresponse)
            if not self._begin(response):
                return
            while part := await asyncio.to_thread(response.read1, PART_BYTES):
                self._at += len(part)
                if self._on_progress is not None:
                    self._client._callback(self._on_progress, self._at, self.size)
                yield part
            if self.size is not None and self._at < self.size:
                raise DownloadError("the connection ended before the file")
        finally:
            if opened is not None:
                # Wakes a thread that still reads.
                try:
                    opened.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            connection.close()

    def _begin(self, response: http.client.HTTPResponse) -> bool:
        """False if there is nothing to come."""
        told = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if response.status == 416 and told is not None and int(told.group(2)) == self._at:
            self.size = self._at
            return False
        if response.status not in (200, 206):
            raise DownloadError(f"the server answered HTTP {response.status}", response.status)
        if self._at > 0 and (response.status != 206 or told is None or told.group(1) != str(self._at)):
            raise DownloadError("the file is not the same any more", response.status)
        self._etag = response.headers.get("ETag")
        self.mimetype = response.headers.get("Content-Type")
        length = response.headers.get("Content-Length")
        self.size = int(told.group(2)) if told is not None else int(length) if length is not None else None
        return True
