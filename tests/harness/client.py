"""A thin client over the `websockets` library. Every message that arrives is checked against its schema."""

import asyncio
import itertools
import json
import urllib.parse

import websockets
import websockets.asyncio.client

from harness import schemas
from harness.process import TIMEOUT


class Connecting:
    """Both awaitable and an async context manager, as websockets.connect is."""

    def __init__(self, url, token=None, api_key=None, query=None, headers=None, ack=True, **options):
        query = dict(query or {})
        if api_key is not None:
            query["api_key"] = api_key
        if token is not None:
            query["token"] = token
        self._url = url + ("?" + urllib.parse.urlencode(query) if query else "")
        self._options = {
            "additional_headers": headers or {},
            "compression": None,
            "max_size": None,
            "ping_interval": None,
            "close_timeout": TIMEOUT,
            "open_timeout": TIMEOUT,
            "proxy": None,
        } | options
        self._ack = ack
        self._client = None

    def __await__(self):
        return self._connect().__await__()

    async def _connect(self):
        self._client = Client(await websockets.asyncio.client.connect(self._url, **self._options))
        if self._ack:
            self._client.ack = await self._client.expect("connection_ack")
        return self._client

    async def __aenter__(self):
        return await self._connect()

    async def __aexit__(self, *_):
        await self._client.close()


class Client:
    """One connection. Messages wait in `inbox`, in the order of their arrival, until a test takes them."""

    _ids = itertools.count(1)

    def __init__(self, ws):
        self.ws = ws
        self.ack = None
        self.inbox = []
        self._changed = asyncio.Condition()
        self._cursors = []  # Of those who wait in `take`.
        self._broken = None  # What the reader found wrong.
        self._ended = False
        self._reader = asyncio.create_task(self._read())

    async def _read(self):
        try:
            async for text in self.ws:
                assert isinstance(text, str), "the server sent a binary message"
                message = json.loads(text)
                schemas.check(message)
                async with self._changed:
                    self.inbox.append(message)
                    self._changed.notify_all()
        except websockets.ConnectionClosed:
            pass
        except Exception as error:
            self._broken = error
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def session_id(self):
        return self.ack["data"]["session_id"]

    async def send(self, kind, data=None, *, id=None, metadata=None):
        """Sends one message and returns its id."""
        id = id if id is not None else f"c{next(self._ids)}"
        message = {"type": kind, "id": id}
        if data is not None:
            message["data"] = data
        if metadata is not None:
            message["metadata"] = metadata
        await self.ws.send(json.dumps(message))
        return id

    async def take(self, wanted, what, timeout=TIMEOUT):
        """Takes the first message for which `wanted` is true, now or later."""
        async with self._changed:
            cursor = [0]  # What comes before was looked at.
            self._cursors.append(cursor)
            try:
                async with asyncio.timeout(timeout):
                    while True:
                        while cursor[0] < len(self.inbox):
                            if wanted(self.inbox[cursor[0]]):
                                return self._pop(cursor[0])
                            cursor[0] += 1
                        if self._broken:
                            raise self._broken
                        if self._ended:
                            raise AssertionError(f"closed ({self.ws.close_code} {self.ws.close_reason}) while waiting for {what}; have {self.inbox[-5:]}")
                        await self._changed.wait()
            except TimeoutError:
                raise AssertionError(f"no {what} within {timeout} s; have {self.inbox[-5:]}") from None
            finally:
                self._cursors = [other for other in self._cursors if other is not cursor]

    def _pop(self, position):
        """Others may be looking, too: they stay where they are."""
        for cursor in self._cursors:
            if cursor[0] > position:
                cursor[0] -= 1
        return self.inbox.pop(position)

    async def expect(self, kind, in_reply_to=None, timeout=TIMEOUT, **data):
        """Takes the next message of this type, to this request, with these members of `data`."""

        def wanted(message):
            return (
                message["type"] == kind
                and (in_reply_to is None or message.get("metadata", {}).get("in_reply_to") == in_reply_to)
                and all(message["data"].get(name) == value for name, value in data.items())
            )

        return await self.take(wanted, f"{kind} {in_reply_to or ''} {data or ''}", timeout)

    async def reply(self, id, timeout=TIMEOUT):
        """Takes whatever answers this request."""
        return await self.take(lambda m: m.get("metadata", {}).get("in_reply_to") == id, f"reply to {id}", timeout)

    async def request(self, kind, data=None, **options):
        """Sends, and returns whatever answers."""
        return await self.reply(await self.send(kind, data, **options))

    async def error(self, kind, data=None, **options):
        """Sends what must fail, and returns the error's data."""
        message = await self.request(kind, data, **options)
        assert message["type"] == "error", message
        assert message["data"]["original_message_id"] == message["metadata"]["in_reply_to"]
        return message["data"]

    async def join(self, room, **options):
        message = await self.request("join_room", {"room_id": room, **({"options": options} if options else {})})
        assert message["type"] == "room_joined", message
        return message["data"]

    async def leave(self, room):
        message = await self.request("leave_room", {"room_id": room})
        assert message["type"] == "room_left", message
        return message["data"]

    async def publish(self, room, payload, event_type="note", metadata=None, **data):
        """Sends to a room and returns the acknowledgement's data."""
        message = await self.request(
            "room_message", {"room_id": room, "event_type": event_type, "payload": payload, **data}, metadata=metadata
        )
        assert message["type"] == "room_message_ack", message
        return message["data"]

    async def event(self, room=None, timeout=TIMEOUT):
        """Takes the next message of a room, presence aside."""
        return await self.take(
            lambda m: m["type"] == "room_event"
            and m["data"]["event_type"] != "user_activity"
            and room in (None, m["data"]["room_id"]),
            f"event of {room}",
            timeout,
        )

    async def events(self, room, count):
        return [await self.event(room) for _ in range(count)]

    async def presence(self, room, timeout=TIMEOUT):
        """Takes the next presence payload of a room."""
        message = await self.expect("room_event", room_id=room, event_type="user_activity", timeout=timeout)
        return message["data"]["payload"]

    async def closed(self, timeout=TIMEOUT):
        """Waits for the connection's end and returns (code, reason)."""
        async with self._changed:
            try:
                async with asyncio.timeout(timeout):
                    await self._changed.wait_for(lambda: self._ended)
            except TimeoutError:
                raise AssertionError(f"still open after {timeout} s; have {self.inbox[-5:]}") from None
        if self._broken:
            raise self._broken
        return self.ws.close_code, self.ws.close_reason

    async def close(self):
        await self.ws.close()
        await asyncio.wait_for(self._reader, 2 * TIMEOUT)
        if self._broken:
            raise self._broken

    def abort(self):
        """Breaks the TCP connection without a closing handshake."""
        self.ws.transport.abort()
