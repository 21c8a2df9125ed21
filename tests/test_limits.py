"""Each limit at its edge."""

import asyncio
import datetime
import itertools
import time

import pytest
import websockets

from harness import credentials
from harness.grpc_api import Api


def reset_time(limit):
    return datetime.datetime.fromisoformat(limit["reset"].replace("Z", "+00:00"))


async def test_messages_of_a_connection(make_covet):
    covet = make_covet(limits={"messages": "100/min"})
    async with covet.connect() as c, covet.connect() as other:
        await c.join("lobby_1")
        start = time.monotonic()
        for i in range(99):
            await c.publish("lobby_1", i)
        # While those were sent some of the allowance came back, one every 600 ms. Sent at once, so that the rest is used up.
        before = datetime.datetime.now(datetime.UTC)
        ids = [await c.send("room_message", {"room_id": "lobby_1", "event_type": "t", "payload": i}) for i in range(60)]
        replies = [await c.reply(id) for id in ids]
        after = datetime.datetime.now(datetime.UTC)
        accepted = sum(reply["type"] == "room_message_ack" for reply in replies)
        assert accepted <= (time.monotonic() - start) / 0.6 + 1
        error = next(reply["data"] for reply in replies if reply["type"] == "error")
        assert error["error_code"] == "RATE_LIMITED"
        assert error["recoverable"] is True
        assert error["details"]["scope"] == "messages"
        assert (error["rate_limit"]["limit"], error["rate_limit"]["remaining"]) == (100, 0)
        # The earliest time that one more is accepted: one in 600 ms, not a whole minute.
        assert before <= reset_time(error["rate_limit"]) <= after + datetime.timedelta(seconds=1)
        # Not counted, and not refused.
        assert (await c.request("heartbeat", {"sequence": 1}))["type"] == "heartbeat"
        assert (await c.request("auth_refresh", {"token": credentials.token()}))["type"] == "auth_refreshed"
        assert (await c.leave("lobby_1"))["reason"] == "left"
        # Counted per connection.
        await other.join("lobby_1")
        # A refused request costs nothing: at the time told, one more is accepted.
        reply = await c.request("join_room", {"room_id": "lobby_1"})
        if reply["type"] == "error":
            until = reset_time(reply["data"]["rate_limit"])
            while (now := datetime.datetime.now(datetime.UTC)) <= until:
                await asyncio.sleep((until - now).total_seconds() + 0.001)
            await c.join("lobby_1")


async def test_resuming_joins_are_not_counted_at_first(make_covet):
    covet = make_covet(limits={"messages": "1/min"})
    async with covet.connect() as c:
        for i in range(20):
            await c.join(f"lobby_{i}", resume={"epoch": "e", "offset": 0})
        await c.join("lobby_1")
        assert (await c.error("join_room", {"room_id": "lobby_9"}))["error_code"] == "RATE_LIMITED"


async def attempts_until_refused(attempt, limit):
    """Tries until 429; at least `limit` attempts go well, and no more than came back meanwhile. Returns the refusal."""
    start = time.monotonic()
    made = 0
    while True:
        try:
            await attempt()
        except websockets.InvalidStatus as refused:
            response = refused.response
            break
        made += 1
        assert made <= limit + (time.monotonic() - start) * limit / 60
    assert response.status_code == 429
    assert made >= limit
    return response


async def test_connection_attempts_with_valid_credentials(make_covet):
    covet = make_covet(limits={"connection_attempts": "10/min"})

    async def attempt():
        async with covet.connect("a"):
            pass

    refused = await attempts_until_refused(attempt, 10)
    assert int(refused.headers["Retry-After"]) >= 1
    # Counted per user.
    async with covet.connect("b"):
        pass


async def test_failed_connection_attempts(make_covet):
    covet = make_covet(limits={"failed_attempts": "3/min"})

    async def attempt():
        async with covet.connect_raw(token="nonsense") as c:
            assert (await c.closed())[0] == 4501

    await attempts_until_refused(attempt, 3)


async def test_attempts_of_an_address(make_covet):
    covet = make_covet(limits={"address_attempts": "5/min"})
    users = itertools.count()

    async def attempt():
        async with covet.connect(f"user{next(users)}"):
            pass

    await attempts_until_refused(attempt, 5)


async def test_connections_of_an_edge(make_covet):
    covet = make_covet(edge={"max_connections": 3})
    clients = [await covet.connect(f"u{i}") for i in range(3)]
    with pytest.raises(websockets.InvalidStatus) as refused:
        await covet.connect("u4")
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["Retry-After"]
    await clients[0].close()
    covet.edge.wait_log("disconnected")
    async with covet.connect("u4"):
        pass
    for client in clients[1:]:
        await client.close()


async def test_a_payload_at_its_limit(covet, room):
    async with covet.connect() as c:
        await c.join(room)
        fits = "x" * (64 * 1024 - 2)  # With its quotes exactly 64 KiB.
        assert (await c.publish(room, fits))["offset"] == 1
        assert (await c.event(room))["data"]["payload"] == fits
        error = await c.error("room_message", {"room_id": room, "event_type": "t", "payload": fits + "x"})
        assert error["error_code"] == "MESSAGE_TOO_LARGE"
        assert error["recoverable"] is False
        assert (await c.publish(room, 1))["offset"] == 2


async def test_rooms_of_a_connection(make_covet):
    covet = make_covet(limits={"rooms_per_connection": 3})
    async with covet.connect() as c:
        for i in range(3):
            await c.join(f"lobby_{i}")
        error = await c.error("join_room", {"room_id": "lobby_3"})
        assert error["error_code"] in ("RATE_LIMITED", "INVALID_ARGUMENT", "CONFLICT", "UNAVAILABLE", "PERMISSION_DENIED")
        await c.join("lobby_0")  # Joining again is no further room.
        await c.leave("lobby_0")
        await c.join("lobby_3")


async def test_abuse_closes_a_connection_and_blocks_an_address(make_covet):
    covet = make_covet(edge={"abuse": {"close_after": 5, "block_after": 8, "block_for": "10s"}})
    async with covet.connect() as c:
        for i in range(5):
            await c.ws.send("nonsense")
        code, reason = await c.closed()
        assert code == 4429
    async with covet.connect() as c:
        for i in range(5):
            await c.ws.send("nonsense")
        assert (await c.closed())[0] in (4429, 4503)
    with pytest.raises(websockets.InvalidStatus) as refused:
        await covet.connect()
    assert refused.value.response.status_code == 403
    covet.edge.wait_log("address_blocked")
    # Not for ever.
    while True:
        try:
            async with covet.connect():
                break
        except websockets.InvalidStatus:
            await asyncio.sleep(0.05)


async def test_no_limits_lifts_them(make_covet):
    covet = make_covet(
        limits={"unlimited": True, "messages": "1/min", "connection_attempts": "1/min", "address_attempts": "1/min"},
        edge={"max_connections": 1},
    )
    clients = [await covet.connect() for _ in range(5)]
    for i in range(20):
        assert (await clients[0].request("heartbeat", {"sequence": i}))["type"] == "heartbeat"
        await clients[0].join(f"lobby_{i}")
    for client in clients:
        await client.close()


async def test_grpc_payload_limit(covet, room):
    import grpc

    from harness.grpc_api import error_info, module

    payload = module("common.v1.common_pb2").Payload
    with Api(covet.grpc_address()) as api:
        api.rooms("CreateRoom", room_id=room)
        with pytest.raises(grpc.RpcError) as refused:
            api.rooms("Publish", room_id=room, event_type="t", payload=payload(json='"' + "x" * 65535 + '"'))
        assert error_info(refused.value).reason == "MESSAGE_TOO_LARGE"
