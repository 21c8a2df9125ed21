"""What configuration or a room's grants no longer allow ends, for WebSocket members and for gRPC's Join."""

import asyncio

import grpc
import pytest
from google.protobuf import field_mask_pb2

from harness import credentials
from harness.grpc_api import Api, bearer, error_info, module

pytestmark = pytest.mark.protocol


def sit_in(api, room):
    """Joins by gRPC, and hears of no event."""
    call = api.rooms("Join", room_id=room, event_types=["none"], stream=True)
    assert next(call).joined.room.room_id == room
    return call


async def test_a_role_that_is_narrowed(make_covet):
    covet = make_covet()
    roles = covet.edge.config["roles"]
    roles["reader"] = {"grants": [{"action": "room:read", "pattern": "*"}]}
    covet.edge.reload()
    with Api(covet.grpc_address(), bearer("g", ["reader"])) as api:
        async with covet.connect("r", roles=["reader"]) as reader, covet.connect("a") as admin:
            for c in (reader, admin):
                for room in ("project_123", "lobby_1"):
                    await c.join(room)
            call = sit_in(api, "project_123")
            roles["reader"]["grants"] = [{"action": "room:read", "pattern": "lobby_*"}]
            covet.edge.reload()
            await reader.expect("room_left", room_id="project_123", reason="permission_revoked")
            left = await asyncio.to_thread(next, call)
            assert left.left.reason == "permission_revoked"
            assert (await reader.error("join_room", {"room_id": "project_123"}))["error_code"] == "PERMISSION_DENIED"
            # Who may still read goes on.
            for room in ("project_123", "lobby_1"):
                await admin.publish(room, 1)
                await admin.event(room)
            await reader.event("lobby_1")


async def test_a_rooms_grants_are_taken_away(covet, room):
    pb = module("rooms.v1.rooms_pb2")
    read = ["room:read"]
    grants = [pb.RoomGrant(user_id="u", actions=read), pb.RoomGrant(user_id="g", actions=read), pb.RoomGrant(role="guest", actions=read)]
    with Api(covet.grpc_address()) as admin, Api(covet.grpc_address(), bearer("g", [])) as api:
        admin.rooms("CreateRoom", room_id=room, grants=grants)
        async with covet.connect("u", roles=[]) as user, covet.connect("v", roles=["guest"]) as guest:
            for c in (user, guest):
                await c.join(room)
            call = sit_in(api, room)
            changed = pb.Room(room_id=room, grants=grants[2:])
            admin.rooms("UpdateRoom", room=changed, update_mask=field_mask_pb2.FieldMask(paths=["grants"]))
            await user.expect("room_left", room_id=room, reason="permission_revoked")
            assert (await asyncio.to_thread(next, call)).left.reason == "permission_revoked"
            with pytest.raises(grpc.RpcError) as refused:
                next(api.rooms("Join", room_id=room, stream=True))
            assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
            admin.rooms("Publish", room_id=room, event_type="t", payload=module("common.v1.common_pb2").Payload(json="1"))
            await guest.event(room)


def test_calls_of_a_key_whose_roles_change_are_made_anew(make_covet):
    covet = make_covet()
    with Api(covet.grpc_address(), (("x-api-key", credentials.API_KEY),)) as api:
        call = sit_in(api, "project_123")
        covet.edge.config["auth"]["api_keys"][0]["roles"] = ["member"]
        covet.edge.reload()
        with pytest.raises(grpc.RpcError) as ended:
            next(call)
        assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
        assert error_info(ended.value).reason == "UNAVAILABLE"
        with pytest.raises(grpc.RpcError) as refused:
            next(api.rooms("Join", room_id="project_123", stream=True))
        assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
