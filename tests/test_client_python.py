"""clients/python against real servers, with faults between."""

import asyncio
import sys
from pathlib import Path

import pytest

from harness import credentials
from harness.grpc_api import Api, module
from harness.process import TIMEOUT
from harness.proxy import Proxy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients/python/src"))

from covetpy import client as covetpy  # noqa: E402
from covetpy.client import WebSocketClient  # noqa: E402

FAST = {"delay": 0.05, "max_attempts": 200}


def token(user="user_123", roles=("admin",), **claims):
    return credentials.token(user, roles, **claims)


async def eventually(wait):
    return await asyncio.wait_for(wait, TIMEOUT)


class Taken:
    """What a callback got, to be waited for."""

    def __init__(self):
        self.items = []
        self._changed = asyncio.Condition()

    async def __call__(self, item):
        async with self._changed:
            self.items.append(item)
            self._changed.notify_all()

    async def count(self, number):
        async with self._changed:
            await eventually(self._changed.wait_for(lambda: len(self.items) >= number))
        return self.items


def messages(events):
    return [event for event in events if event.offset is not None]


async def test_room(covet, room):
    async with WebSocketClient(covet.ws_url, token=token()) as client:
        taken = Taken()
        joined = await client.join_room(room, {"filter": {"event_types": ["note"]}}, callback=taken)
        assert joined.permissions == ["read", "write", "manage"] and joined.member_count == 1
        published = await joined.send("note", {"n": 1}, correlation_id="c1")
        assert published.offset == 1 and not published.duplicate
        (event,) = await taken.count(1)
        assert (event.payload, event.offset, event.user_id, event.correlation_id) == ({"n": 1}, 1, "user_123", "c1")
        again = await joined.send("note", {"n": 2}, idempotency_key="k")
        assert (await joined.send("note", {"n": 2}, idempotency_key="k")).offset == again.offset
        await joined.leave()
        with pytest.raises(covetpy.EndedError):
            await joined.send("note", 1)


async def test_iterating_a_room(covet, room):
    async with WebSocketClient(covet.ws_url, token=token()) as client:
        joined = await client.join_room(room, {"filter": {"event_types": ["note"]}})
        events = joined.events()
        for n in range(3):
            await joined.send("note", n)
        assert [(await eventually(events.__anext__())).payload for _ in range(3)] == [0, 1, 2]
        await joined.leave()
        with pytest.raises(StopAsyncIteration):
            await eventually(events.__anext__())


async def test_errors_are_typed(covet):
    with pytest.raises(covetpy.AuthenticationError) as refused:
        await WebSocketClient(covet.ws_url, token="nonsense").connect()
    assert refused.value.code == "AUTH_FAILED"
    with pytest.raises(covetpy.ConnectionLostError):
        await WebSocketClient("ws://127.0.0.1:1/ws", token=token()).connect()
    async with WebSocketClient(covet.ws_url, token=token("user_7", ("viewer",))) as client:
        with pytest.raises(covetpy.PermissionDeniedError):
            await client.join_room("secret")
        with pytest.raises(covetpy.RpcError) as unknown:
            await client.call("no.such_method")
        assert unknown.value.code in ("METHOD_NOT_FOUND", "PERMISSION_DENIED")


async def test_nothing_is_lost_or_repeated_over_cuts(covet, room):
    async with Proxy(covet.http_address) as proxy:
        async with WebSocketClient(proxy.ws_url, token=token("user_cut"), reconnect=FAST) as client, \
                WebSocketClient(covet.ws_url, token=token("user_other")) as other:
            taken, gaps = Taken(), Taken()
            joined = await client.join_room(room, {"filter": {"event_types": ["note"]}}, callback=taken)
            joined.on_gap(gaps)
            theirs = await other.join_room(room, {"filter": {"event_types": []}})
            for n in range(60):
                if n % 10 == 5:
                    proxy.cut()
                # Alternately through the connection that is cut and beside it.
                await eventually((joined if n % 2 else theirs).send("note", n))
            events = await taken.count(60)
            assert [event.offset for event in events] == list(range(1, 61))
            assert [event.payload for event in events] == list(range(60))
            assert gaps.items == []
            assert proxy.accepted > 1


async def test_nothing_is_lost_over_a_killed_server(make_covet):
    covet = make_covet()
    async with WebSocketClient(covet.ws_url, token=token(), reconnect=FAST) as client:
        taken = Taken()
        room = await client.join_room("lobby_kill", {"filter": {"event_types": ["note"]}}, callback=taken)
        for n in range(20):
            if n % 7 == 3:
                covet.edge.kill()
                covet.edge.start()
            await eventually(room.send("note", n))
        assert [event.payload for event in await taken.count(20)] == list(range(20))
        assert [event.offset for event in taken.items] == list(range(1, 21))


async def test_a_gap_is_told(make_covet):
    covet = make_covet(rooms={"patterns": [{"pattern": "lobby_*", "retention": {"max_count": 5}}]})
    async with Proxy(covet.http_address) as proxy:
        async with WebSocketClient(proxy.ws_url, token=token(), reconnect=FAST) as client, \
                WebSocketClient(covet.ws_url, token=token("other")) as other:
            taken, gaps = Taken(), Taken()
            joined = await client.join_room("lobby_gap", {"filter": {"event_types": ["note"]}}, callback=taken)
            joined.on_gap(gaps)
            theirs = await other.join_room("lobby_gap", {"filter": {"event_types": []}})
            await theirs.send("note", 0)
            await taken.count(1)
            proxy.refuse()
            proxy.cut()
            for n in range(1, 2001):
                await theirs.send("note", n)
            proxy.refuse(False)
            await gaps.count(1)
            assert gaps.items[0].reason == "evicted"
            while taken.items[-1].payload != 2000:
                await taken.count(len(taken.items) + 1)


async def test_messages_wait_for_a_connection_within_a_bound(covet, room):
    async with Proxy(covet.http_address) as proxy:
        async with WebSocketClient(proxy.ws_url, token=token(), reconnect=FAST, queue_size=3) as client:
            joined = await client.join_room(room)
            disconnected, connected = asyncio.Event(), asyncio.Event()
            client.on("disconnected", lambda error: disconnected.set())
            client.on("connected", connected.set)
            proxy.refuse()
            proxy.cut()
            await eventually(disconnected.wait())
            waiting = [asyncio.ensure_future(joined.send("note", n)) for n in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(covetpy.QueueFullError):
                await joined.send("note", 3)
            with pytest.raises(covetpy.NotConnectedError):
                await client.call("system.ping")
            proxy.refuse(False)
            await eventually(connected.wait())
            assert [(await eventually(answer)).offset for answer in waiting] == [1, 2, 3]


async def test_reconnecting_is_given_up(covet, room):
    async with Proxy(covet.http_address) as proxy:
        client = WebSocketClient(proxy.ws_url, token=token(), reconnect={"delay": 0.01, "max_attempts": 2})
        await client.connect()
        events = (await client.join_room(room)).events()
        proxy.refuse()
        proxy.cut()
        with pytest.raises(covetpy.ConnectionLostError):
            while True:
                await eventually(events.__anext__())
        with pytest.raises(covetpy.CovetError):
            await client.join_room(room)
        await client.close()


async def test_a_final_close_is_not_answered_by_coming_back(make_covet):
    covet = make_covet(edge={"abuse": {"close_after": 1000, "block_after": 5}})
    async with Proxy(covet.http_address) as proxy:
        client = WebSocketClient(proxy.ws_url, token=token(), reconnect=FAST)
        await client.connect()
        events = (await client.join_room("lobby_abuse")).events()
        with pytest.raises(covetpy.CovetError):
            for _ in range(20):
                with pytest.raises(covetpy.ServerError):
                    await client.join_room("not a room id")
        with pytest.raises(covetpy.ConnectionLostError, match="4503"):
            while True:
                await eventually(events.__anext__())
        await client.close()
        assert proxy.accepted == 1


async def test_a_token_is_renewed(make_covet):
    covet = make_covet(edge={"auth_expiring_before": "1m"})
    asked = []

    async def provider():
        asked.append(1)
        # The first one is about to end.
        return token(ttl=30 if len(asked) == 1 else 3600)

    async with WebSocketClient(covet.ws_url, token=provider, reconnect=FAST) as client:
        renewed = await asyncio.to_thread(covet.edge.wait_log, "token_renewed")
        assert renewed["session_id"] == client.session_id
        assert len(asked) == 2


async def test_notifications_come_once_and_are_acknowledged(covet, user):
    with Api(covet.grpc_address()) as api:
        message = module("rooms.v1.notifications_pb2").Notification(notification_type="info", title="Hello", message="text")
        waiting = api.notify(user_id=user, notification=message)
        client, other = (WebSocketClient(covet.ws_url, token=token(user)) for _ in range(2))
        got, read = Taken(), Taken()
        client.on("notification", got)
        other.on("notification_read", read)
        async with client:
            await got.count(1)
            async with other:
                live = api.notify(user_id=user, notification=message)
                assert [n.notification_id for n in await got.count(2)] == [waiting.notification_id, live.notification_id]
                assert await read.count(1) == [live.notification_id]


async def test_the_server_ends_a_room(covet, room):
    with Api(covet.grpc_address()) as api:
        async with WebSocketClient(covet.ws_url, token=token("user_out")) as client:
            joined = await client.join_room(room)
            events = joined.events()
            api.rooms("RemoveMember", room_id=room, user_id="user_out")
            with pytest.raises(covetpy.EndedError) as ended:
                while True:
                    await eventually(events.__anext__())
            assert ended.value.reason == joined.ended == "removed"
