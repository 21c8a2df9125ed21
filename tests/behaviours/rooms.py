"""Rooms: nothing lost, nothing repeated, gaps told."""

import asyncio
import base64

import pytest

from behaviours.common import NOTES, connect
from harness.client_agent import AgentError
from harness.grpc_api import Api
from harness.process import TIMEOUT
from harness.proxy import SERVER, Proxy
from harness.uploads import random_bytes


async def room_over_cuts(covet, agent, room):
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


async def room_over_a_stall(covet, agent, room):
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


async def room_over_a_killed_server(make_covet, agent):
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


async def room_gap_told(make_covet, agent):
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


async def offline_queue(covet, agent, room):
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


async def room_ended_by_the_server(covet, agent, room, user):
    with Api(covet.grpc_address()) as api:
        async with agent() as a:
            await connect(a, covet.ws_url, user)
            await a.do("join", room=room)
            api.rooms("RemoveMember", room_id=room, user_id=user)
            end = (await a.take("room_event_end"))[0]
            assert (end["error"]["type"], end["error"]["reason"]) == ("EndedError", "removed")


async def joins_wait(covet, agent, room):
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url, queue_size=2)
        proxy.refuse()
        proxy.cut()
        await a.take("disconnected")
        run = {"stream_type": "events", "resource_id": "orders"}
        waiting = [a.start("join", room=room, options=NOTES), a.start("subscribe", **{"as": "s"}, **run)]
        with pytest.raises(AgentError) as full:
            await a.do("join", room=room + "_more")
        assert full.value.type == "QueueFullError"
        proxy.refuse(False)
        for answer in waiting:
            await answer
        await a.do("send", room=room, payload=1)
        await a.take("room_event", of=room)


async def unanswered(make_covet, agent):
    covet = make_covet(limits={"rooms_per_connection": 1, "subscriptions_per_connection": 1})
    # Side by side, since each waits for answers that don't come.
    await asyncio.gather(_first_unanswered(covet, agent), _later_unanswered(covet, agent))


ORDERS = {"stream_type": "events", "resource_id": "orders"}


async def _first_unanswered(covet, agent):
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        proxy.stall()
        for answer in [a.start("join", room="lobby_late"), a.start("subscribe", **{"as": "late"}, **ORDERS)]:
            with pytest.raises(AgentError) as late:
                await answer
            assert late.value.type == "RequestTimeoutError"
        proxy.go()
        await _places_are_free(a)


async def _later_unanswered(covet, agent):
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url, reconnect={"delay": 0.01, "max_attempts": 1})
        await a.do("join", room="lobby_late")
        await a.do("subscribe", **{"as": "late"}, **ORDERS)
        # Of the next connection nothing but the server's first message gets through.
        proxy.stall_after(SERVER, 1)
        proxy.cut()
        for end in [await a.take("room_event_end", of="lobby_late"), await a.take("data_end", of="late")]:
            assert end[0]["error"]["type"] == "RequestTimeoutError"
        proxy.go()
        await _places_are_free(a)


async def _places_are_free(a):
    """Once the server has taken back what it has answered too late."""
    for command, args in {"join": {"room": "lobby_other"}, "subscribe": {"as": "other", **ORDERS}}.items():
        async with asyncio.timeout(2 * TIMEOUT):
            while not await _accepted(a, command, args):
                await asyncio.sleep(0.05)
    assert not a.told("error")


async def _accepted(a, command, args):
    try:
        await a.do(command, **args)
    except AgentError as error:
        assert error.details["reason"] == "TOO_MANY", vars(error)
        return False
    return True


async def joins_refused(covet, agent, room):
    async with Proxy(covet.http_address, wrong="not a list") as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("join", room=room, options=NOTES)
        wrong = [{"filter": {"event_types": f"not a list, {n}"}} for n in range(2)]
        for answer in [a.start("join", room=room, options=options) for options in wrong]:
            with pytest.raises(AgentError) as refused:
                await answer
            assert refused.value.type == "ServerError", vars(refused.value)
        proxy.cut()
        await a.take("disconnected")
        await a.take("connected", 2)
        assert (await a.do("send", room=room, payload=1))["offset"] == 1
        await a.take("room_event", of=room)
        assert not a.told("room_event_end")


async def answered_late(covet, agent, room):
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("join", room=room, options=NOTES)
        proxy.stall()
        unknown = {"as": "unknown", "stream_type": "events", "resource_id": "no_such_stream"}
        for answer in [a.start("leave", room=room), a.start("subscribe", **unknown)]:
            with pytest.raises(AgentError) as late:
                await answer
            assert late.value.type == "RequestTimeoutError"
        again = a.start("join", room=room, options=NOTES)
        await a.do("session")
        # The server reads everything only now, and answers in that order.
        proxy.go()
        await again
        assert (await a.do("send", room=room, payload=1))["offset"] == 1
        await a.take("room_event", of=room)
        assert len(a.told("room_event_end")) == 1  # Of the first.
        with pytest.raises(AgentError) as refused:
            await a.do("subscribe", **unknown)
        assert refused.value.code == "SUBSCRIPTION_FAILED"
        assert not a.told("error")


async def room_over_a_restarted_service(make_covet, agent):
    covet = make_covet("split")
    rooms = covet.process("rooms")
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("join", room="lobby_restart", options=NOTES)
        await a.do("send", room="lobby_restart", payload=0)
        await asyncio.to_thread(rooms.kill)
        # What it joins is away when it comes back.
        proxy.cut()
        await a.take("connected", 2)
        waiting = a.start("send", room="lobby_restart", payload=1)
        await a.do("session")
        await asyncio.to_thread(rooms.start)
        assert (await waiting)["offset"] == 2
        async with covet.connect("other") as other:
            await other.join("lobby_restart")
            for n in range(2, 5):
                await other.publish("lobby_restart", n)
        assert [event["payload"] for event in await a.items("room_event", 5)] == list(range(5))
        assert not [told for told in a.events if told["event"] == "gap"]


async def slow_consumer(make_covet, agent):
    covet = make_covet(edge={"outbound_head_age": "2s"})
    # More than the kernel takes for a socket that nobody reads, and not to be compressed to less.
    pieces = [base64.b64encode(random_bytes(45_000)).decode() for _ in range(150)]
    async with Proxy(covet.http_address, narrow=True) as proxy, agent() as a, covet.connect("other") as other:
        await connect(a, proxy.ws_url, "slow")
        await a.do("join", room="lobby_slow", options=NOTES)
        await other.join("lobby_slow", filter={"event_types": ["none"]})
        proxy.freeze()
        for piece in pieces:
            await other.publish("lobby_slow", piece)
        await asyncio.to_thread(covet.edge.wait_log, "disconnected", user_id="slow", close_code=4413)
        proxy.go()
        assert [event["payload"] for event in await a.items("room_event", len(pieces))] == pieces
        assert proxy.accepted > 1


async def room_epoch_changed(make_covet, agent):
    covet = make_covet()
    async with agent() as a:
        await connect(a, covet.ws_url)
        await a.do("join", room="memory_room", options=NOTES)
        await a.do("send", room="memory_room", payload=1)
        await a.take("room_event")
        await asyncio.to_thread(covet.edge.kill)
        await asyncio.to_thread(covet.edge.start)
        assert (await a.items("gap"))[0]["reason"] == "epoch_changed"
        await a.do("send", room="memory_room", payload=2)
        events = await a.items("room_event", 2)
        assert [event["payload"] for event in events] == [1, 2]
        assert events[0]["epoch"] != events[1]["epoch"]


async def abandoned_reader(covet, agent, room):
    count = 10_500  # More than wait for one reader.
    async with agent() as a, covet.connect("other") as other:
        await connect(a, covet.ws_url)
        for abandon in ("abandon", "close_reader"):
            left = f"{room}_{abandon}"
            await a.do("join", room=left, options=NOTES)
            await a.do("join", room=left, options=NOTES, quiet=True)
            await other.join(left, filter={"event_types": ["none"]})
            sent = [await other.send("room_message", {"room_id": left, "event_type": "note", "payload": n}) for n in range(count)]
            await other.reply(sent[-1])
            await a.do("call", method="system.ping")
            await a.do(abandon, room=left)
            for n in range(count, count + 10):
                await other.publish(left, n)
            events = await a.items("room_event", count + 10, of=left)
            assert [event["payload"] for event in events] == list(range(count + 10))
        assert not a.told("gap")


async def slow_reader(covet, agent, room):
    count = 10_500  # More than wait for one reader.
    async with agent() as a, covet.connect("other") as other:
        await connect(a, covet.ws_url)
        await a.do("join", room=room, options=NOTES, quiet=True)
        await other.join(room, filter={"event_types": ["none"]})
        sent = [await other.send("room_message", {"room_id": room, "event_type": "note", "payload": n}) for n in range(count)]
        await other.reply(sent[-1])
        # Its connection is not held up.
        await a.do("call", method="system.ping")
        assert await a.do("read", room=room, count=count) == list(range(1, count + 1))
        assert not [told for told in a.events if told["event"] == "gap"]
