"""Both client libraries against real servers, by the same list of behaviours, with faults between."""

import asyncio
import shutil
from pathlib import Path

import pytest

from harness import credentials
from harness.client_agent import AgentError, ClientAgent
from harness.grpc_api import Api, module
from harness.proxy import Proxy

ROOT = Path(__file__).resolve().parent.parent
FAST = {"delay": 0.05, "max_attempts": 400}
NOTES = {"filter": {"event_types": ["note"]}}
SILENT = {"filter": {"event_types": []}}


@pytest.fixture(params=["python", "js"])
def agent(request):
    """Makes agents of one library: `async with agent() as a`."""
    if request.param == "js" and not (shutil.which("node") and (ROOT / "clients/js/dist/index.js").exists()):
        pytest.skip("clients/js is not built: it needs Node.js and npm")
    return lambda: ClientAgent(request.param)


def token(user="user_123", roles=("admin",), **claims):
    return credentials.token(user, roles, **claims)


async def connect(agent, url, user="user_123", **options):
    return await agent.do("connect", url=url, tokens=[token(user)], **{"reconnect": FAST, **options})


async def test_a_room(covet, agent, room, user):
    async with agent() as a:
        assert (await connect(a, covet.ws_url, user))["user_id"] == user
        joined = await a.do("join", room=room, options=NOTES)
        assert joined == {"permissions": ["read", "write", "manage"], "member_count": 1}
        assert await a.do("send", room=room, payload={"n": 1}, correlation_id="c1") == {"offset": 1, "duplicate": False}
        (event,) = await a.items("room_event", of=room)
        assert (event["payload"], event["offset"], event["correlation_id"]) == ({"n": 1}, 1, "c1")
        again = await a.do("send", room=room, payload=2, idempotency_key="k")
        assert await a.do("send", room=room, payload=2, idempotency_key="k") == {**again, "duplicate": True}
        await a.do("leave", room=room)
        assert "error" not in (await a.take("room_event_end", of=room))[0]
        with pytest.raises(AgentError) as ended:
            await a.do("send", room=room, payload=1)
        assert ended.value.type == "EndedError"


async def test_errors_are_typed(covet, agent):
    async with agent() as a:
        with pytest.raises(AgentError) as refused:
            await a.do("connect", url=covet.ws_url, tokens=["nonsense"])
        assert (refused.value.type, refused.value.code) == ("AuthenticationError", "AUTH_FAILED")
        with pytest.raises(AgentError) as lost:
            await a.do("connect", url="ws://127.0.0.1:1/ws", tokens=[token()])
        assert lost.value.type == "ConnectionLostError"
        await a.do("connect", url=covet.ws_url, tokens=[token("user_7", ("viewer",))])
        with pytest.raises(AgentError) as denied:
            await a.do("join", room="secret")
        assert denied.value.type == "PermissionDeniedError"
        with pytest.raises(AgentError) as wrong:
            await a.do("join", room="not a room id")
        assert (wrong.value.type, wrong.value.details["field"]) == ("ServerError", "data.room_id")
        with pytest.raises(AgentError) as call:
            await a.do("call", method="no.such_method")
        assert call.value.type == "RpcError"
        await a.do("close")
        with pytest.raises(AgentError):
            await a.do("join", room="lobby_1")


async def test_an_api_key_connects(covet, agent):
    async with agent() as a:
        assert (await a.do("connect", url=covet.ws_url, api_key=credentials.API_KEY))["user_id"] == credentials.API_KEY_USER


async def test_nothing_is_lost_or_repeated_over_cuts(covet, agent, room):
    async with Proxy(covet.http_address) as proxy, agent() as a, covet.connect("other") as other:
        await connect(a, proxy.ws_url, "user_cut")
        await a.do("join", room=room, options=NOTES)
        await other.join(room)
        for n in range(60):
            if n % 10 == 5:
                proxy.cut()
            # Alternately through the connection that is cut and beside it.
            if n % 2:
                await a.do("send", room=room, payload=n)
            else:
                await other.publish(room, n)
        events = await a.items("room_event", 60, of=room)
        assert [event["offset"] for event in events] == list(range(1, 61))
        assert [event["payload"] for event in events] == list(range(60))
        assert not [told for told in a.events if told["event"] == "gap"]
        assert proxy.accepted > 1


async def test_a_stalled_connection_loses_nothing(covet, agent, room):
    async with Proxy(covet.http_address) as proxy, agent() as a, covet.connect("other") as other:
        await connect(a, proxy.ws_url, "user_stall")
        await a.do("join", room=room, options=NOTES)
        await other.join(room)
        proxy.stall()
        for n in range(20):
            await other.publish(room, n)
        waiting = a.start("send", room=room, payload=20)
        proxy.go()
        assert (await waiting)["offset"] == 21
        assert [event["payload"] for event in await a.items("room_event", 21, of=room)] == list(range(21))


async def test_nothing_is_lost_over_a_killed_server(make_covet, agent):
    covet = make_covet()
    async with agent() as a:
        await connect(a, covet.ws_url)
        await a.do("join", room="lobby_kill", options=NOTES)
        for n in range(20):
            if n % 7 == 3:
                covet.edge.kill()
                covet.edge.start()
            await a.do("send", room="lobby_kill", payload=n)
        events = await a.items("room_event", 20)
        assert [(event["payload"], event["offset"]) for event in events] == [(n, n + 1) for n in range(20)]


async def test_a_gap_is_told(make_covet, agent):
    covet = make_covet(rooms={"patterns": [{"pattern": "lobby_*", "retention": {"max_count": 5}}]})
    async with Proxy(covet.http_address) as proxy, agent() as a, covet.connect("other") as other:
        await connect(a, proxy.ws_url)
        await a.do("join", room="lobby_gap", options=NOTES)
        await other.join("lobby_gap")
        await other.publish("lobby_gap", 0)
        await a.take("room_event")
        proxy.refuse()
        proxy.cut()
        for n in range(1, 2001):
            await other.publish("lobby_gap", n)
        proxy.refuse(False)
        assert (await a.items("gap"))[0]["reason"] == "evicted"
        await other.publish("lobby_gap", 2001)
        await a.take("room_event", 3)
        offsets = [told["item"]["offset"] for told in a.events if told["event"] == "room_event"]
        assert offsets == sorted(set(offsets))


async def test_messages_wait_for_a_connection_within_a_bound(covet, agent, room):
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url, queue_size=3)
        await a.do("join", room=room)
        proxy.refuse()
        proxy.cut()
        await a.take("disconnected")
        waiting = [a.start("send", room=room, payload=n) for n in range(3)]
        with pytest.raises(AgentError) as full:
            await a.do("send", room=room, payload=3)
        assert full.value.type == "QueueFullError"
        with pytest.raises(AgentError) as nowhere:
            await a.do("call", method="system.ping")
        assert nowhere.value.type == "NotConnectedError"
        proxy.refuse(False)
        assert [(await answer)["offset"] for answer in waiting] == [1, 2, 3]


async def test_reconnecting_is_given_up(covet, agent, room):
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url, reconnect={"delay": 0.01, "max_attempts": 2})
        await a.do("join", room=room)
        proxy.refuse()
        proxy.cut()
        assert (await a.take("room_event_end"))[0]["error"]["type"] == "ConnectionLostError"
        with pytest.raises(AgentError):
            await a.do("join", room=room)


async def test_a_final_close_is_not_answered_by_coming_back(make_covet, agent):
    covet = make_covet(edge={"abuse": {"close_after": 1000, "block_after": 5}})
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("join", room="lobby_abuse")
        for _ in range(6):
            with pytest.raises(AgentError):
                await a.do("join", room="not a room id")
        assert (await a.take("room_event_end"))[0]["error"]["type"] == "ConnectionLostError"
        assert proxy.accepted == 1


async def test_a_token_is_renewed(make_covet, agent):
    covet = make_covet(edge={"auth_expiring_before": "1m"})
    async with agent() as a:
        # The first one is about to end.
        tokens = [token(ttl=30), token(ttl=3600), token(ttl=3600)]
        session = (await a.do("connect", url=covet.ws_url, tokens=tokens))["session_id"]
        renewed = await asyncio.to_thread(covet.edge.wait_log, "token_renewed")
        assert renewed["session_id"] == session


async def test_notifications_come_once_and_are_acknowledged(covet, agent, user):
    with Api(covet.grpc_address()) as api:
        message = module("rooms.v1.notifications_pb2").Notification(notification_type="info", title="Hello", message="text")
        waiting = api.notify(user_id=user, notification=message)
        async with agent() as a, agent() as other:
            await connect(a, covet.ws_url, user)
            await a.take("notification")
            await connect(other, covet.ws_url, user)
            live = api.notify(user_id=user, notification=message)
            got = await a.items("notification", 2)
            assert [each["notification_id"] for each in got] == [waiting.notification_id, live.notification_id]
            assert got[0]["title"] == "Hello"
            assert await other.items("notification_read") == [live.notification_id]


async def test_the_server_ends_a_room(covet, agent, room, user):
    with Api(covet.grpc_address()) as api:
        async with agent() as a:
            await connect(a, covet.ws_url, user)
            await a.do("join", room=room)
            api.rooms("RemoveMember", room_id=room, user_id=user)
            end = (await a.take("room_event_end"))[0]
            assert (end["error"]["type"], end["error"]["reason"]) == ("EndedError", "removed")


async def test_history_and_metrics(covet, agent, room):
    async with agent() as a, covet.connect("other") as other:
        await other.join(room)
        for n in range(5):
            await other.publish(room, n)
        await connect(a, covet.ws_url)
        await a.do("join", room=room, options={**NOTES, "history": 2, "subscribe_to_metrics": True})
        events = await a.items("room_event", 2, of=room)
        assert [(event["payload"], event["replayed"]) for event in events] == [(3, True), (4, True)]
        assert "members" in (await a.items("metrics", of=room))[0]
