"""Rooms: joining, messages, order, filters, permissions."""

import asyncio
import json
import socket
import time

import pytest

from harness import credentials
from harness.grpc_api import Api
from harness.raw import RawConnection

pytestmark = pytest.mark.protocol


async def test_the_demo_room_as_the_specification_shows_it(covet):
    async with covet.connect() as c:
        joined = await c.join("project_123", subscribe_to_metrics=True, filter={"event_types": ["data_update", "user_activity"]})
        assert joined["room_metadata"] == {"name": "Project Alpha", "created_at": "2025-09-01T10:00:00Z"}
        assert joined["permissions"] == ["read", "write", "manage"]
        assert joined["member_count"] >= 1


async def test_a_message_reaches_every_member_once_the_sender_included(covet, room, user):
    async with covet.connect(user) as a, covet.connect("b") as b, covet.connect("c") as c:
        for client in (a, b, c):
            await client.join(room)
        ack = await a.publish(room, {"n": 1}, "data_update", metadata={"correlation_id": "corr", "priority": "high"})
        assert ack == {"room_id": room, "offset": 1}
        events = [await client.event(room) for client in (a, b, c)]
        assert events[0] == events[1] == events[2]
        data = events[0]["data"]
        assert data["sender"] == {"user_id": user, "session_id": a.session_id}
        assert (data["payload"], data["offset"], data["event_type"]) == ({"n": 1}, 1, "data_update")
        assert events[0]["metadata"]["correlation_id"] == "corr"
        assert events[0]["metadata"]["priority"] == "high"
        assert "replayed" not in data
        await a.publish(room, 2)
        for client in (a, b, c):
            assert (await client.event(room))["data"]["offset"] == 2


PAYLOADS = [
    '12345678901234567890123456789012345678901234567890',
    '1e999',
    '-0.0000000000000000000000000000000000001',
    '{"z":1,"a":2,"z":3}',
    '"\\ud800 lone"',
    '"\\u0000\\u001f\\u2028"',
    '[]',
    '{}',
    'null',
    'false',
    '""',
    '{"a":{"b":[1,2.50,{"c":"\\u00e9é😀"}]}}',
]


@pytest.mark.parametrize("text", PAYLOADS)
async def test_payloads_arrive_as_they_were_sent(covet, room, text):
    async with covet.connect() as c:
        await c.join(room)
        await c.ws.send('{"type":"room_message","id":"m","data":{"room_id":"%s","event_type":"t","payload": %s }}' % (room, text))
        assert (await c.reply("m"))["type"] == "room_message_ack"
        with Api(covet.grpc_address()) as api:
            history = api.rooms("GetHistory", room_id=room, payload_format=2)
        assert history.events[0].payload.json == text
        event = await c.event(room)
        assert json.dumps(event["data"]["payload"]) == json.dumps(json.loads(text))


async def test_a_join_may_be_followed_at_once_by_messages(covet, room):
    async with covet.connect() as c:
        await c.send("join_room", {"room_id": room}, id="j")
        for i in range(10):
            await c.send("room_message", {"room_id": room, "event_type": "n", "payload": i}, id=f"m{i}")
        assert (await c.reply("j"))["type"] == "room_joined"
        assert [(await c.reply(f"m{i}"))["data"]["offset"] for i in range(10)] == list(range(1, 11))
        assert [e["data"]["payload"] for e in await c.events(room, 10)] == list(range(10))


async def test_many_senders_one_order(covet, room):
    async with covet.connect("a") as a, covet.connect("b") as b, covet.connect("c") as c:
        clients = (a, b, c)
        for client in clients:
            await client.join(room)
        await asyncio.gather(*(client.publish(room, [name, i]) for name, client in zip("abc", clients) for i in range(30)))
        seen = [await client.events(room, 90) for client in clients]
        assert [e["data"]["offset"] for e in seen[0]] == list(range(1, 91))
        assert seen[0] == seen[1] == seen[2]
        for name in "abc":
            assert sorted(e["data"]["payload"][1] for e in seen[0] if e["data"]["payload"][0] == name) == list(range(30))


async def test_filters_limit_what_arrives(covet, room):
    async with covet.connect("all") as everything, covet.connect("some") as some:
        await everything.join(room)
        await some.join(room, filter={"event_types": ["wanted"]})
        for kind in ("wanted", "other", "wanted"):
            await everything.publish(room, kind, kind)
        assert [e["data"]["offset"] for e in await everything.events(room, 3)] == [1, 2, 3]
        assert [e["data"]["offset"] for e in await some.events(room, 2)] == [1, 3]
        # Joining again replaces the options.
        await some.join(room, filter={"event_types": ["other"]})
        await everything.publish(room, 1, "wanted")
        await everything.publish(room, 2, "other")
        assert (await some.event(room))["data"]["offset"] == 5


async def test_leaving(covet, room):
    async with covet.connect("a") as a, covet.connect("b") as b:
        await a.join(room)
        await b.join(room)
        await a.publish(room, 1)
        assert await b.leave(room) == {"room_id": room, "reason": "left"}
        await a.publish(room, 2)
        # Nothing of the room follows its room_left: on joining again the next event is the third.
        b.inbox.clear()
        assert (await b.join(room))["offset"] == 2
        await a.publish(room, 3)
        assert (await b.event(room))["data"]["offset"] == 3
        assert await b.leave("lobby_never_joined") == {"room_id": "lobby_never_joined", "reason": "left"}


async def test_sending_needs_a_join_on_this_connection(covet, room):
    async with covet.connect("a") as member, covet.connect("a") as other:
        await member.join(room)
        error = await other.error("room_message", {"room_id": room, "event_type": "n", "payload": 1})
        assert error["error_code"] == "PERMISSION_DENIED"
        assert error["details"]["reason"] == "NOT_JOINED"


async def test_permissions(covet, room):
    async with covet.connect("v", roles=["viewer"]) as viewer, covet.connect("m", roles=["member"]) as member, covet.connect("n", roles=[]) as nobody:
        assert (await viewer.join(room))["permissions"] == ["read"]
        assert (await member.join(room))["permissions"] == ["read", "write"]
        error = await viewer.error("room_message", {"room_id": room, "event_type": "n", "payload": 1})
        assert error["error_code"] == "PERMISSION_DENIED"
        for client in (nobody, member):
            # Before existence: a room that is there and one that is not are refused alike.
            for name in ("project_123", "project_unknown"):
                assert (await client.error("join_room", {"room_id": name}))["error_code"] == "PERMISSION_DENIED"


async def test_rooms_that_are_not_there(covet):
    async with covet.connect() as c:
        error = await c.error("join_room", {"room_id": "project_unknown"})
        assert error["error_code"] == "ROOM_NOT_FOUND"
        assert error["recoverable"] is False


EVENT_TYPES = {
    "user_activity": "INVALID_ARGUMENT",
    "covet.x": "INVALID_ARGUMENT",
    "": "INVALID_MESSAGE_FORMAT",
    "with space": "INVALID_MESSAGE_FORMAT",
    "x" * 129: "INVALID_MESSAGE_FORMAT",
}


@pytest.mark.parametrize("kind", EVENT_TYPES)
async def test_event_types_that_clients_may_not_send(covet, room, kind):
    async with covet.connect() as c:
        await c.join(room)
        error = await c.error("room_message", {"room_id": room, "event_type": kind, "payload": 1})
        assert error["error_code"] == EVENT_TYPES[kind]
        assert error["details"]["field"] == "data.event_type"


async def test_idempotency_keys(covet, room):
    async with covet.connect("a") as a, covet.connect("a") as again, covet.connect("b") as b:
        for client in (a, again, b):
            await client.join(room)
        assert await a.publish(room, 1, idempotency_key="k") == {"room_id": room, "offset": 1}
        # From the same user on any connection; another user's key is another key.
        assert await again.publish(room, 2, idempotency_key="k") == {"room_id": room, "offset": 1, "duplicate": True}
        assert await b.publish(room, 3, idempotency_key="k") == {"room_id": room, "offset": 2}
        assert [e["data"]["payload"] for e in await a.events(room, 2)] == [1, 3]


async def test_room_metrics(covet, room):
    async with covet.connect("a") as a:
        await a.send("join_room", {"room_id": room, "options": {"subscribe_to_metrics": True}}, id="sub")
        await a.reply("sub")
        for _ in range(2):
            data = (await a.expect("stream_data"))["data"]
            assert (data["subscription_id"], data["stream_type"], data["resource_id"]) == ("sub", "metrics", f"room:{room}")
            assert len(data["batch"]) == 1
        left = await a.request("unsubscribe", {"subscription_id": "sub"})
        assert left["type"] == "unsubscribed"
        a.inbox.clear()
        # Several intervals of another subscription, and nothing of this one.
        await a.send("join_room", {"room_id": room + "x", "options": {"subscribe_to_metrics": True}}, id="other")
        for _ in range(3):
            await a.expect("stream_data", subscription_id="other")
        assert not [m for m in a.inbox if m["type"] == "stream_data"]


async def test_messages_past_their_ttl_are_delivered_to_nobody(covet, room):
    async with covet.connect("a") as a, covet.connect("b") as b:
        await a.join(room)
        await a.publish(room, "short", metadata={"ttl": 1})
        await a.publish(room, "long", metadata={"ttl": 60000})
        with Api(covet.grpc_address()) as api:
            # Wait until the first has passed by the owner's own clock.
            while any(e.payload.json == '"short"' for e in api.rooms("GetHistory", room_id=room, payload_format=2).events):
                await asyncio.sleep(0.01)
        joined = await b.join(room, history=10)
        assert joined["offset"] == 2
        assert (await b.event(room))["data"]["payload"] == "long"


def join_without_reading(covet, user, rooms, history):
    """A connection that joins the rooms and reads nothing, until it is told to."""
    c = RawConnection(covet.http_address)
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    assert c.upgrade(f"/ws?token={credentials.token(user)}")[0] == 101
    for room in rooms:
        c.send_json({"type": "join_room", "id": room, "data": {"room_id": room, "options": {"history": history}}})
    return c


def test_many_rooms_are_replayed_over_a_slow_socket(covet, room, user):
    rooms = [f"{room}_{i}" for i in range(25)]
    with Api(covet.grpc_address()) as api:
        # Far more than a connection's queue and its socket hold.
        for each in rooms:
            api.rooms("CreateRoom", room_id=each)
            for n in range(6):
                api.rooms("Publish", room_id=each, event_type="n", payload={"json": json.dumps([n, "x" * 60_000])})
        with join_without_reading(covet, user, rooms, history=6) as c:
            while any(api.rooms("GetRoom", room_id=each).member_count == 0 for each in rooms):
                time.sleep(0.01)
            seen = {each: [] for each in rooms}
            while any(len(numbers) < 6 for numbers in seen.values()):
                message = c.read_message()
                if message["type"] == "room_event" and message["data"]["event_type"] == "n":
                    assert message["data"]["replayed"] is True
                    seen[message["data"]["room_id"]].append(message["data"]["payload"][0])
    assert all(numbers == list(range(6)) for numbers in seen.values()), seen


async def test_streams_that_are_not_there(covet):
    async with covet.connect() as c:
        error = await c.error("subscribe", {"stream_type": "metrics", "resource_id": "no_such_stream"})
        assert error["error_code"] == "SUBSCRIPTION_FAILED"
        assert (await c.error("unsubscribe", {"subscription_id": "unknown"}))["error_code"] == "NOT_FOUND"
