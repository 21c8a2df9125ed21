"""Drives the Python client from outside: commands as lines of JSON on standard input, answers and events on output."""

import asyncio
import base64
import dataclasses
import json
import sys

sys.path.insert(0, sys.argv[1])

from covetpy.client import WebSocketClient  # noqa: E402


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def plain(item):
    return dataclasses.asdict(item) if dataclasses.is_dataclass(item) else item


def describe(error):
    return {"type": type(error).__name__, "code": getattr(error, "code", None), "reason": getattr(error, "reason", None),
            "details": getattr(error, "details", None)}


class Agent:
    def __init__(self):
        self.client = None
        self.rooms, self.subscriptions, self.uploads, self.calls = {}, {}, {}, {}
        self.tasks = set()

    def spawn(self, work):
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def follow(self, source, name, of):
        try:
            async for item in source:
                say({"event": name, "of": of, "item": plain(item)})
            say({"event": f"{name}_end", "of": of})
        except Exception as error:
            say({"event": f"{name}_end", "of": of, "error": describe(error)})

    def teller(self, name, of=None):
        return lambda item: say({"event": name, "of": of, "item": plain(item)})

    async def connect(self, url, tokens=(), api_key=None, reconnect=None, queue_size=100):
        tokens = list(tokens)
        token = (lambda: tokens.pop(0) if len(tokens) > 1 else tokens[0]) if len(tokens) > 1 else (tokens or [None])[0]
        self.client = WebSocketClient(url, token=token, api_key=api_key, reconnect=reconnect, queue_size=queue_size)
        self.client.on("connected", lambda: say({"event": "connected"}))
        self.client.on("disconnected", lambda error: say({"event": "disconnected"}))
        self.client.on("notification", self.teller("notification"))
        self.client.on("notification_read", self.teller("notification_read"))
        await self.client.connect()
        return {"session_id": self.client.session_id, "user_id": self.client.user_id}

    async def join(self, room, options=None):
        joined = await self.client.join_room(room, options)
        if self.rooms.get(room) is not joined:
            self.rooms[room] = joined
            joined.on_gap(self.teller("gap", room))
            joined.on_metrics(self.teller("metrics", room))
            self.spawn(self.follow(joined.events(), "room_event", room))
        return {"permissions": joined.permissions, "member_count": joined.member_count}

    async def send(self, room, payload, event_type="note", **options):
        return plain(await self.rooms[room].send(event_type, payload, **options))

    async def leave(self, room):
        await self.rooms[room].leave()

    async def subscribe(self, stream_type, resource_id, filters=None, options=None, **names):
        subscription = await self.client.subscribe(stream_type, resource_id, filters, options=options)
        self.subscriptions[names["as"]] = subscription
        subscription.on_gap(self.teller("gap", names["as"]))
        self.spawn(self.follow(subscription.records(), "data", names["as"]))

    async def unsubscribe(self, **names):
        await self.subscriptions[names["as"]].unsubscribe()

    async def call(self, method, params=None, timeout=10, **names):
        self.calls[names.get("as")] = asyncio.current_task()
        return await self.client.call(method, params, timeout=timeout)

    async def cancel_call(self, **names):
        self.calls[names["as"]].cancel()

    async def upload(self, filename, chunk_size, metadata=None, **names):
        name = names["as"]
        upload = self.client.upload(base64.b64decode(names["base64"]), filename=filename, chunk_size=chunk_size, metadata=metadata,
                                    on_progress=lambda sent, total: self.teller("progress", name)({"sent": sent, "total": total}))
        self.uploads[name] = upload
        upload.on_status(self.teller("status", name))
        return await upload

    async def cancel_upload(self, **names):
        await self.uploads[names["as"]].cancel()

    async def pause_upload(self, **names):
        self.uploads[names["as"]].pause()

    async def resume_upload(self, **names):
        self.uploads[names["as"]].resume()

    async def close(self):
        await self.client.close()

    async def run_one(self, line):
        told = json.loads(line)
        try:
            result = await getattr(self, told["command"])(**told["args"])
            say({"id": told["id"], "result": result})
        except asyncio.CancelledError:
            say({"id": told["id"], "error": {"type": "Cancelled"}})
        except Exception as error:
            say({"id": told["id"], "error": describe(error)})

    async def run(self):
        reader = asyncio.StreamReader(limit=1 << 26)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            self.spawn(self.run_one(line))


asyncio.run(Agent().run())
