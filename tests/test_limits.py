"""Each limit at its edge."""

import asyncio
import datetime
import itertools
import time

import pytest
import websockets

from harness import credentials, schemas
from harness.grpc_api import Api, module
from harness.uploads import Upload, random_bytes


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


def limited(reply):
    """Whether the reply refuses a request for the rate of messages."""
    error = reply["data"].get("error", reply["data"])
    code = error.get("code") or error.get("error_code")
    return code == "RATE_LIMITED" and error["details"]["scope"] == "messages"


async def test_what_counts_against_the_rate_of_messages(make_covet):
    """Each kind of request is sent several times when nothing is left of the rate."""
    times = 5
    subscribe = {"stream_type": "events", "resource_id": "orders"}
    # So many are spent below, and one comes back in five minutes.
    covet = make_covet(limits={"messages": f"{2 * times + 2}/h"})
    async with covet.connect("a") as c:
        for i in range(times):
            await c.join(f"lobby_{i}")
            assert (await c.request("subscribe", subscribe, id=f"sub_{i}"))["type"] == "subscribed"
        upload = Upload(random_bytes((times + 1) * 1000), chunk_size=1000)
        await upload.ready(c)
        await c.publish("lobby_0", "the last that is accepted")

        counted = {
            "join_room": {"room_id": "lobby_0"},
            "room_message": {"room_id": "lobby_0", "event_type": "t", "payload": 1},
            "subscribe": subscribe,
            "rpc_call": {"method": "system.ping"},
            "file_upload_start": {"filename": "a", "size": 1, "chunk_size": 1000},
            "file_upload_cancel": {"upload_id": upload.id},
        }
        replies = {kind: await c.request(kind, data) for kind, data in counted.items()}
        assert all(map(limited, replies.values())), replies

        with Api(covet.grpc_address()) as api:
            notice = module("rooms.v1.notifications_pb2").Notification(notification_type="info", title="n")
            notified = [api.notify(user_id="a", notification=notice).notification_id for _ in range(times)]
        for id in notified:
            await c.expect("notification", notification_id=id)
        answers = {
            "heartbeat": "heartbeat",
            "auth_refresh": "auth_refreshed",
            "file_chunk": "file_chunk_ack",
            "file_upload_resume": "file_upload_ready",
            "leave_room": "room_left",
            "unsubscribe": "unsubscribed",
            "notification_ack": None,
            "rpc_cancel": None,
        }
        assert {*counted, *answers} == schemas.messages_of(schemas.CLIENT)
        for i in range(times):
            free = {
                "heartbeat": {"sequence": i},
                "auth_refresh": {"token": credentials.token("a")},
                "file_upload_resume": {"upload_id": upload.id},
                "leave_room": {"room_id": f"lobby_{i}"},
                "unsubscribe": {"subscription_id": f"sub_{i}"},
                "notification_ack": {"notification_id": notified[i]},
                "rpc_cancel": {"call_id": "ended"},
            }
            sent = {"file_chunk": await upload.send(c, i)} | {kind: await c.send(kind, data) for kind, data in free.items()}
            replies = {kind: (await c.reply(sent[kind]))["type"] for kind, answer in answers.items() if answer}
            assert replies == {kind: answer for kind, answer in answers.items() if answer}
        # What has no reply would have an error before this one.
        assert (await c.request("heartbeat", {"sequence": times}))["type"] == "heartbeat"
        assert not [message for message in c.inbox if message["type"] == "error"]
        # Each notification that was sent here allows one acknowledgement.
        assert limited(await c.request("notification_ack", {"notification_id": notified[0]}))
        replies = {kind: await c.request(kind, data) for kind, data in counted.items()}
        assert all(map(limited, replies.values())), replies


RESUMED = {"options": {"resume": {"epoch": "e", "offset": 0}}}
RESUMES = {
    "join_room": lambda i: {"room_id": f"lobby_{i}", **RESUMED},
    "subscribe": lambda i: {"stream_type": "events", "resource_id": "orders", **RESUMED},
}


@pytest.mark.parametrize("kind", RESUMES)
async def test_resumes_are_not_counted_at_first(make_covet, kind):
    """As many as the connection may hold; then they count, whatever becomes of them."""
    covet = make_covet(limits={"messages": "1/h", "rooms_per_connection": 5, "subscriptions_per_connection": 5})
    async with covet.connect() as c:
        for i in range(5):
            assert (await c.request(kind, RESUMES[kind](i)))["type"] in ("room_joined", "subscribed")
        assert (await c.error(kind, RESUMES[kind](5)))["details"]["reason"] == "TOO_MANY"
        assert limited(await c.request(kind, RESUMES[kind](6)))


async def test_uploads_that_a_connection_does_not_have_count(make_covet):
    """Each asks the files service. A client that comes back may ask for as many as it may have."""
    covet = make_covet(limits={"messages": "3/h"})
    mine = Upload(random_bytes(3000), chunk_size=1000)
    async with covet.connect("a") as c:
        await mine.ready(c)
    async with covet.connect("a") as c:
        for _ in range(63):
            assert (await Upload(b"x").resume(c))["data"]["error_code"] == "NOT_FOUND"
        assert (await mine.resume(c))["type"] == "file_upload_ready"
        for _ in range(3):
            assert (await Upload(b"x").put(c, 0))["data"]["error_code"] == "NOT_FOUND"
        for refused in (await Upload(b"x").put(c, 0), await Upload(b"x").resume(c)):
            assert limited(refused)
            assert (refused["data"]["rate_limit"]["limit"], refused["data"]["rate_limit"]["remaining"]) == (3, 0)
        # Its own goes on.
        assert (await mine.resume(c))["type"] == "file_upload_ready"
        await mine.send_all(c, 2)
        await mine.processed(c)


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
        assert (error["error_code"], error["recoverable"]) == ("CONFLICT", False)
        assert error["details"] == {"reason": "TOO_MANY", "limit": "3"}
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
    # What has no bound is missing.
    assert not [name for name in clients[0].ack["data"]["limits"] if name == "connections" or "_per_" in name]
    for i in range(20):
        assert (await clients[0].request("heartbeat", {"sequence": i}))["type"] == "heartbeat"
        await clients[0].join(f"lobby_{i}")
    for client in clients:
        await client.close()


async def test_grpc_payload_limit(covet, room):
    import grpc

    from harness.grpc_api import error_info

    payload = module("common.v1.common_pb2").Payload
    with Api(covet.grpc_address()) as api:
        api.rooms("CreateRoom", room_id=room)
        with pytest.raises(grpc.RpcError) as refused:
            api.rooms("Publish", room_id=room, event_type="t", payload=payload(json='"' + "x" * 65535 + '"'))
        assert error_info(refused.value).reason == "MESSAGE_TOO_LARGE"
