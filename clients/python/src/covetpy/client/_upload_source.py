"""What uploads read from, chunk by chunk."""

from __future__ import annotations

import asyncio
import io
import os
from typing import AbstractSet, AsyncIterable, AsyncIterator, BinaryIO, Dict, Optional, Protocol, Union

from covetpy.client.errors import SourceError

UploadSource = Union[bytes, bytearray, memoryview, str, "os.PathLike[str]", BinaryIO, AsyncIterable[bytes]]

PART_BYTES = 64 << 10


class Chunks(Protocol):
    size: int
    name: str

    async def read(self, index: int, received: AbstractSet[int]) -> bytes:
        """The bytes of a chunk; none of `received` will be read any more. Raises SourceError."""

    def done(self, index: int) -> None:
        """It will not be read again."""

    async def close(self) -> None:
        """No more is read."""


def chunks_of(source: UploadSource, chunk_size: int, size: Optional[int]) -> Chunks:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return FileChunks(io.BytesIO(source), chunk_size, owned=True)
    if isinstance(source, (str, os.PathLike)):
        return FileChunks(open(source, "rb"), chunk_size, owned=True)
    if not isinstance(source, AsyncIterable) and source.seekable():
        return FileChunks(source, chunk_size, owned=False)
    if size is None:
        raise ValueError("the size of a stream must be told: upload(stream, size=…)")
    parts = source if isinstance(source, AsyncIterable) else _parts_of(source)
    return StreamChunks(parts, chunk_size, size)


class FileChunks:
    """A seekable file, which is read in a thread if it may take a while."""

    def __init__(self, file: BinaryIO, chunk_size: int, *, owned: bool) -> None:
        self._file = file
        self._chunk_size = chunk_size
        self._owned = owned
        self._lock = asyncio.Lock()
        self.size = file.seek(0, os.SEEK_END)
        name = getattr(file, "name", "")
        self.name = os.path.basename(name) if isinstance(name, str) else ""

    async def read(self, index: int, received: AbstractSet[int]) -> bytes:
        async with self._lock:
            try:
                if isinstance(self._file, io.BytesIO):
                    return self._read(index)
                return await asyncio.to_thread(self._read, index)
            except (OSError, ValueError) as error:
                raise SourceError("the file cannot be read any more") from error

    def done(self, index: int) -> None:
        pass

    async def close(self) -> None:
        if self._owned:
            async with self._lock:
                self._file.close()

    def _read(self, index: int) -> bytes:
        self._file.seek(index * self._chunk_size)
        data = self._file.read(self._chunk_size)
        _check_bytes(data)
        if len(data) != min(self._chunk_size, self.size - index * self._chunk_size):
            raise SourceError("the file has become shorter")
        return data


class StreamChunks:
    def __init__(self, parts: AsyncIterable[bytes], chunk_size: int, size: int) -> None:
        self._parts: AsyncIterator[bytes] = parts.__aiter__()
        self._chunk_size = chunk_size
        self._lock = asyncio.Lock()
        self._kept: Dict[int, bytes] = {}
        self._rest = bytearray()  # What was read, and belongs to chunks to come.
        self._next = 0
        self.size = size
        self.name = ""

    async def read(self, index: int, received: AbstractSet[int]) -> bytes:
        async with self._lock:
            while self._next <= index:
                begin = self._next * self._chunk_size
                end = min(begin + self._chunk_size, self.size)
                await self._fill(end - begin)
                if end == self.size:
                    await self._check_end(end - begin)
                if self._next not in received:
                    self._kept[self._next] = bytes(self._rest[:end - begin])
                del self._rest[:end - begin]
                self._next += 1
            if index not in self._kept:
                raise SourceError("a stream cannot be read twice, and the server lacks what it has already had")
            return self._kept[index]

    def done(self, index: int) -> None:
        self._kept.pop(index, None)

    async def close(self) -> None:
        self._kept.clear()
        end = getattr(self._parts, "aclose", None)
        if end is not None:
            async with self._lock:
                await end()

    async def _pull(self) -> Optional[bytes]:
        try:
            part = await self._parts.__anext__()
        except StopAsyncIteration:
            return None
        except Exception as error:
            raise SourceError("the stream has failed") from error
        _check_bytes(part)
        return part

    async def _fill(self, count: int) -> None:
        while len(self._rest) < count:
            part = await self._pull()
            if part is None:
                raise SourceError(f"the stream is shorter than the {self.size} bytes that were told")
            self._rest += part

    async def _check_end(self, count: int) -> None:
        part: Optional[bytes] = b""
        while part is not None and len(self._rest) == count:
            self._rest += part
            part = await self._pull()
        if len(self._rest) != count or part:
            raise SourceError(f"the stream is longer than the {self.size} bytes that were told")


def _check_bytes(data: object) -> None:
    """A file that was opened for text does not give any."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise SourceError(f"the source gives {type(data).__name__} where bytes should be")


async def _parts_of(file: BinaryIO) -> AsyncIterator[bytes]:
    while part := await asyncio.to_thread(file.read, PART_BYTES):
        yield part
