"""Presence: who is in a room, told once."""

import pytest

from harness.grpc_api import Api

pytestmark = pytest.mark.protocol


async def test_joined_and_left(covet, room):
    async with covet.connect("watcher") as watcher:
        await watcher.join(room)
        assert await watcher.presence(room) == {"action": "joined", "user_id": "watcher", "member_count": 1}
        async with covet.connect("guest") as guest:
            assert (await guest.join(room))["member_count"] == 2
            assert await watcher.presence(room) == {"action": "joined", "user_id": "guest", "member_count": 2}
        # The connection has gone; the user follows after the grace.
        assert await watcher.presence(room) == {"action": "left", "user_id": "guest", "member_count": 1}


async def test_one_user_on_several_sessions_counts_once(covet, room):
    async with covet.connect("watcher") as watcher, covet.connect("guest") as first:
        await watcher.join(room)
        await watcher.presence(room)
        await first.join(room)
        assert (await watcher.presence(room))["action"] == "joined"
        async with covet.connect("guest") as second:
            assert (await second.join(room))["member_count"] == 2
        # Neither the second session's coming nor its going is told: the next is the last one's leaving.
        await first.leave(room)
        assert await watcher.presence(room) == {"action": "left", "user_id": "guest", "member_count": 1}
        assert not [m for m in watcher.inbox if m["type"] == "room_event"]


@pytest.mark.parametrize("mode", ["all", "split"])
async def test_a_reconnect_shows_nothing(make_covet, room, mode):
    covet = make_covet(mode, rooms={"presence_grace": "60s"})
    async with covet.connect("watcher") as watcher:
        await watcher.join(room)
        await watcher.presence(room)
        guest = await covet.connect("guest")
        await guest.join(room)
        assert (await watcher.presence(room))["action"] == "joined"
        guest.abort()
        async with covet.connect("guest") as again:
            await again.join(room)
            async with covet.connect("third") as third:
                await third.join(room)
                assert await watcher.presence(room) == {"action": "joined", "user_id": "third", "member_count": 3}


async def test_filters_choose_presence(covet, room):
    async with covet.connect("a") as without, covet.connect("b") as with_it:
        await without.join(room, filter={"event_types": ["note"]})
        await with_it.join(room, filter={"event_types": ["user_activity"]})
        async with covet.connect("c") as c:
            await c.join(room)
            await with_it.take(lambda m: m["type"] == "room_event" and m["data"]["payload"].get("user_id") == "c", "c's joining")
            await c.publish(room, 1)
            event = await without.expect("room_event")
            assert event["data"]["event_type"] == "note"
            assert not [m for m in without.inbox if m["type"] == "room_event"]


async def test_members_by_grpc(covet, room):
    async with covet.connect("a") as a, covet.connect("b") as b1, covet.connect("b") as b2:
        for client in (a, b1, b2):
            await client.join(room)
        with Api(covet.grpc_address()) as api:
            answer = api.rooms("ListMembers", room_id=room)
            assert answer.member_count == 2
            assert {m.user_id: set(m.session_ids) for m in answer.members} == {
                "a": {a.session_id},
                "b": {b1.session_id, b2.session_id},
            }


async def test_big_rooms_show_counts_only(make_covet):
    covet = make_covet(rooms={"presence_count_threshold": 3})
    room = "lobby_big"
    async with covet.connect("watcher") as watcher:
        await watcher.join(room)
        guests = []
        for i in range(6):
            guests.append(await covet.connect(f"guest{i}"))
            await guests[-1].join(room)
        count = await watcher.take(
            lambda m: m["type"] == "room_event" and m["data"]["payload"].get("action") == "count" and m["data"]["payload"]["member_count"] == 7,
            "the count of all seven",
        )
        assert count["data"]["payload"] == {"action": "count", "member_count": 7}
        for guest in guests:
            await guest.close()
