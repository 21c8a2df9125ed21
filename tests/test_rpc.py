"""rpc_call and rpc_cancel: what is built in, our own services, permissions and limits."""

import asyncio
import json
import socket
import uuid

import grpc
import pytest
from google.protobuf import duration_pb2

from harness import credentials
from harness.deployment import Deployment
from harness.grpc_api import Api, bearer, error_info, module
from harness.ports import free_port
from harness.postgres import DATABASE

pytestmark = pytest.mark.protocol


@pytest.fixture(scope="module")
def silent():
    """The port of a server that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(128)
        yield server.getsockname()[1]


@pytest.fixture(scope="module", params=["all", "split"])
def covet(request, tmp_path_factory, postgres, silent):
    """A deployment with databases: one that is up, one nobody listens for, one that never answers."""
    overrides = {
        "databases": {
            "db_conn_123": postgres.config,
            "wrong_password": postgres.config | {"password": {"value": "not it"}},
            "nobody": postgres.config | {"port": free_port()},
            "silent": postgres.config | {"port": silent, "connect_timeout": "700ms"},
            "slow": postgres.config | {"port": silent, "connect_timeout": "5m"},
        },
        "limits": {"rpc_calls": "1000000/min"},
        "roles": {
            "pinger": {"grants": [{"action": "rpc:call", "pattern": "system.*"}]},
            "caller": {"grants": [{"action": "rpc:call", "pattern": "*"}]},
        },
    }
    with Deployment(request.param, tmp_path_factory.mktemp(request.param), overrides) as deployment:
        yield deployment


async def call(c, method, params=None, **options):
    """The whole rpc_response or rpc_error."""
    timeout = options.pop("timeout", None)
    data = {"method": method} | ({} if params is None else {"params": params}) | ({} if timeout is None else {"timeout": timeout})
    id = await c.send("rpc_call", data, **options)
    message = await c.reply(id)
    assert message["id"] == id
    return message


async def result(c, method, params=None, **options):
    message = await call(c, method, params, **options)
    assert message["type"] == "rpc_response", message
    return message["data"]["result"]


async def error(c, method, params=None, **options):
    message = await call(c, method, params, **options)
    assert message["type"] == "rpc_error", message
    return message["data"]["error"]


async def test_the_deployment_offers_rpc(covet):
    async with covet.connect() as c:
        assert "rpc" in c.ack["data"]["capabilities"]
        assert c.ack["data"]["limits"]["calls_in_flight"] == 32


async def test_ping(covet):
    async with covet.connect() as c:
        id = await c.send("rpc_call", {"method": "system.ping"}, metadata={"correlation_id": "corr_1"})
        message = await c.reply(id)
        assert message["type"] == "rpc_response" and message["id"] == id
        assert message["metadata"]["correlation_id"] == "corr_1"
        assert message["data"]["result"]["time"].endswith("Z")
        assert "time" in await result(c, "covet.rpc.v1.SystemService/Ping", {})


async def test_the_specification_s_example_works(covet, postgres):
    async with covet.connect() as c:
        message = await call(c, "database.test_connection", {"connection_id": "db_conn_123"}, timeout=10000)
        assert message["type"] == "rpc_response", message
        answer = message["data"]["result"]
        assert set(answer) == {"success", "latency_ms", "connection_info"}
        assert answer["success"] is True
        assert 0 < answer["latency_ms"] < 10_000
        assert answer["connection_info"] == {"host": "127.0.0.1", "port": postgres.port, "database": DATABASE}


async def test_a_database_that_refuses(covet, postgres):
    async with covet.connect() as c:
        refused = await error(c, "database.test_connection", {"connection_id": "nobody"})
        assert refused["code"] == "CONNECTION_FAILED"
        assert refused["message"] == "Failed to connect to database"
        assert set(refused["details"]) == {"host", "port", "error"}
        assert refused["details"]["host"] == "127.0.0.1"
        assert isinstance(refused["details"]["port"], int)
        assert "refused" in refused["details"]["error"].lower()
        refused = await error(c, "database.test_connection", {"connection_id": "wrong_password"})
        assert refused["code"] == "CONNECTION_FAILED"
        assert "password" in refused["details"]["error"]
        assert "not it" not in json.dumps(refused)
        assert "recoverable" not in refused


async def test_a_database_that_does_not_answer(covet):
    async with covet.connect() as c:
        late = await error(c, "database.test_connection", {"connection_id": "silent"})
        assert late["code"] == "CONNECTION_FAILED"
        assert late["details"]["error"] == "Connection timeout after 1 second"
        # The call's own timeout comes first where it is shorter, and still tells why.
        late = await error(c, "database.test_connection", {"connection_id": "slow"}, timeout=2500)
        assert late["code"] == "CONNECTION_FAILED"
        assert late["details"]["error"] == "Connection timeout after 2 seconds"


async def test_a_hanging_database_holds_up_nothing(covet):
    async with covet.connect() as c:
        slow = [await c.send("rpc_call", {"method": "database.test_connection", "params": {"connection_id": "slow"}, "timeout": 60000}) for _ in range(20)]
        for _ in range(20):
            await result(c, "system.ping")
        assert (await result(c, "database.test_connection", {"connection_id": "db_conn_123"}))["success"]
        # One whose turn does not come says nothing of the database.
        late = await error(c, "database.test_connection", {"connection_id": "slow"}, timeout=2500)
        assert late["code"] == "UNAVAILABLE" and late["details"]["reason"] == "OVERLOADED", late
        for id in slow:
            await c.send("rpc_cancel", {"call_id": id})
            message = await c.reply(id)
            assert message["type"] == "rpc_error" and message["data"]["error"]["code"] == "CANCELLED", message
        # Their connections are given up: the tester has its threads back.
        for _ in range(4):
            assert (await result(c, "database.test_connection", {"connection_id": "db_conn_123"}))["success"]


async def test_an_unknown_connection(covet):
    async with covet.connect() as c:
        unknown = await error(c, "database.test_connection", {"connection_id": "nope"})
        assert unknown["code"] == "NOT_FOUND"
        assert unknown["details"]["field"] == "params.connection_id"
        assert unknown["details"]["received"] == "nope"
        assert unknown["recoverable"] is False


async def test_params_are_checked(covet):
    async with covet.connect() as c:
        unknown = await error(c, "database.test_connection", {"connection": "db_conn_123"})
        assert unknown["code"] == "INVALID_ARGUMENT"
        assert unknown["details"]["field"] == "params.connection"
        wrong = await error(c, "database.test_connection", {"connection_id": 5})
        assert wrong["code"] == "INVALID_ARGUMENT"
        assert wrong["details"]["field"] == "params.connection_id"
        # Both spellings.
        assert (await result(c, "database.test_connection", {"connectionId": "db_conn_123"}))["success"]


async def test_unknown_methods(covet):
    async with covet.connect() as c:
        for method in ("nope.nope", "system.nope", "covet.rpc.v1.SystemService/Nope", "covet.rpc.v1.RpcLinkService/Connect", "rooms.join", "x"):
            unknown = await error(c, method)
            assert unknown["code"] == "METHOD_NOT_FOUND", method
            assert unknown["details"]["method"] == method


async def test_permission_comes_before_existence(covet):
    async with covet.connect(roles=["pinger"]) as c:
        await result(c, "system.ping")
        for method in ("rooms.list_rooms", "nope.nope", "covet.rpc.v1.SystemService/Ping"):
            denied = await error(c, method)
            assert denied["code"] == "PERMISSION_DENIED", method
            assert denied["recoverable"] is False
            covet.edge.wait_log("permission_denied", action="rpc:call", resource=method, session_id=c.session_id)


async def test_methods_lists_what_the_caller_may_call(covet):
    async with covet.connect(roles=["pinger"]) as c:
        listed = await result(c, "system.methods")
        assert [m["name"] for m in listed["methods"]] == ["system.methods", "system.ping"]
        assert listed["next_page_token"] == ""
    async with covet.connect() as c:
        names, token = [], ""
        while True:
            page = await result(c, "system.methods", {"page_size": 7, "page_token": token})
            assert len(page["methods"]) <= 7
            names += [m["name"] for m in page["methods"]]
            token = page["next_page_token"]
            if not token:
                break
        assert names == sorted(names)
        assert {"system.ping", "database.test_connection", "rooms.list_members", "rooms.create_room", "rooms.publish", "streams.list_resources", "files.get"} <= set(names)
        [method] = (await result(c, "system.methods", {"prefix": "database."}))["methods"]
        assert method["grpc_method"] == "covet.rpc.v1.DatabaseService/TestConnection"
        assert method["params_schema"]["properties"]["connection_id"]["type"] == "string"
        assert set(method["result_schema"]["properties"]) == {"success", "latency_ms", "connection_info"}
        bare = (await result(c, "system.methods", {"prefix": "database.", "names_only": True}))["methods"]
        assert not bare[0].get("params_schema")


async def test_rooms_are_called_as_the_caller(covet, room):
    async with covet.connect(user="alice", roles=["member", "caller"]) as c:
        await c.join(room)
        members = await result(c, "rooms.list_members", {"room_id": room})
        assert [m["user_id"] for m in members["members"]] == ["alice"]
        sent = await result(c, "rooms.publish", {"room_id": room, "event_type": "note", "payload": {"json": '{"n":1}'}})
        event = await c.event(room)
        assert event["data"]["payload"] == {"n": 1}
        assert event["data"]["sender"]["user_id"] == "alice"
        assert str(event["data"]["offset"]) == str(sent["offset"])
        # A member may call, but not manage rooms.
        denied = await error(c, "rooms.create_room", {"room_id": f"x_{uuid.uuid4().hex}"})
        assert denied["code"] == "PERMISSION_DENIED"
        missing = await error(c, "rooms.get_room", {"room_id": "lobby_never_made"})
        assert missing["code"] == "ROOM_NOT_FOUND"
    async with covet.connect() as c:
        made = f"made_{uuid.uuid4().hex[:8]}"
        assert (await result(c, "rooms.create_room", {"room_id": made}))["room_id"] == made
        again = await error(c, "rooms.create_room", {"room_id": made})
        assert again["code"] == "CONFLICT"


@pytest.mark.parametrize("text", ["é", "\t", "\u0001", " a b ", "\u007f%", "é" * 64, "x" * 128], ids=("accent", "tab", "control", "spaces", "delete", "long", "longest"))
async def test_ids_that_metadata_cannot_carry(covet, text):
    """Ids of a call may be any text; the services behind it are told of it in gRPC metadata, which may not."""
    async with covet.connect() as c:
        for options in ({"id": text}, {"metadata": {"correlation_id": text}}):
            missing = await error(c, "rooms.get_room", {"room_id": "no_such_room"}, **options)
            assert missing["code"] == "ROOM_NOT_FOUND", missing
        assert "time" in await result(c, "system.ping")


async def test_many_calls_side_by_side(covet):
    async with covet.connect() as c:
        ids = [await c.send("rpc_call", {"method": "system.ping"}) for _ in range(32)]
        for id in reversed(ids):
            assert (await c.reply(id))["type"] == "rpc_response"


async def test_calls_in_flight_are_bounded(covet):
    async with covet.connect() as c:
        slow = [await c.send("rpc_call", {"method": "database.test_connection", "params": {"connection_id": "slow"}, "timeout": 60000}) for _ in range(32)]
        refused = await error(c, "system.ping")
        assert refused["code"] == "UNAVAILABLE"
        assert refused["details"] == {"limit": "32", "reason": "TOO_MANY"}
        await c.send("rpc_cancel", {"call_id": slow.pop()})
        await c.expect("rpc_error")
        await result(c, "system.ping")
        # Another message is not held up by calls.
        assert (await c.request("heartbeat", {"sequence": 1}))["type"] == "heartbeat"
        for id in slow:
            await c.send("rpc_cancel", {"call_id": id})
            await c.reply(id)


async def test_ids_in_use_and_cancels_of_nothing(covet):
    async with covet.connect() as c:
        await c.send("rpc_call", {"method": "database.test_connection", "params": {"connection_id": "slow"}}, id="same")
        id = await c.send("rpc_call", {"method": "system.ping"}, id="same")
        conflict = await c.reply(id)
        assert conflict["type"] == "rpc_error" and conflict["data"]["error"]["code"] == "CONFLICT"
        await c.send("rpc_cancel", {"call_id": "unknown"})
        await c.send("rpc_cancel", {"call_id": "same"})
        assert (await c.reply("same"))["data"]["error"]["code"] == "CANCELLED"
        await c.send("rpc_cancel", {"call_id": "same"})
        await result(c, "system.ping", id="same")


async def test_timeout(covet):
    # Shorter than what the tester keeps back, so the edge's own timeout ends it.
    async with covet.connect() as c:
        late = await error(c, "database.test_connection", {"connection_id": "slow"}, timeout=1)
        assert late["code"] in ("RPC_TIMEOUT", "CONNECTION_FAILED", "UNAVAILABLE")


async def test_calls_over_grpc_take_the_same_path(covet):
    pb = module("rpc.v1.rpc_pb2")
    stubs = module("rpc.v1.rpc_pb2_grpc")
    with grpc.insecure_channel(covet.grpc_address("rpc")) as channel:
        stub = stubs.RpcServiceStub(channel)
        request = pb.CallRequest(method="database.test_connection", params={"structured": {"connection_id": "db_conn_123"}})
        answer = stub.Call(request, metadata=bearer(), timeout=20)
        assert answer.result.structured["success"] is True
        request.payload_format = 2
        assert json.loads(stub.Call(request, metadata=bearer(), timeout=20).result.json)["success"] is True

        with pytest.raises(grpc.RpcError) as failed:
            stub.Call(pb.CallRequest(method="database.test_connection", params={"json": '{"connection_id":"nobody"}'}), metadata=bearer(), timeout=20)
        info = error_info(failed.value)
        assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
        assert info.reason == "CONNECTION_FAILED" and info.metadata["host"] == "127.0.0.1" and info.metadata["port"].isdigit()

        with pytest.raises(grpc.RpcError) as failed:
            stub.Call(pb.CallRequest(method="nope"), metadata=bearer(), timeout=20)
        assert error_info(failed.value).reason == "METHOD_NOT_FOUND"
        with pytest.raises(grpc.RpcError) as failed:
            stub.Call(pb.CallRequest(method="nope"), metadata=bearer(roles=["pinger"]), timeout=20)
        assert failed.value.code() == grpc.StatusCode.PERMISSION_DENIED
        with pytest.raises(grpc.RpcError) as failed:
            stub.Call(pb.CallRequest(method="system.ping", timeout=duration_pb2.Duration(seconds=61)), metadata=bearer(), timeout=20)
        assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT

        names = [m.name for m in stub.ListMethods(pb.ListMethodsRequest(prefix="system."), metadata=bearer(roles=["pinger"]), timeout=20).methods]
        assert names == ["system.methods", "system.ping"]


async def test_built_in_services_over_grpc(covet):
    pb = module("rpc.v1.builtin_pb2")
    stubs = module("rpc.v1.builtin_pb2_grpc")
    with grpc.insecure_channel(covet.grpc_address("rpc")) as channel:
        assert stubs.SystemServiceStub(channel).Ping(pb.PingRequest(), metadata=bearer(roles=["pinger"]), timeout=20).time.seconds > 0
        database = stubs.DatabaseServiceStub(channel)
        assert database.TestConnection(pb.TestConnectionRequest(connection_id="db_conn_123"), metadata=bearer(), timeout=20).success
        with pytest.raises(grpc.RpcError) as failed:
            database.TestConnection(pb.TestConnectionRequest(connection_id="db_conn_123"), metadata=bearer(roles=["pinger"]), timeout=20)
        assert failed.value.code() == grpc.StatusCode.PERMISSION_DENIED
        # A call that its caller gives up is given up at the database as well.
        with pytest.raises(grpc.RpcError) as failed:
            database.TestConnection(pb.TestConnectionRequest(connection_id="slow"), metadata=bearer(), timeout=0.2)
        assert failed.value.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)


async def test_the_rate_of_calls(make_covet):
    covet = make_covet(limits={"rpc_calls": "5/min"})
    async with covet.connect(user="busy") as c, covet.connect(user="busy") as other:
        for _ in range(3):
            await result(c, "system.ping")
        for _ in range(2):
            await result(other, "system.ping")
        refused = await error(c, "system.ping")
        assert refused["code"] == "RATE_LIMITED"
        assert refused["details"]["scope"] == "rpc_calls"
        assert refused["rate_limit"]["limit"] == 5 and refused["rate_limit"]["remaining"] == 0
        assert refused["recoverable"] is True
        async with covet.connect(user="idle") as third:
            await result(third, "system.ping")


async def test_params_at_their_limit(make_covet):
    covet = make_covet(limits={"rpc_bytes": "1KiB"})
    async with covet.connect() as c:
        def params(size):
            return {"pad": "x" * (size - len('{"pad": ""}'))}

        # json.dumps writes a space after the colon.
        at = await error(c, "system.ping", params(1024))
        assert at["code"] == "INVALID_ARGUMENT" and at["details"]["field"] == "params.pad"
        over = await error(c, "system.ping", params(1025))
        assert over["code"] == "MESSAGE_TOO_LARGE"
        too_large = await error(c, "system.methods")
        assert too_large["code"] == "MESSAGE_TOO_LARGE" and too_large["details"]["limit"] == "1024"


async def test_the_ttl_of_a_call_that_cannot_be_started(make_covet):
    covet = make_covet("split")
    covet.process("rpc").kill()
    covet.process("edge").wait_log("link_down", link="rpc")
    async with covet.connect() as c:
        late = await error(c, "system.ping", timeout=60000)
        assert late["code"] == "UNAVAILABLE" and late["details"]["reason"] == "NOT_STARTED"
        id = await c.send("rpc_call", {"method": "system.ping"}, metadata={"ttl": 1})
        await asyncio.sleep(0.05)
        covet.process("rpc").start()
        message = await c.reply(id)
        assert message["type"] == "rpc_error"
        # Past its ttl, or past the 2 s that a call waits for the service.
        assert message["data"]["error"]["details"]["reason"] in ("TTL_EXPIRED", "NOT_STARTED")
        await result(c, "system.ping")


async def test_rpc_killed_under_traffic(make_covet, silent):
    covet = make_covet("split", limits={"rpc_calls": "1000000/min"}, databases={"slow": {"host": "127.0.0.1", "port": silent, "database": "x", "connect_timeout": "5m"}})
    async with covet.connect() as c:
        ended = {}
        stop = asyncio.Event()

        async def traffic():
            while not stop.is_set():
                id = await c.send("rpc_call", {"method": "system.ping"})
                message = await c.reply(id)
                key = message["data"]["error"]["code"] if message["type"] == "rpc_error" else "OK"
                ended[key] = ended.get(key, 0) + 1

        workers = [asyncio.create_task(traffic()) for _ in range(8)]
        for _ in range(3):
            before = ended.get("OK", 0)
            while ended.get("OK", 0) < before + 20:
                await asyncio.sleep(0.01)
            waiting = await c.send("rpc_call", {"method": "database.test_connection", "params": {"connection_id": "slow"}, "timeout": 60000})
            await result(c, "system.ping")  # Behind it on the link: it has been started.
            await asyncio.to_thread(covet.process("rpc").kill)
            lost = await c.reply(waiting)
            assert lost["type"] == "rpc_error", lost
            assert lost["data"]["error"]["code"] == "UNAVAILABLE"
            assert lost["data"]["error"]["details"]["reason"] == "OUTCOME_UNKNOWN"
            await asyncio.to_thread(covet.process("rpc").start)
        before = ended.get("OK", 0)
        while ended.get("OK", 0) < before + 20:
            await asyncio.sleep(0.01)
        stop.set()
        await asyncio.gather(*workers)
        assert set(ended) <= {"OK", "UNAVAILABLE"}, ended


async def test_a_drain_gives_running_calls_time(make_covet, silent):
    covet = make_covet(databases={"silent": {"host": "127.0.0.1", "port": silent, "database": "x", "connect_timeout": "2s"}})
    c = await covet.connect()
    id = await c.send("rpc_call", {"method": "database.test_connection", "params": {"connection_id": "silent"}, "timeout": 60000})
    await result(c, "system.ping")
    covet.edge.terminate()
    await asyncio.to_thread(covet.edge.wait_log, "draining")
    message = await c.reply(id)
    assert message["data"]["error"]["code"] == "CONNECTION_FAILED"
    code, _ = await c.closed()
    assert code == 1001
    await c.close()
    assert await asyncio.to_thread(covet.edge.wait) == 0
