"""A TCP proxy between a client and covetd that cuts, stalls and refuses, on command, counts WebSocket messages, and fails if
one that a client sends is not as its schema says."""

import asyncio
import math
import socket

from harness.process import TIMEOUT
from harness.sent import Sent

CLIENT, SERVER = "client", "server"  # Who sends.
OTHER = {CLIENT: SERVER, SERVER: CLIENT}


HEAD_END = b"\r\n\r\n"
READ_BYTES = 65536


def _close_frame(code, reason):
    payload = code.to_bytes(2, "big") + reason.encode()
    return bytes([0x88, len(payload)]) + payload


class Messages:
    """Finds where WebSocket messages end in what one side sends, from its HTTP head on."""

    def __init__(self):
        self._head = b""
        self._upgraded = False
        self._header = b""  # Of the frame that is begun.
        self._left = 0  # Bytes of its payload to come.
        self._ends = False  # Whether it ends a message.
        self.closed = False  # Whether a close frame has come.

    def split(self, data):
        """Pieces of `data`, in order, each with whether a message ends with it."""
        at = 0
        if not self._upgraded:
            self._head += data
            end = self._head.find(HEAD_END)
            if end < 0:
                return [(data, False)]
            at = len(data) - (len(self._head) - end - 4)
            self._upgraded = True
        pieces, begin = [], 0
        while at < len(data):
            if self._left:
                passed = min(self._left, len(data) - at)
                self._left -= passed
                at += passed
            else:
                self._header += data[at : at + 1]
                at += 1
                if not self._frame_begins():
                    continue
            if not self._left and self._ends:
                pieces.append((data[begin:at], True))
                begin = at
                self._ends = False
        if begin < len(data):
            pieces.append((data[begin:], False))
        return pieces

    def _frame_begins(self):
        """Whether the frame's header is whole."""
        header = self._header
        if len(header) < 2:
            return False
        short = header[1] & 0x7F
        extended = {126: 2, 127: 8}.get(short, 0)
        masked = 4 if header[1] & 0x80 else 0
        if len(header) < 2 + extended + masked:
            return False
        self._left = int.from_bytes(header[2 : 2 + extended], "big") if extended else short
        # Continuations end messages too; pings, pongs and closes are none.
        self._ends = bool(header[0] & 0x80) and header[0] & 0x0F < 8
        self.closed |= header[0] & 0x0F == 8
        self._header = b""
        return True


class Pair:
    """One connection, both halves."""

    def __init__(self, client, server):
        self.writers = {CLIENT: client, SERVER: server}
        self.ended = False  # By close_with.
        # Whether what each sends passes.
        self.going = {CLIENT: asyncio.Event(), SERVER: asyncio.Event()}
        self.go()

    def go(self):
        for going in self.going.values():
            going.set()

    def abort(self):
        for writer in self.writers.values():
            writer.transport.abort()


class Proxy:
    """`async with Proxy(address) as proxy`: `proxy.ws_url` leads to `address` (host:port)."""

    def __init__(self, address, narrow=False, wrong=None):
        """`narrow`: the kernel keeps little of what the server sends and nobody reads. `wrong`: what stands in messages that a
        client is made to send though they are not as their schemas say."""
        host, _, port = address.rpartition(":")
        self._target = (host, int(port))
        self._narrow = narrow
        self._wrong = wrong
        self._pairs = set()
        self._refusing = False
        self._refusals = []
        self._stalled = False
        self._cut_after = {}
        self._stall_after = {}
        self._stall_at = {}  # Of `bytes`.
        self.accepted_at = []  # On the loop's clock.
        self._changed = asyncio.Condition()
        self.messages = {CLIENT: 0, SERVER: 0}  # Passed, by who has sent them.
        self.bytes = {CLIENT: 0, SERVER: 0}
        self.cuts = 0  # By cut_after.
        self.sent = []  # Of each connection, what its client has sent.
        self.closed = set()  # Who has begun to close a connection, or answered a close.

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, kind, *_):
        self.cut()
        self._server.close()
        problems = [problem for sent in self.sent for problem in sent.problems if not self._wrong or self._wrong not in problem]
        assert kind or not problems, "\n".join(problems)

    @property
    def accepted(self):
        return len(self.accepted_at)

    @property
    def address(self):
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def ws_url(self):
        return f"ws://{self.address}/ws"

    async def until(self, condition):
        """Until it holds; asked after each connection that is accepted, or has ended, at each side's first close,
        and when stall_after stalls."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(condition), 2 * TIMEOUT)

    def cut(self):
        """Ends every connection without a word."""
        for pair in list(self._pairs):
            pair.abort()

    def close_with(self, code, reason=""):
        """Ends every connection as a server does that closes with this code: between its messages, so when it is silent."""
        for pair in list(self._pairs):
            pair.ended = True
            pair.writers[CLIENT].write(_close_frame(code, reason))
            pair.writers[CLIENT].write_eof()
            pair.writers[SERVER].transport.abort()
            pair.go()

    def cut_after(self, sender, count):
        """Once the sender's message number `count` from now has reached the other side, its connection ends, and nothing more
        of the other side's gets through."""
        self._cut_after = {sender: self.messages[sender] + count}

    def refuse(self, refusing=True):
        """New connections end at once."""
        self._refusing = refusing

    def refuse_with(self, code, reason="", count=1):
        """So many new connections are closed with this code once the server has taken them, before its first message."""
        self._refusals = [_close_frame(code, reason)] * count

    def stall(self):
        """Nothing passes until go()."""
        self._stalled = True
        self.freeze()

    def stall_after(self, sender, count):
        """Once the sender's message number `count` from now has passed, nothing does until go()."""
        self._stall_after = {sender: self.messages[sender] + count}

    def stall_after_bytes(self, sender, count):
        """Once so many bytes of the sender's next connection have passed, nothing does until go()."""
        self._stall_at = {sender: self.bytes[sender] + count}

    @property
    def stalled(self):
        return self._stalled

    @property
    def connections(self):
        """How many there are."""
        return len(self._pairs)

    def freeze(self, *senders):
        """Nothing of these, or of anybody, passes any more on the connections that there are."""
        for pair in self._pairs:
            for sender in senders or pair.going:
                pair.going[sender].clear()

    def go(self):
        self._stalled = False
        for pair in self._pairs:
            pair.go()

    async def _serve(self, reader, writer):
        self.accepted_at.append(asyncio.get_running_loop().time())
        async with self._changed:
            self._changed.notify_all()
        if self._refusing:
            writer.transport.abort()
            return
        try:
            there_reader, there = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        if self._refusals:
            frame = self._refusals.pop()
            there.write(await reader.readuntil(HEAD_END))
            writer.write(await there_reader.readuntil(HEAD_END) + frame)
            writer.close()
            there.close()
            return
        pair = Pair(writer, there)
        self._pairs.add(pair)
        if self._stalled:
            self.freeze()
        pumps = [asyncio.create_task(self._pump(pair, CLIENT, reader)), asyncio.create_task(self._pump(pair, SERVER, there_reader))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if pair.ended:
                # A socket that is closed with something unread is reset, which may overtake the close frame.
                await asyncio.wait(pumps[:1], timeout=TIMEOUT)
        finally:
            # What was written before one side ended still arrives; nothing else does.
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._pairs.discard(pair)
            for end in pair.writers.values():
                end.close()
            async with self._changed:
                self._changed.notify_all()

    async def _connect(self):
        there = socket.socket()
        if self._narrow:
            there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        there.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(there, self._target)
        except OSError:
            there.close()
            raise
        return await asyncio.open_connection(sock=there)

    async def _pump(self, pair, sender, reader):
        """Until the sender ends, or is cut."""
        messages, writer = Messages(), pair.writers[OTHER[sender]]
        sent = Sent()
        if sender == CLIENT:
            self.sent.append(sent)
        try:
            while data := await reader.read(min(READ_BYTES, self._stall_at.get(sender, math.inf) - self.bytes[sender])):
                if sender == CLIENT:
                    sent.feed(data)
                await pair.going[sender].wait()
                if pair.ended:
                    if sender == SERVER:
                        return
                    continue
                for piece, ends in messages.split(data):
                    if writer.is_closing():
                        return
                    writer.write(piece)
                    self.messages[sender] += ends
                    if ends and self._stall_after.get(sender) == self.messages[sender]:
                        self._stall_after = {}
                        self.stall()
                        async with self._changed:
                            self._changed.notify_all()
                    if ends and self._cut_after.get(sender) == self.messages[sender]:
                        self._cut_after = {}
                        self.cuts += 1
                        await writer.drain()
                        pair.writers[sender].transport.abort()
                        return
                self.bytes[sender] += len(data)
                if self._stall_at.get(sender) == self.bytes[sender]:
                    self._stall_at = {}
                    self.stall()
                await writer.drain()
                if messages.closed and sender not in self.closed:
                    self.closed.add(sender)
                    async with self._changed:
                        self._changed.notify_all()
        except ConnectionError:
            pass
