"""Members that are taken out, rooms that end."""

import pytest

from harness.grpc_api import Api, module

pytestmark = pytest.mark.protocol


async def test_removing_a_user_or_one_session(covet, room):
    with Api(covet.grpc_address()) as api:
        async with covet.connect("a") as a1, covet.connect("a") as a2, covet.connect("b") as b:
            for client in (a1, a2, b):
                await client.join(room)
            assert api.rooms("RemoveMember", room_id=room, user_id="a", session_id=a2.session_id).removed_sessions == 1
            assert (await a2.expect("room_left"))["data"] == {"room_id": room, "reason": "removed"}
            await b.publish(room, 1)
            assert (await a1.event(room))["data"]["offset"] == 1
            assert api.rooms("RemoveMember", room_id=room, user_id="a").removed_sessions == 1
            assert (await a1.expect("room_left"))["data"]["reason"] == "removed"
            error = await a1.error("room_message", {"room_id": room, "event_type": "n", "payload": 1})
            assert error["details"]["reason"] == "NOT_JOINED"
            # Removal is not a ban.
            assert (await a1.join(room))["offset"] == 1


async def test_a_deleted_room_is_gone(covet):
    room = "kept_deleted"
    with Api(covet.grpc_address()) as api:
        api.rooms("CreateRoom", room_id=room)
        async with covet.connect("a") as a:
            await a.join(room)
            api.rooms("DeleteRoom", room_id=room)
            assert (await a.expect("room_left"))["data"] == {"room_id": room, "reason": "deleted"}
            assert (await a.error("join_room", {"room_id": room}))["error_code"] == "ROOM_NOT_FOUND"


async def test_grants_of_a_room_add_to_roles(covet):
    pb = module("rooms.v1.rooms_pb2")
    room = "kept_granted"
    with Api(covet.grpc_address()) as api:
        grant = pb.RoomGrant(user_id="friend", actions=["room:read", "room:write"])
        api.rooms("CreateRoom", room_id=room, grants=[grant])
        async with covet.connect("friend", roles=[]) as friend, covet.connect("stranger", roles=[]) as stranger:
            assert (await friend.join(room))["permissions"] == ["read", "write"]
            assert (await stranger.error("join_room", {"room_id": room}))["error_code"] == "PERMISSION_DENIED"
        api.rooms("DeleteRoom", room_id=room)
