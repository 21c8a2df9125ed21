"""The audit log: what it tells of, and that it tells of a refused action once."""

import asyncio
import json

import grpc
import pytest
from google.protobuf import struct_pb2

from harness import credentials
from harness.grpc_api import Api, bearer, module
from harness.process import TIMEOUT
from harness.uploads import Upload

CALLER = {"caller": {"grants": [{"action": "rpc:call", "pattern": "rooms.*"}]}}


def each_once(pairs):
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), f"a record has a field twice: {pairs}"
    return dict(pairs)


def audit_records(covet):
    """Of all processes, which have ended."""
    lines = [line for process in covet.processes.values() for line in process.lines if line.startswith("{")]
    records = [json.loads(line, object_pairs_hook=each_once) for line in lines]
    return [record for record in records if record.get("audit")]


async def test_the_audit_log(make_covet):
    covet = make_covet()
    viewer = credentials.token("reader", ("viewer",))
    async with covet.connect(token=viewer) as c:
        connected = covet.edge.wait_log("connected")
        assert (connected["user_id"], connected["session_id"], connected["credential"]) == ("reader", c.session_id, "token")
        await c.join("lobby_1")
        joined = covet.process("rooms").wait_log("room_joined")
        assert (joined["user_id"], joined["session_id"], joined["room_id"]) == ("reader", c.session_id, "lobby_1")
        error = await c.error("room_message", {"room_id": "lobby_1", "event_type": "t", "payload": 1})
        assert error["error_code"] == "PERMISSION_DENIED"
        denied = covet.edge.wait_log("permission_denied")
        assert (denied["session_id"], denied["action"], denied["resource"]) == (c.session_id, "room:write", "lobby_1")
        await c.leave("lobby_1")
        left = covet.process("rooms").wait_log("room_left")
        assert (left["session_id"], left["room_id"], left["reason"]) == (c.session_id, "lobby_1", "left")
    ended = covet.edge.wait_log("disconnected")
    assert (ended["session_id"], ended["close_code"]) == (connected["session_id"], 1000)
    async with covet.connect_raw(token="nonsense") as c:
        await c.closed()
    assert covet.edge.wait_log("connection_refused")["reason"] == "auth_failed"
    covet.__exit__(None, None, None)
    told = {record["event"] for record in audit_records(covet)}
    assert {"connected", "room_joined", "permission_denied", "room_left", "disconnected", "connection_refused"} <= told


@pytest.mark.parametrize("mode", ["all", "split"])
async def test_a_refused_message_is_told_once(make_covet, mode):
    covet = make_covet(mode, roles=CALLER)
    upload = {"filename": "a.txt", "size": 1, "mimetype": "text/plain", "chunk_size": 65536}
    actions = {
        "join": ("join_room", {"room_id": "secret"}, "room:read", "secret"),
        "send": ("room_message", {"room_id": "secret", "event_type": "t", "payload": 1}, "room:write", "secret"),
        "subscribe": ("subscribe", {"stream_type": "metrics", "resource_id": "db_conn_123"}, "stream:read", "metrics:db_conn_123"),
        "upload": ("file_upload_start", upload, "file:upload", "a.txt"),
        "call": ("rpc_call", {"method": "system.ping"}, "rpc:call", "system.ping"),
        # A call that the caller may make, of a service that refuses.
        "nested": ("rpc_call", {"method": "rooms.get_room", "params": {"room_id": "secret"}}, "room:read", "secret"),
    }
    async with covet.connect("mallory", roles=["caller"]) as c:
        session = c.session_id
        for name, (kind, data, _, _) in actions.items():
            reply = await c.reply(await c.send(kind, data, metadata={"correlation_id": name}))
            refusal = reply["data"].get("error", reply["data"])
            assert "PERMISSION_DENIED" in (refusal.get("code"), refusal.get("error_code")), (name, reply)
    covet.__exit__(None, None, None)
    denied = [record for record in audit_records(covet) if record["event"] == "permission_denied"]
    told = [(r["correlation_id"], r.get("session_id"), r["user_id"], r.get("action"), r.get("resource")) for r in denied]
    assert sorted(told) == sorted((name, session, "mallory", action, resource) for name, (_, _, action, resource) in actions.items())
    assert all(record["reason"] for record in denied)


async def test_a_refused_upload_is_told_once_whatever_was_sent_behind_it(make_covet):
    covet = make_covet("split", roles=CALLER)
    upload = Upload(b"x" * 300, chunk_size=100)
    # Everything is on its way before the service can answer the start.
    covet.process("files").pause()
    async with covet.connect("mallory", roles=["caller"]) as c:
        sent = [await c.send("file_upload_start", upload.start_data, id=upload.id, metadata={"correlation_id": "start"})]
        sent += [await upload.send(c, index) for index in range(2)]
        async with asyncio.timeout(TIMEOUT):
            while "\ncovet_edge_chunks_total 2\n" not in (await asyncio.to_thread(covet.edge.admin, "/metrics"))[1]:
                await asyncio.sleep(0.02)
        covet.process("files").resume()
        for id in sent:
            error = (await c.reply(id))["data"]
            assert error["error_code"] == "PERMISSION_DENIED", error
    covet.__exit__(None, None, None)
    denied = [record for record in audit_records(covet) if record["event"] == "permission_denied"]
    assert [(r["correlation_id"], r["action"], r["resource"]) for r in denied] == [("start", "file:upload", "data.bin")]


@pytest.mark.parametrize("mode", ["all", "split"])
def test_a_refused_grpc_call_is_told_once(make_covet, mode):
    covet = make_covet(mode, roles=CALLER)
    calls = {
        "rooms": ("rooms", "rooms.v1.rooms", "RoomService", "GetRoom", {"room_id": "secret"}, "room:read", "secret"),
        "streams": ("streams", "streams.v1.streams", "StreamService", "GetHistory", {"stream_type": 3, "resource_id": "orders"}, "stream:read", "events:orders"),
        "builtin": ("rpc", "rpc.v1.builtin", "SystemService", "Ping", {}, "rpc:call", "system.ping"),
        "rpc": ("rpc", "rpc.v1.rpc", "RpcService", "Call", {"method": "system.ping"}, "rpc:call", "system.ping"),
        "nested": ("rpc", "rpc.v1.rpc", "RpcService", "Call", {"method": "rooms.get_room", "params": {"structured": struct_pb2.Struct()}}, "room:read", "secret"),
    }
    calls["nested"][4]["params"]["structured"]["room_id"] = "secret"
    for name, (role, package, service, method, fields, _, _) in calls.items():
        with Api(covet.grpc_address(role)) as api:
            stub = getattr(module(f"{package}_pb2_grpc"), service + "Stub")(api.channel)
            request = getattr(module(f"{package}_pb2"), method + "Request")(**fields)
            metadata = (*bearer("mallory", roles=["caller"]), ("x-correlation-id", name))
            try:
                getattr(stub, method)(request, metadata=metadata, timeout=20)
            except grpc.RpcError as refused:
                assert refused.code() == grpc.StatusCode.PERMISSION_DENIED, (name, refused)
            else:
                raise AssertionError(f"{name} was not refused")
    covet.__exit__(None, None, None)
    denied = [record for record in audit_records(covet) if record["event"] == "permission_denied"]
    told = [(r["correlation_id"], r["user_id"], r.get("method"), r.get("action"), r.get("resource")) for r in denied]
    assert sorted(told) == sorted(
        (name, "mallory", f"/covet.{package.rpartition('.')[0]}.{service}/{method}", action, resource)
        for name, (_, package, service, method, _, action, resource) in calls.items()
    )
    assert all(record["reason"] for record in denied)


async def test_what_is_done_to_rooms_users_and_files_is_told(make_covet):
    covet = make_covet("split")
    room = "kept_1"
    pb, common = module("rooms.v1.rooms_pb2"), module("common.v1.common_pb2")
    notice = module("rooms.v1.notifications_pb2").Notification(notification_type="info", title="n")
    async with covet.connect("owner") as c:
        done = {  # By their correlation ids.
            "create": ("CreateRoom", {"room_id": room}),
            "update": ("UpdateRoom", {"room": pb.Room(room_id=room, metadata={"name": "Orders"})}),
            "publish": ("Publish", {"room_id": room, "event_type": "t", "payload": common.Payload(json="1")}),
            "remove": ("RemoveMember", {"room_id": room, "user_id": "owner"}),
            "user": (None, {"user_id": "owner"}),
            "session": (None, {"session_id": c.session_id}),
            "room": (None, {"room_id": room}),
            "everyone": (None, {"everyone": True}),
            "delete": ("DeleteRoom", {"room_id": room}),
        }
        upload, resumed = Upload(b"x"), Upload(b"y")
        for each, name in ((upload, "start"), (resumed, "first")):
            await c.reply(await c.send("file_upload_start", each.start_data, id=each.id, metadata={"correlation_id": name}))
        await c.reply(await c.send("file_upload_resume", {"upload_id": resumed.id}, metadata={"correlation_id": "resume"}))
        files = []
        for each in (upload, resumed):
            await each.send_all(c, 1)
            files.append((await each.complete(c))["file_id"])
            await each.processed(c)
        file_id = files[0]
        with Api(covet.grpc_address("files"), (*bearer("owner"), ("x-correlation-id", "delete_file"))) as api:
            api.files("Delete", module("files.v1.files_pb2").DeleteRequest(file_id=file_id))
        with Api(covet.grpc_address("rooms")) as api:
            for name, (method, fields) in done.items():
                api.metadata = (*bearer("operator"), ("x-correlation-id", name))
                if method:
                    api.rooms(method, **fields)
                else:
                    api.notify(notification=notice, **fields)
    covet.__exit__(None, None, None)
    kinds = ("room_changed", "admin_published", "member_removed", "notification_sent", "file_changed")
    fields = ("event", "correlation_id", "user_id", "room_id", "recipient", "removed_user_id", "offset", "file_id", "upload_id", "change")
    told = [tuple(record[field] for field in fields if field in record) for record in audit_records(covet) if record["event"] in kinds]
    assert sorted(told) == sorted([
        ("room_changed", "create", "operator", room, "created"),
        ("room_changed", "update", "operator", room, "updated"),
        ("admin_published", "publish", "operator", room, 1),
        ("member_removed", "remove", "operator", room, "owner"),
        ("notification_sent", "user", "operator", "user:owner"),
        ("notification_sent", "session", "operator", f"session:{c.session_id}"),
        ("notification_sent", "room", "operator", f"room:{room}"),
        ("notification_sent", "everyone", "operator", "everyone"),
        ("room_changed", "delete", "operator", room, "deleted"),
        # Of files: the owner.
        ("file_changed", "start", "owner", file_id, upload.id, "uploaded"),
        ("file_changed", "resume", "owner", files[1], resumed.id, "uploaded"),
        ("file_changed", "delete_file", "owner", file_id, upload.id, "deleted"),
    ])
