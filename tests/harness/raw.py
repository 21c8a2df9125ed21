"""A socket below the WebSocket library, for what no well-behaved client sends."""

import base64
import contextlib
import json
import os
import socket
import time

from websockets.frames import Frame, Opcode

from harness import schemas
from harness.process import TIMEOUT


class RawConnection:
    """Blocking; each thing that is read must be there within TIMEOUT, whatever else keeps coming meanwhile.

    Frames are built by the websockets library's own serialiser unless a test writes bytes.
    """

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._deadline = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def write(self, data):
        self.socket.sendall(data)

    def upgrade(self, target="/ws", headers=()):
        """Sends an upgrade request; returns the status and the head of the answer."""
        lines = [f"GET {target} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(), *headers]
        return self.http("\r\n".join(lines) + "\r\n\r\n")

    def http(self, request):
        """Sends a request as it is; returns (status, head) of the answer, (None, '') if the server just closed."""
        self.write(request.encode() if isinstance(request, str) else request)
        head = self.read_until(b"\r\n\r\n")
        if head is None:
            return None, ""
        text = head.decode("latin-1")
        return int(text.split(" ", 2)[1]), text

    def read_until(self, mark):
        """What comes before `mark`; None if the server closes first."""
        with self._limit(repr(mark)):
            while mark not in self._buffer:
                data = self._receive()
                if not data:
                    return None
                self._buffer += data
        head, self._buffer = self._buffer.split(mark, 1)
        return head

    @contextlib.contextmanager
    def _limit(self, what):
        """All of the block must be done within TIMEOUT; the outermost block counts."""
        if self._deadline is not None:
            yield
            return
        self._deadline = time.monotonic() + TIMEOUT
        try:
            yield
        except TimeoutError:
            raise AssertionError(f"no {what} within {TIMEOUT} s; have {self._buffer[:200]!r}") from None
        finally:
            self._deadline = None
            self.socket.settimeout(TIMEOUT)

    def _receive(self):
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self.socket.settimeout(remaining)
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""

    def _take(self, count):
        while len(self._buffer) < count:
            data = self._receive()
            if not data:
                raise EOFError
            self._buffer += data
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def send_frame(self, opcode, data, fin=True):
        self.write(Frame(opcode, data, fin).serialize(mask=True))

    def send_json(self, message):
        self.send_frame(Opcode.TEXT, json.dumps(message).encode())

    def read_frame(self):
        """(opcode, payload) of the next frame; EOFError when the server has closed the socket."""
        with self._limit("frame"):
            first, second = self._take(2)
            assert second < 128, "the server masked a frame"
            length = second
            if length == 126:
                length = int.from_bytes(self._take(2), "big")
            elif length == 127:
                length = int.from_bytes(self._take(8), "big")
            return first & 15, self._take(length)

    def read_message(self):
        """The next JSON message, checked; pings are left unanswered."""
        with self._limit("message"):
            while True:
                opcode, payload = self.read_frame()
                if opcode == Opcode.TEXT:
                    message = json.loads(payload)
                    schemas.check(message)
                    return message
                assert opcode == Opcode.PING, f"frame {opcode} {payload!r} while waiting for a message"

    def read_close(self):
        """Reads on to the close frame and returns its code; 1006 if the socket ends without one."""
        with self._limit("close frame"):
            while True:
                try:
                    opcode, payload = self.read_frame()
                except EOFError:
                    return 1006
                if opcode == Opcode.CLOSE:
                    return int.from_bytes(payload[:2], "big")
