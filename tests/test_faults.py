"""Processes that are killed under traffic: nothing acknowledged is lost, nothing comes twice, gaps are told."""

import asyncio
import contextlib

import pytest
import websockets

from harness import credentials
from harness.grpc_api import Api
from harness.process import TIMEOUT


class Writer:
    """Publishes numbered messages with idempotency keys, sending again what was not acknowledged."""

    def __init__(self, covet, name, room):
        self.covet, self.name, self.room = covet, name, room
        self.acknowledged = {}  # Number → offset.
        self.stopping = False

    async def run(self):
        number = 0
        while not self.stopping or number not in self.acknowledged:
            with contextlib.suppress(OSError, websockets.WebSocketException, AssertionError):
                async with self.covet.connect(self.name) as c:
                    await c.join(self.room)
                    while not self.stopping or number not in self.acknowledged:
                        reply = await c.request(
                            "room_message",
                            {"room_id": self.room, "event_type": "n", "payload": [self.name, number], "idempotency_key": f"{self.name}-{number}"},
                        )
                        if reply["type"] == "room_message_ack":
                            self.acknowledged[number] = reply["data"]["offset"]
                            if self.stopping:
                                return
                            number += 1
                        else:
                            assert reply["data"]["error_code"] in ("UNAVAILABLE", "PERMISSION_DENIED", "INTERNAL"), reply
                            if reply["data"]["error_code"] == "PERMISSION_DENIED":
                                break
            await asyncio.sleep(0.02)


class Reader:
    """Stays in a room over every break, by resume, and keeps what it saw."""

    def __init__(self, covet, name, room):
        self.covet, self.name, self.room = covet, name, room
        self.seen = []  # (offset, payload)
        self.epochs = []
        self.losses = 0  # Resumes that were not recovered, and resets.
        self.connections = 0

    @property
    def last(self):
        return self.seen[-1][0] if self.seen else 0

    async def run(self):
        while True:
            with contextlib.suppress(OSError, websockets.WebSocketException, AssertionError):
                async with self.covet.connect(self.name) as c:
                    self.connections += 1
                    options = {"resume": {"epoch": self.epochs[-1], "offset": self.last}} if self.epochs else {}
                    joined = await c.request("join_room", {"room_id": self.room, "options": options})
                    if joined["type"] != "room_joined":
                        continue
                    if self.epochs and not joined["data"]["recovered"]:
                        self.losses += 1
                    if not self.epochs or self.epochs[-1] != joined["data"]["epoch"]:
                        self.epochs.append(joined["data"]["epoch"])
                    while True:
                        message = await c.take(
                            lambda m: m["type"] in ("room_event", "room_left") and m["data"].get("event_type") != "user_activity", "event", timeout=600
                        )
                        if message["type"] == "room_left":
                            self.losses += 1
                            break
                        assert "dropped" not in message["data"]
                        self.seen.append((message["data"]["offset"], tuple(message["data"]["payload"])))
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def traffic(covet, room, writers=3, readers=3):
    """Writers and readers at work; at the end writers finish, readers catch up, and all is compared."""
    out = [Writer(covet, f"writer{i}", room) for i in range(writers)]
    into = [Reader(covet, f"reader{i}", room) for i in range(readers)]
    reading = [asyncio.create_task(r.run()) for r in into]
    await until(lambda: all(r.epochs for r in into))
    writing = [asyncio.create_task(w.run()) for w in out]
    try:
        yield out, into
        for writer in out:
            writer.stopping = True
        async with asyncio.timeout(TIMEOUT * 2):
            await asyncio.gather(*writing)
        expected = {("writer%d" % i, n): offset for i, w in enumerate(out) for n, offset in w.acknowledged.items()}
        head = max(expected.values())
        await until(lambda: all(r.last >= head for r in into))
        for reader in into:
            offsets = [offset for offset, _ in reader.seen]
            assert offsets == sorted(set(offsets)), "repeated or out of order"
            assert offsets == list(range(offsets[0], offsets[0] + len(offsets))), "holes"
            assert reader.losses == 0
            assert len(reader.epochs) == 1
            seen = {payload: offset for offset, payload in reader.seen}
            assert len(seen) == len(reader.seen), "a message has two offsets"
            lost = {m for m, offset in expected.items() if seen.get(m) != offset}
            assert not lost, f"acknowledged and lost: {sorted(lost)[:5]}"
    finally:
        for task in (*reading, *writing):
            task.cancel()
        await asyncio.gather(*reading, *writing, return_exceptions=True)


async def until(condition, timeout=TIMEOUT * 2):
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.01)


async def progress(writers, count):
    """Until each writer has had so many more acknowledgements."""
    goals = [len(w.acknowledged) + count for w in writers]
    await until(lambda: all(len(w.acknowledged) >= goal for w, goal in zip(writers, goals)))


@pytest.mark.parametrize("mode, role", [("all", "all"), ("split", "rooms"), ("split", "edge")])
async def test_kill_under_traffic(make_covet, mode, role):
    covet = make_covet(mode)
    async with traffic(covet, "lobby_kill") as (writers, readers):
        for _ in range(5):
            await progress(writers, 30)
            covet.process(role).kill()
            covet.process(role).start()
        await progress(writers, 30)
    if role == "rooms":
        # A restart of rooms is the edge's to mend: no client had to come back.
        assert [r.connections for r in readers] == [1] * len(readers)


@pytest.mark.parametrize("mode, role", [("all", "all"), ("split", "rooms"), ("split", "edge")])
async def test_restart_under_traffic(make_covet, mode, role):
    covet = make_covet(mode)
    async with traffic(covet, "lobby_restart") as (writers, readers):
        for _ in range(2):
            await progress(writers, 30)
            assert covet.process(role).stop() == 0
            covet.process(role).start()
        await progress(writers, 30)


async def test_connections_that_break_under_traffic(make_covet):
    covet = make_covet("split")
    async with traffic(covet, "lobby_break") as (writers, readers):
        clients = [await covet.connect(f"extra{i}") for i in range(20)]
        for client in clients:
            await client.join("lobby_break")
            client.abort()
        await progress(writers, 30)


async def test_a_memory_rooms_restart_is_told(make_covet):
    covet = make_covet("split")
    async with covet.connect("a") as a:
        joined = await a.join("memory_1")
        await a.publish("memory_1", 1)
        covet.process("rooms").kill()
        covet.process("rooms").start()
        left = await a.expect("room_left")
        assert left["data"] == {"room_id": "memory_1", "reason": "reset"}
        back = await a.join("memory_1", resume={"epoch": joined["epoch"], "offset": 1})
        assert back["epoch"] != joined["epoch"]
        assert back["recovered"] is False


async def test_a_restart_of_rooms_with_more_sessions_than_one_message_holds(make_covet):
    covet = make_covet("split", grpc={"max_message_bytes": 1_100_000})
    scopes = [f"room:read:{i:03}{'x' * 100}" for i in range(50)]  # 250 times as much as this.
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for i in range(250):
            token = credentials.token(f"user_{i:03}", scopes=scopes)
            clients.append(await stack.enter_async_context(covet.connect(token=token)))
        members = clients[::25]
        for client in members:
            await client.join("lobby_1")
        await members[0].publish("lobby_1", 1)
        for client in members:
            await client.event("lobby_1")
        covet.process("rooms").kill()
        covet.process("rooms").start()
        while (await members[0].request("room_message", {"room_id": "lobby_1", "event_type": "t", "payload": 2}))["type"] == "error":
            await asyncio.sleep(0.02)
        for client in members:
            assert (await client.event("lobby_1"))["data"]["offset"] == 2
        with Api(covet.grpc_address("rooms")) as api:
            users = [m.user_id for m in api.rooms("ListMembers", room_id="lobby_1").members]
            assert users == [f"user_{i:03}" for i in range(0, 250, 25)]


async def test_requests_while_rooms_is_away(make_covet):
    covet = make_covet("split")
    async with covet.connect("a") as a:
        await a.join("lobby_1")
        covet.process("rooms").kill()
        error = await a.error("room_message", {"room_id": "lobby_1", "event_type": "t", "payload": 1})
        assert (error["error_code"], error["recoverable"]) == ("UNAVAILABLE", True)
        assert (await a.error("join_room", {"room_id": "lobby_2"}))["error_code"] == "UNAVAILABLE"
        assert (await a.request("heartbeat", {"sequence": 1}))["type"] == "heartbeat"
        covet.process("rooms").start()
        while (await a.request("room_message", {"room_id": "lobby_1", "event_type": "t", "payload": 2}))["type"] == "error":
            await asyncio.sleep(0.02)
        await a.take(lambda m: m["type"] == "room_event" and m["data"]["payload"] == 2, "the message")


async def test_a_dead_edges_members_leave_within_the_lease_once(make_covet):
    covet = make_covet("split", rooms={"lease": "5s"})
    with Api(covet.grpc_address()) as api:
        watcher = api.rooms("Join", room_id="lobby_lease", stream=True)
        assert next(watcher).joined.room.room_id == "lobby_lease"
        guest = await covet.connect("guest")
        await guest.join("lobby_lease")

        def presence_of_guest():
            for message in watcher:
                activity = dict(message.event.payload.structured) if message.event.event_type == "user_activity" else {}
                if activity.get("user_id") == "guest":
                    return activity["action"]

        assert await asyncio.to_thread(presence_of_guest) == "joined"
        covet.process("edge").kill()
        assert await asyncio.wait_for(asyncio.to_thread(presence_of_guest), TIMEOUT) == "left"
        assert {m.user_id for m in api.rooms("ListMembers", room_id="lobby_lease").members} == {"user_123"}
        covet.process("edge").start()
        # Once: the next of the guest is a new joining, not a second leaving.
        async with covet.connect("guest") as again:
            await again.join("lobby_lease")
            assert await asyncio.to_thread(presence_of_guest) == "joined"
        watcher.cancel()


async def test_pending_notifications_survive_kill(make_covet):
    from harness.grpc_api import module

    notification = module("rooms.v1.notifications_pb2").Notification(notification_type="info", title="kept")
    covet = make_covet()
    with Api(covet.grpc_address()) as api:
        sent = api.notify(user_id="away", notification=notification)
    covet.edge.kill()
    covet.edge.start()
    async with covet.connect("away") as c:
        assert (await c.expect("notification"))["data"]["notification_id"] == sent.notification_id


async def test_rooms_and_their_settings_survive_kill(make_covet):
    covet = make_covet()
    with Api(covet.grpc_address()) as api:
        made = api.rooms("CreateRoom", room_id="kept")
        covet.edge.kill()
        covet.edge.start()
    with Api(covet.grpc_address()) as api:
        assert api.rooms("GetRoom", room_id="kept").epoch == made.epoch
