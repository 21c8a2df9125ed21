"""A client that stops reading is dropped or cut, and slows nobody."""

import asyncio

import pytest

from harness import credentials
from harness.raw import RawConnection

READERS = 500
# More than the kernel takes for a socket that nobody reads (net.ipv4.tcp_wmem allows 4 MiB), in messages of 60 kB.
STUFFING = 150
PIECE = "x" * 60_000


def stopped_reader(covet, *joins):
    """Joined, and not reading."""
    c = RawConnection(covet.http_address)
    assert c.upgrade(f"/ws?token={credentials.token('slow')}")[0] == 101
    for join in joins:
        c.send_json({"type": "join_room", "id": join["room_id"], "data": join})
        while c.read_message()["type"] != "room_joined":
            pass
    return c


async def stuff(writer, room, count=STUFFING):
    """Publishes more than fits a socket; nobody else has to read it."""
    for i in range(count):
        await writer.publish(room, [i, PIECE], "n")


async def test_one_that_stops_beside_many_that_do_not(make_covet):
    covet = make_covet(edge={"outbound_head_age": "2s"})
    room, stuffed, messages = "lobby_many", "lobby_stuffed", 20
    clients = await asyncio.gather(*(covet.connect(f"u{i}") for i in range(READERS)))
    await asyncio.gather(*(c.join(room, filter={"event_types": ["n"]}) for c in clients))
    async with covet.connect("writer") as writer:
        await writer.join(stuffed, filter={"event_types": ["none"]})
        with await asyncio.to_thread(stopped_reader, covet, {"room_id": room}, {"room_id": stuffed}):
            stuffing = asyncio.create_task(stuff(writer, stuffed))
            for i in range(messages):
                await clients[0].publish(room, [i, "x" * 1000], "n")
            for c in clients:
                events = await c.events(room, messages)
                assert [e["data"]["payload"][0] for e in events] == list(range(messages))
                assert not any("dropped" in e["data"] for e in events)
            await stuffing
            # The slow one's head grows older than 2 s: closed, and the others go on.
            await asyncio.to_thread(covet.edge.wait_log, "disconnected", user_id="slow", close_code=4413)
            await clients[0].publish(room, ["after"], "n")
            for c in clients:
                assert (await c.event(room))["data"]["payload"] == ["after"]
    await asyncio.gather(*(c.close() for c in clients))


async def test_one_that_falls_behind_reads_back(make_covet):
    covet = make_covet(edge={"outbound_head_age": "600s"})
    room = "lobby_behind"
    async with covet.connect("writer") as writer:
        await writer.join(room, filter={"event_types": ["none"]})
        with await asyncio.to_thread(stopped_reader, covet, {"room_id": room, "options": {"filter": {"event_types": ["n"]}}}) as slow:
            await stuff(writer, room)
            # Live messages go on while it catches up.
            last = [(await writer.publish(room, [-1, ""], "n"))["offset"] for _ in range(20)][-1]

            def read_all():
                got = []
                while not got or got[-1] < last:
                    message = slow.read_message()
                    # Nothing is dropped for a slow reader: it reads the room's log at its own pace.
                    assert message["type"] != "room_left", message
                    if message["type"] == "room_event":
                        assert "dropped" not in message["data"]
                        got.append(message["data"]["offset"])
                return got

            assert await asyncio.to_thread(read_all) == list(range(1, last + 1))


@pytest.mark.protocol
async def test_a_slow_replay_is_paced_and_complete(covet, room):
    async with covet.connect("writer") as writer:
        await writer.join(room, filter={"event_types": ["none"]})
        await stuff(writer, room)
        epoch = (await writer.join(room, filter={"event_types": ["none"]}))["epoch"]
        resume = {"resume": {"epoch": epoch, "offset": 0}, "filter": {"event_types": ["n"]}}
        with await asyncio.to_thread(stopped_reader, covet, {"room_id": room, "options": resume}) as slow:
            # 9 MB of replay against a queue of 1 MiB; live messages come meanwhile.
            for i in range(50):
                await writer.publish(room, [STUFFING + i, ""], "n")

            def read():
                events = []
                while len(events) < STUFFING + 50:
                    message = slow.read_message()
                    assert message["type"] != "room_left", message
                    if message["type"] == "room_event":
                        assert "dropped" not in message["data"]
                        events.append(message["data"]["payload"][0])
                return events

            assert await asyncio.to_thread(read) == list(range(STUFFING + 50))
