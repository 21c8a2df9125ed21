"""Drives the Python client from outside: commands as lines of JSON on standard input, answers and events on output.
`agent.py FOLDER`, the folder of the library; ends with status 1 if the library has left anything behind."""

import asyncio
import base64
import dataclasses
import datetime
import gc
import hashlib
import io
import json
import os
import sys
import tempfile

sys.path.insert(0, sys.argv[1])

from covetpy.client import Reconnect, SourceError, WebSocketClient  # noqa: E402

# How long what has ended may take to be gone.
SETTLE_SECONDS = 10


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def plain(item):
    return dataclasses.asdict(item) if dataclasses.is_dataclass(item) else item


def describe(error):
    names = ("code", "reason", "details", "status", "close_code", "rate_limit")
    return {"type": type(error).__name__, "message": str(error), "cause": error.__cause__ and repr(error.__cause__),
            **{name: getattr(error, name, None) for name in names}}


async def parts(data):
    # In parts that are no chunks.
    for at in range(0, len(data), 1000):
        yield data[at : at + 1000]


async def text_parts(data):
    async for part in parts(data):
        yield part.decode("latin-1")


# What an argument `{"unsendable": …}` stands for.
UNSENDABLE = {
    "set": {"a"},
    "time": datetime.datetime(2026, 1, 1),
    "nan": float("nan"),
    "infinity": -float("inf"),
    "surrogate": "\ud800",
}


def argument(told):
    return UNSENDABLE[told["unsendable"]] if "unsendable" in told else told


class Pipe(io.RawIOBase):
    """A file that cannot seek."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._data.readinto(buffer)


class Agent:
    def __init__(self):
        self.client = None
        self.rooms, self.subscriptions, self.uploads, self.calls, self.listeners, self.readers = {}, {}, {}, {}, {}, {}
        self.awaiting, self.downloads = {}, {}  # Tasks, by upload and by download.
        self.tasks = set()
        self.faults = []
        self.folder = tempfile.TemporaryDirectory()

    def spawn(self, work):
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def follow(self, source, name, of):
        try:
            async for item in source:
                say({"event": name, "of": of, "item": plain(item)})
                await self.going.wait()
            say({"event": f"{name}_end", "of": of})
        except Exception as error:
            say({"event": f"{name}_end", "of": of, "error": describe(error)})

    def teller(self, name, of=None):
        return lambda item: say({"event": name, "of": of, "item": plain(item)})

    def source(self, kind, data, name):
        if kind in ("path", "file"):
            path = os.path.join(self.folder.name, name)
            with open(path, "wb") as file:
                file.write(data)
            return path if kind == "path" else open(path, "rb")
        if kind == "text_file":
            return io.StringIO(data.decode("latin-1"))
        return {"bytes": bytes, "bytearray": bytearray, "memoryview": memoryview, "iterator": parts, "text_iterator": text_parts,
                "pipe": Pipe}[kind](data)

    async def connect(self, url, tokens=(), api_key=None, reconnect=None, queue_size=100, listen=True):
        tokens = list(tokens)

        def yielding():
            """A list is what a function yields, one after the other, the last one for ever; None is its failure."""
            token = tokens.pop(0) if len(tokens) > 1 else tokens[0]
            say({"event": "token_asked"})
            if token is None:
                raise RuntimeError("no token")
            return token

        token = yielding if len(tokens) > 1 else (tokens or [None])[0]
        self.client = WebSocketClient(url, token=token, api_key=api_key, reconnect=reconnect, queue_size=queue_size)
        self.client.on("connected", lambda: say({"event": "connected"}))
        self.client.on("disconnected", self.teller("disconnected"))
        self.client.on("ended", lambda error: say({"event": "ended", "error": describe(error)}))
        self.client.on("error", lambda error: say({"event": "error", "error": describe(error)}))
        if listen:
            self.client.on("notification", self.teller("notification"))
        self.client.on("notification_read", self.teller("notification_read"))
        await self.client.connect()
        return await self.session()

    async def session(self):
        return {"session_id": self.client.session_id, "user_id": self.client.user_id}

    async def hold(self):
        """Readers take nothing more until `release`."""
        self.going.clear()

    async def release(self):
        self.going.set()

    async def read_notifications(self, name="notification"):
        self.spawn(self.follow(self.client.notifications(), name, None))

    async def waits(self, max_attempts, delay, attempts, close_code=1006):
        """Milliseconds before each attempt."""
        return [Reconnect(max_attempts=max_attempts, delay=delay).wait(attempt, close_code) * 1000 for attempt in attempts]

    async def join(self, room, options=None, quiet=False):
        joined = await self.client.join_room(room, options)
        if quiet:
            # One that reads only what it is told to.
            self.readers[room] = joined.__aiter__()
        if self.rooms.get(room) is not joined:
            self.rooms[room] = joined
            joined.on("gap", self.teller("gap", room))
            joined.on("metrics", self.teller("metrics", room))
            if not quiet:
                self.spawn(self.follow(joined, "room_event", room))
        return {"permissions": joined.permissions, "member_count": joined.member_count}

    async def send(self, room, payload, event_type="note", **options):
        return plain(await self.rooms[room].send(event_type, payload, **options))

    async def read(self, room, count):
        """The offsets of so many events."""
        return [(await self.readers[room].__anext__()).offset for _ in range(count)]

    async def abandon(self, room):
        """Reads on, and stops in the middle."""
        async for _ in self.readers.pop(room):
            break

    async def close_reader(self, room):
        """As `abandon`, but by its own word; it is still held."""
        await self.readers[room].aclose()

    async def listen(self, room):
        self.listeners[room] = self.teller("heard", room)
        self.rooms[room].on("event", self.listeners[room])

    async def unlisten(self, room):
        self.rooms[room].off("event", self.listeners[room])

    async def relisten(self, room):
        self.rooms[room].off("event", self.listeners[room])
        self.rooms[room].on("event", self.listeners[room])
        await asyncio.sleep(0)
        gc.collect()  # Nobody but the library holds what it listens by.

    async def contexts(self, url, token, room):
        """What is left once the statements have ended."""
        async with WebSocketClient(url, token=token) as client:
            async with await client.join_room(room) as joined:
                await joined.send("note", 1)
            return {"room": joined.ended, "was_connected": client.connected}

    async def leave(self, room):
        await self.rooms[room].leave()

    async def subscribe(self, stream_type, resource_id, filters=None, options=None, listen=False, **names):
        tell = self.teller("data", names["as"])

        async def heard(item):
            await asyncio.sleep(0)
            tell(item)

        callback = heard if listen else None
        subscription = await self.client.subscribe(stream_type, resource_id, filters, callback=callback, options=options)
        self.subscriptions[names["as"]] = subscription
        subscription.on("gap", self.teller("gap", names["as"]))
        subscription.on("ended", lambda ended: say({"event": "subscription_ended", "of": names["as"], "item": {"reason": ended.reason}}))
        if not listen:
            self.spawn(self.follow(subscription, "data", names["as"]))

    async def unsubscribe(self, **names):
        await self.subscriptions[names["as"]].unsubscribe()

    async def position(self, **names):
        return (self.subscriptions.get(names["of"]) or self.rooms[names["of"]]).position

    async def call(self, method, params=None, timeout=10, **names):
        self.calls[names.get("as")] = asyncio.current_task()
        return await self.client.call(method, params, timeout=timeout)

    async def cancel_call(self, **names):
        self.calls[names["as"]].cancel()

    async def upload(self, filename, source="bytes", size=None, chunk_size=None, metadata=None, upload_id=None, **names):
        name = names["as"]
        data = self.source(source, base64.b64decode(names["base64"]), filename)
        upload = self.client.upload(data, filename=filename, size=size, chunk_size=chunk_size, metadata=metadata, upload_id=upload_id,
                                    on_progress=lambda sent, total: self.teller("progress", name)({"sent": sent, "total": total}))
        self.uploads[name], self.awaiting[name] = upload, asyncio.current_task()
        upload.on("status", self.teller("status", name))
        return plain(await upload)

    async def upload_again(self, first, size, **upload):
        """As `upload`, once a source that has only `first` has failed under the same id, and at once."""
        failing = self.client.upload(parts(base64.b64decode(first)), filename=upload["filename"], size=size,
                                     chunk_size=upload["chunk_size"], upload_id=upload["upload_id"])
        try:
            await failing
        except SourceError:
            return await self.upload(**upload)

    async def abort_upload(self, **names):
        self.awaiting[names["as"]].cancel()

    async def cancel_upload(self, **names):
        await self.uploads[names["as"]].cancel()

    async def pause_upload(self, **names):
        self.uploads[names["as"]].pause()

    async def resume_upload(self, **names):
        self.uploads[names["as"]].resume()

    async def download(self, file, offset=0, digest=False, **names):
        self.downloads[names.get("as")] = asyncio.current_task()

        def progress(received, total):
            say({"event": "download_progress", "item": {"received": received}})

        parts = []
        async for part in self.client.download(file, offset=offset, on_progress=progress):
            parts.append(part)
            await self.going.wait()
        data = b"".join(parts)
        return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} if digest else base64.b64encode(data).decode()

    async def abort_download(self, **names):
        self.downloads[names["as"]].cancel()

    async def close(self):
        if self.client is not None:
            await self.client.close()

    async def run_one(self, line):
        told = json.loads(line, object_hook=argument)
        try:
            result = await getattr(self, told["command"])(**told["args"])
            say({"id": told["id"], "result": result})
        except asyncio.CancelledError:
            say({"id": told["id"], "error": {"type": "Cancelled"}})
        except Exception as error:
            say({"id": told["id"], "error": describe(error)})

    async def run(self):
        self.going = asyncio.Event()  # Of this loop.
        self.going.set()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.faults.append(str(context)))
        reader = asyncio.StreamReader(limit=1 << 26)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            self.spawn(self.run_one(line))
        await self.close()
        # The library's own tasks end with the client.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            _, left = await asyncio.wait(left, timeout=SETTLE_SECONDS)
        self.folder.cleanup()
        self.faults += [f"still running: {task}" for task in left]
        for fault in self.faults:
            print(fault, file=sys.stderr)
        return 1 if self.faults else 0


sys.exit(asyncio.run(Agent().run()))
