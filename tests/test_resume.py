"""Coming back to a room: resume, history, epochs, retention."""

import pytest

from harness.grpc_api import Api, module

pytestmark = pytest.mark.protocol


def grpc_room(api, room, **retention):
    pb = module("rooms.v1.rooms_pb2")
    return api.rooms("CreateRoom", room_id=room, retention=pb.Retention(**retention) if retention else None)


async def test_resume_replays_what_was_missed_and_goes_on(covet, room):
    async with covet.connect("a") as a, covet.connect("b") as b:
        await a.join(room)
        joined = await b.join(room)
        for i in range(3):
            await a.publish(room, i)
        last = (await b.events(room, 3))[-1]["data"]["offset"]
        b.abort()
        for i in range(3, 6):
            await a.publish(room, i)
        async with covet.connect("b") as again:
            back = await again.join(room, resume={"epoch": joined["epoch"], "offset": last})
            assert (back["recovered"], back["offset"], back["epoch"]) == (True, 6, joined["epoch"])
            events = await again.events(room, 3)
            assert [(e["data"]["offset"], e["data"].get("replayed")) for e in events] == [(4, True), (5, True), (6, True)]
            await a.publish(room, "live")
            live = await again.event(room)
            assert live["data"]["offset"] == 7
            assert "replayed" not in live["data"]
            # The same message, whether live or replayed.
            original = (await a.events(room, 7))[3]
            del events[0]["data"]["replayed"]
            assert events[0] == original


async def test_history_replays_the_newest(covet, room):
    async with covet.connect("a") as a, covet.connect("b") as b:
        await a.join(room)
        for i in range(10):
            await a.publish(room, i)
        joined = await b.join(room, history=4)
        assert joined["offset"] == 10
        assert [e["data"]["payload"] for e in await b.events(room, 4)] == [6, 7, 8, 9]
        # resume wins over history.
        await b.join(room, history=4, resume={"epoch": joined["epoch"], "offset": 9})
        assert (await b.event(room))["data"]["offset"] == 10


async def test_a_long_replay_is_complete_and_live_events_follow(covet, room):
    async with covet.connect("a") as a, covet.connect("b") as b:
        await a.join(room)
        for i in range(3000):
            await a.send("room_message", {"room_id": room, "event_type": "n", "payload": [i, "x" * 500]}, id=f"m{i}")
        await a.reply("m2999")
        epoch = (await a.join(room))["epoch"]
        await b.send("join_room", {"room_id": room, "options": {"resume": {"epoch": epoch, "offset": 0}}}, id="j")
        for i in range(3000, 3100):
            await a.send("room_message", {"room_id": room, "event_type": "n", "payload": [i, ""]}, id=f"m{i}")
        joined = await b.reply("j")
        assert joined["data"]["recovered"] is True
        events = await b.events(room, 3100)
        assert [e["data"]["offset"] for e in events] == list(range(1, 3101))
        assert [e["data"]["payload"][0] for e in events] == list(range(3100))
        replayed = [e["data"]["offset"] for e in events if e["data"].get("replayed")]
        assert replayed == list(range(1, joined["data"]["offset"] + 1))


async def test_a_wrong_epoch_replays_nothing(covet, room):
    async with covet.connect("a") as a:
        await a.join(room)
        await a.publish(room, 1)
        joined = await a.join(room, resume={"epoch": "wrong", "offset": 0})
        assert joined["recovered"] is False
        await a.publish(room, 2)
        # The first event is the message that was sent before; then comes the new one, with no replay in between.
        assert [e["data"]["offset"] for e in await a.events(room, 2)] == [1, 2]


async def test_an_offset_beyond_the_log_is_not_recovered(covet, room):
    async with covet.connect("a") as a:
        joined = await a.join(room)
        back = await a.join(room, resume={"epoch": joined["epoch"], "offset": 1000})
        assert back["recovered"] is False


async def test_what_retention_has_taken_is_announced(covet, room):
    with Api(covet.grpc_address()) as api:
        grpc_room(api, room, max_count=5)
        async with covet.connect("a") as a, covet.connect("b") as b:
            epoch = (await a.join(room))["epoch"]
            for i in range(20):
                await a.publish(room, i)
            # Trimming goes in bounded steps: wait for it, then ask for what is gone.
            while (first := api.rooms("GetRoom", room_id=room).first_offset) < 16:
                await a.request("heartbeat", {"sequence": 1})
            assert first == 16
            joined = await b.join(room, resume={"epoch": epoch, "offset": 3})
            assert joined["recovered"] is False
            assert [e["data"]["offset"] for e in await b.events(room, 5)] == [16, 17, 18, 19, 20]
            assert (await a.join(room, resume={"epoch": epoch, "offset": 15}))["recovered"] is True


async def test_a_room_that_is_made_again_has_another_epoch(covet, room):
    with Api(covet.grpc_address()) as api:
        grpc_room(api, room)
        async with covet.connect("a") as a:
            joined = await a.join(room)
            await a.publish(room, 1)
            await a.event(room)
            api.rooms("DeleteRoom", room_id=room)
            assert (await a.expect("room_left", room_id=room))["data"]["reason"] == "deleted"
            grpc_room(api, room)
            back = await a.join(room, resume={"epoch": joined["epoch"], "offset": 1})
            assert back["recovered"] is False
            assert back["epoch"] != joined["epoch"]
            assert (await a.publish(room, 2))["offset"] == 1
