"""A TCP proxy between a client and covetd that cuts, stalls and refuses, on command."""

import asyncio


class Proxy:
    """`async with Proxy(address) as proxy`: `proxy.ws_url` leads to `address` (host:port)."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._target = (host, int(port))
        self._pairs = set()
        self._refusing = False
        self._going = asyncio.Event()
        self._going.set()
        self.accepted = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_):
        self.cut()
        self._server.close()

    @property
    def ws_url(self):
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ws"

    def cut(self):
        """Ends every connection without a word."""
        for pair in list(self._pairs):
            for writer in pair:
                writer.transport.abort()

    def refuse(self, refusing=True):
        """New connections end at once."""
        self._refusing = refusing

    def stall(self):
        """Nothing passes until go()."""
        self._going.clear()

    def go(self):
        self._going.set()

    async def _serve(self, reader, writer):
        self.accepted += 1
        if self._refusing:
            writer.transport.abort()
            return
        try:
            there_reader, there = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, there)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pump(reader, there), self._pump(there_reader, writer))
        finally:
            self._pairs.discard(pair)
            for end in pair:
                end.transport.abort()

    async def _pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                await self._going.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.transport.abort()
