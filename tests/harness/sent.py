"""What a client sends, read off its connection and held against docs/schemas."""

import json

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from harness import schemas


class Sent:
    """One connection, from its HTTP head on. `problems` has what its text messages do against their schemas."""

    def __init__(self):
        # As covetd negotiates compression.
        deflate = ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)
        self._protocol = ServerProtocol(extensions=[deflate], max_size=None)
        self._parts = []
        self._text = False
        self.messages = 0  # Text messages that were looked at.
        self.problems = []

    def feed(self, data):
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._protocol.send_response(self._protocol.accept(event))
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._frame(event)
        self._protocol.data_to_send()  # The server answers, not this.

    def _frame(self, frame):
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        if not self._text:
            return
        self._parts.append(frame.data)
        if not frame.fin:
            return
        text, self._parts = b"".join(self._parts), []
        self.messages += 1
        try:
            schemas.check(json.loads(text))
        except (AssertionError, ValueError) as problem:
            self.problems.append(str(problem))
