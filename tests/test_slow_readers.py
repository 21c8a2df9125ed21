"""A client that stops reading is dropped or cut, and slows nobody."""

import asyncio
import socket
import time

import pytest

from harness import credentials
from harness.raw import RawConnection

READERS = 500


def stopped_reader(covet, room, user):
    """Joined, with a small receive buffer, and never reading again."""
    c = RawConnection(covet.http_address)
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    assert c.upgrade(f"/ws?token={credentials.token(user)}")[0] == 101
    c.send_json({"type": "join_room", "id": "j", "data": {"room_id": room}})
    while c.read_message()["type"] != "room_joined":
        pass
    return c


async def test_one_that_stops_beside_many_that_do_not(make_covet):
    covet = make_covet(edge={"outbound_queue_bytes": "256KiB", "max_message_bytes": "64KiB", "outbound_head_age": "2s"})
    room, messages = "lobby_slow", 100
    clients = await asyncio.gather(*(covet.connect(f"u{i}") for i in range(READERS)))
    await asyncio.gather(*(c.join(room, filter={"event_types": ["n"]}) for c in clients))
    slow = await asyncio.to_thread(stopped_reader, covet, room, "slow")
    with slow:
        start = time.monotonic()
        for i in range(messages):
            await clients[0].publish(room, [i, "x" * 16_000], "n")
        for c in clients:
            events = await c.events(room, messages)
            assert [e["data"]["payload"][0] for e in events] == list(range(messages))
            assert not any("dropped" in e["data"] for e in events)
        elapsed = time.monotonic() - start
        # The slow one's head grows older than 2 s: closed, while the others went on.
        covet.edge.wait_log("disconnected", user_id="slow", close_code=4413)
    print(f"{READERS} readers had {messages} messages each after {elapsed:.2f} s")
    await asyncio.gather(*(c.close() for c in clients))


async def test_one_that_falls_behind_reads_back(make_covet):
    covet = make_covet(edge={"outbound_queue_bytes": "64KiB", "max_message_bytes": "32KiB", "outbound_head_age": "60s"})
    room = "lobby_dropped"
    async with covet.connect("writer") as writer:
        await writer.join(room, filter={"event_types": ["none"]})
        slow = await asyncio.to_thread(stopped_reader, covet, room, "slow")
        with slow:
            count = 1500
            for i in range(count):
                await writer.publish(room, [i, "x" * 8000], "n")

            def read_all():
                got, dropped = [], 0
                while not got or got[-1] < count + 1:
                    message = slow.read_message()
                    if message["type"] == "room_left":
                        return got, dropped, message["data"]["reason"]
                    if message["type"] == "room_event" and message["data"]["event_type"] == "n":
                        dropped += message["data"].get("dropped", 0)
                        got.append(message["data"]["offset"])
                return got, dropped, None

            reading = asyncio.create_task(asyncio.to_thread(read_all))
            while not reading.done():
                offset = (await writer.publish(room, [-1, ""], "n"))["offset"]
                if offset > count + 1000:
                    break
                await asyncio.sleep(0.01)
            got, dropped, ended = await reading
        assert got == sorted(set(got))
        if ended is None:
            # Nothing is dropped for a slow reader: it reads the room's log at its own pace.
            assert dropped == 0
            assert len(got) == got[-1]
        else:
            assert ended == "reset"


@pytest.mark.protocol
async def test_a_slow_replay_is_paced_and_complete(covet, room):
    async with covet.connect("writer") as writer:
        await writer.join(room, filter={"event_types": ["none"]})
        count = 400
        for i in range(count):
            await writer.publish(room, [i, "x" * 10_000], "n")
        epoch = (await writer.join(room, filter={"event_types": ["none"]}))["epoch"]
        with RawConnection(covet.http_address) as slow:
            slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            assert slow.upgrade(f"/ws?token={credentials.token('slow')}")[0] == 101
            resume = {"resume": {"epoch": epoch, "offset": 0}, "filter": {"event_types": ["n"]}}
            slow.send_json({"type": "join_room", "id": "j", "data": {"room_id": room, "options": resume}})
            # 4 MB of replay against a queue of 1 MB; live messages come meanwhile.
            for i in range(50):
                await writer.publish(room, [count + i, ""], "n")

            def read():
                events = []
                while len(events) < count + 50:
                    message = slow.read_message()
                    assert message["type"] != "room_left", message
                    if message["type"] == "room_event":
                        assert "dropped" not in message["data"]
                        events.append(message["data"]["payload"][0])
                return events

            assert await asyncio.to_thread(read) == list(range(count + 50))
