"""rpc_call through to a gRPC backend: the example backend, found by reflection."""

import asyncio
import json
import time

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from harness.backend import ExampleBackend
from harness.deployment import Deployment
from harness.grpc_api import Api, bearer, error_info, module
from harness.process import TIMEOUT

GRPC_CODES = {
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    4: "RPC_TIMEOUT",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    11: "OUT_OF_RANGE",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    15: "DATA_LOSS",
    16: "UNAUTHENTICATED",
}
# No breaker where a test is about errors.
NEVER_OPENS = {"circuit_breaker": {"failures": 0}}
LIMITS = {"rpc_calls": "1000000/min", "calls_per_connection": 64}


@pytest.fixture(scope="module")
def shop():
    example = ExampleBackend()
    try:
        yield example.start()
    finally:
        example.close()


@pytest.fixture(scope="module", params=["all", "split"])
def covet(request, tmp_path_factory, shop):
    grants = {"of_the_package": ["shop.*", "system.*"], "of_orders": ["orders.*", "system.*"]}
    roles = {role: {"grants": [{"action": "rpc:call", "pattern": pattern} for pattern in patterns]} for role, patterns in grants.items()}
    overrides = {"backends": {"shop": shop.config(**NEVER_OPENS)}, "limits": LIMITS, "roles": roles}
    with Deployment(request.param, tmp_path_factory.mktemp(request.param), overrides) as deployment:
        deployment.process("rpc").wait_log("rpc_methods_changed", backend="shop")
        yield deployment


async def call(c, method, params=None, timeout=None, wait=TIMEOUT, **options):
    data = {"method": method, "params": params or {}} | ({} if timeout is None else {"timeout": timeout})
    return await c.reply(await c.send("rpc_call", data, **options), timeout=wait)


async def result(c, method, params=None, **options):
    message = await call(c, method, params, **options)
    assert message["type"] == "rpc_response", message
    return message["data"]["result"]


async def error(c, method, params=None, **options):
    message = await call(c, method, params, **options)
    assert message["type"] == "rpc_error", message
    return message["data"]["error"]


async def eventually(condition, what):
    deadline = time.monotonic() + TIMEOUT
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


def cancelled(backend, method):
    return int(backend.call("Lab/GetCounters").get("cancelled", {}).get(method, 0))


async def test_a_method_by_either_name(covet):
    async with covet.connect() as c:
        order = await result(c, "orders.create_order", {
            "customer": {"name": "Ada", "email": "ada@example.com"}, "items": [{"sku": "tea", "quantity": 2, "price": 4.5}]
        })  # fmt: skip
        assert order["total_cents"] == "900" and order["status"] == "ORDER_STATUS_OPEN"
        assert order["customer"] == {"name": "Ada", "email": "ada@example.com"}
        again = await result(c, "shop.v1.Orders/GetOrder", {"orderId": order["order_id"]})
        assert again == order


async def test_neither_name_is_a_way_round_the_other(covet):
    async def listed(c):
        methods = (await result(c, "system.methods", {"names_only": True}))["methods"]
        return {m["name"].partition(".")[0] for m in methods}

    async with covet.connect(roles=["of_the_package"]) as c:
        assert await listed(c) == {"system"}
        for method, lacks in (("shop.v1.Orders/GetOrder", "orders.get_order"), ("shop.v1.Lab/Echo", "lab.echo"), ("lab.echo", "lab.echo")):
            denied = await error(c, method)
            assert (denied["code"], denied["details"]["resource"]) == ("PERMISSION_DENIED", lacks), (method, denied)
            covet.edge.wait_log("permission_denied", action="rpc:call", resource=lacks, session_id=c.session_id)
    async with covet.connect(roles=["of_orders"]) as c:
        assert await listed(c) == {"orders", "system"}
        assert (await error(c, "orders.get_order", {"order_id": "none"}))["code"] == "ORDER_NOT_FOUND"
        assert (await error(c, "shop.v1.Orders/GetOrder", {"order_id": "none"}))["details"]["resource"] == "shop.v1.Orders/GetOrder"
    async with covet.connect(roles=["of_the_package", "of_orders"]) as c:
        assert (await error(c, "shop.v1.Orders/GetOrder", {"order_id": "none"}))["code"] == "ORDER_NOT_FOUND"
        assert (await error(c, "shop.v1.Lab/Echo"))["details"]["resource"] == "lab.echo"


async def test_every_kind_of_field_survives(covet):
    sent = {
        "double_value": 0.1, "int32_value": -7, "int64_value": "-9223372036854775808", "uint64_value": "18446744073709551615",
        "bool_value": True, "string_value": "Grüße 🌍 \u0000\"", "bytes_value": "AP+A", "status": "ORDER_STATUS_SHIPPED",
        "child": {"string_value": "inner"}, "maybe_int32": 0, "int64_list": ["1", "2"], "items": [{"sku": "a", "quantity": 1, "price": 0.5}],
        "item_map": {"x": {"sku": "b", "quantity": 2, "price": 1.5}}, "name_map": {"-5": "minus five"}, "bool_map": {"true": 1.0},
        "choice_number": "5", "timestamp": "2025-09-10T12:00:00.123456789Z", "duration": "1.500s", "field_mask": "a,b.c",
        "struct_value": {"k": [1, None, {"deep": True}]}, "value": None, "list_value": [1, "a"],
        "any": {"@type": "type.googleapis.com/shop.v1.Item", "sku": "any", "quantity": 3, "price": 0.25},
        "empty": {}, "int64_wrapper": "9", "string_wrapper": "w",
    }  # fmt: skip
    async with covet.connect() as c:
        got = await result(c, "lab.echo", sent)
        assert {name: got[name] for name in sent if name != "child"} == {name: value for name, value in sent.items() if name != "child"}
        assert got["child"]["string_value"] == "inner"
        assert got["float_value"] == 0 and got["fixed64_value"] == "0"  # Without presence, so printed.
        assert "choice_text" not in got


async def test_bad_params_name_their_field(covet):
    async with covet.connect() as c:
        for params, field in (
            ({"nope": 1}, "params.nope"),
            ({"int32_value": "x"}, "params.int32_value"),
            ({"int32_value": 3000000000}, "params.int32_value"),
            ({"items": [{"sku": 5}]}, "params.items[0].sku"),
            ({"status": "NO_SUCH"}, "params.status"),
            ({"choice_text": "a", "choice_number": 1}, "params.choice_number"),
        ):
            bad = await error(c, "lab.echo", params)
            assert bad["code"] == "INVALID_ARGUMENT" and bad["details"]["field"] == field, (params, bad)


@pytest.mark.parametrize("code", sorted(GRPC_CODES))
async def test_every_status_has_its_code(covet, code):
    async with covet.connect() as c:
        failed = await error(c, "lab.fail", {"code": code, "message": "as told"})
        assert failed["code"] == GRPC_CODES[code], failed
        if code != 4:
            assert failed["message"] == "as told"


async def test_error_details(covet):
    async with covet.connect() as c:
        missing = await error(c, "orders.get_order", {"order_id": "order_0"})
        assert missing["code"] == "ORDER_NOT_FOUND"
        assert missing["message"] == "there is no order order_0"
        assert missing["details"]["order_id"] == "order_0"
        assert "recoverable" not in missing
        incomplete = await error(c, "orders.create_order", {})
        assert incomplete["code"] == "INVALID_ARGUMENT"
        assert {v["field"] for v in incomplete["details"]["field_violations"]} == {"customer.name", "items"}
        odd = await error(c, "lab.fail", {"code": 9, "reason": "not a code", "message": "m"})
        assert odd["code"] == "FAILED_PRECONDITION"


async def test_the_backend_is_told_who_calls(covet, shop):
    async with covet.connect(user="Jörg", roles=["admin", "viewer"]) as c:
        told = await result(c, "lab.who_am_i", metadata={"correlation_id": "corr_9"}, timeout=5000)
        metadata = told["metadata"]
        assert metadata["covet-user-id"] == "J%C3%B6rg"
        assert metadata["covet-session-id"] == c.session_id
        assert metadata["covet-roles"] == "admin,viewer"
        assert metadata["x-correlation-id"] == "corr_9"
        assert "authorization" not in metadata and "covet-peer-token" not in metadata and "covet-identity-bin" not in metadata
        assert 0 < float(told["time_left"].rstrip("s")) < 6  # gRPC rounds it up.
        plain = await c.send("rpc_call", {"method": "lab.who_am_i"})
        assert (await c.reply(plain))["data"]["result"]["metadata"]["x-correlation-id"] == plain


async def test_a_timeout_reaches_the_backend(covet, shop):
    before = cancelled(shop, "Lab/Sleep")
    async with covet.connect() as c:
        late = await error(c, "lab.sleep", {"duration": "60s"}, timeout=300)
        assert late["code"] == "RPC_TIMEOUT" and late["recoverable"] is True
        await eventually(lambda: cancelled(shop, "Lab/Sleep") > before, "the backend has not seen the deadline")


async def test_a_cancel_reaches_the_backend(covet, shop):
    before = cancelled(shop, "Lab/Sleep")
    started = int(shop.call("Lab/GetCounters").get("started", {}).get("Lab/Sleep", 0))
    async with covet.connect() as c:
        id = await c.send("rpc_call", {"method": "lab.sleep", "params": {"duration": "60s"}, "timeout": 60000})
        await eventually(lambda: int(shop.call("Lab/GetCounters").get("started", {}).get("Lab/Sleep", 0)) > started, "not started")
        await c.send("rpc_cancel", {"call_id": id})
        message = await c.reply(id)
        assert message["type"] == "rpc_error" and message["data"]["error"]["code"] == "CANCELLED"
        await eventually(lambda: cancelled(shop, "Lab/Sleep") > before, "the backend has not seen the cancel")


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_closing_connection_cancels_at_the_backend(covet, shop, how):
    before = cancelled(shop, "Lab/Sleep")
    started = int(shop.call("Lab/GetCounters").get("started", {}).get("Lab/Sleep", 0))
    c = await covet.connect()
    for _ in range(3):
        await c.send("rpc_call", {"method": "lab.sleep", "params": {"duration": "60s"}, "timeout": 60000})
    await eventually(lambda: int(shop.call("Lab/GetCounters").get("started", {}).get("Lab/Sleep", 0)) >= started + 3, "not started")
    if how == "abort":
        c.abort()
        await c.closed()
    else:
        await c.close()
    await eventually(lambda: cancelled(shop, "Lab/Sleep") >= before + 3, "the backend has not seen the end")


async def test_slow_calls_hold_up_nothing(covet):
    async with covet.connect() as c:
        slow = [await c.send("rpc_call", {"method": "lab.sleep", "params": {"duration": "60s"}, "timeout": 60000}) for _ in range(30)]
        for n in range(50):
            assert (await result(c, "lab.echo", {"int32_value": n}))["int32_value"] == n
        for id in slow:
            await c.send("rpc_cancel", {"call_id": id})
            await c.reply(id)


async def test_a_large_result_at_its_limit(make_covet, shop):
    covet = make_covet(backends={"shop": shop.config()}, limits=LIMITS | {"rpc_bytes": "64KiB"})
    await asyncio.to_thread(covet.process("rpc").wait_log, "rpc_methods_changed", backend="shop")
    async with covet.connect() as c:
        room = 64 * 1024 - len('{"string_value": ""}')
        text = "x" * (room - 1000)
        assert (await result(c, "lab.echo", {"string_value": text}))["string_value"] == text
        # Its params fit, its result, with all fields that have no presence, does not.
        over = await error(c, "lab.echo", {"string_value": "x" * room})
        assert over["code"] == "MESSAGE_TOO_LARGE" and over["details"]["limit"] == str(64 * 1024)


@pytest.mark.parametrize("mode", ["all", "split"])
async def test_a_reload_raises_what_may_be_large(make_covet, shop, mode):
    """At the edge, in the rpc service and for the backend's answers alike."""
    covet = make_covet(
        mode,
        backends={"shop": shop.config()},
        limits=LIMITS | {"rpc_bytes": "64KiB"},
        edge={"max_message_bytes": "4MiB", "outbound_queue_bytes": "8MiB"},
    )
    await asyncio.to_thread(covet.process("rpc").wait_log, "rpc_methods_changed", backend="shop")
    large = {"string_value": "x" * (3 << 20)}
    async with covet.connect() as before:
        assert (await error(before, "lab.echo", large))["code"] == "MESSAGE_TOO_LARGE"
        for process in covet.processes.values():
            process.config["limits"]["rpc_bytes"] = "4MiB"
            await asyncio.to_thread(process.reload)
        async with covet.connect(max_size=None) as after:
            assert after.ack["data"]["limits"]["rpc_result_bytes"] == 4 << 20
            assert await result(after, "lab.echo", large) | large == await result(after, "lab.echo", large)
        for process in covet.processes.values():
            process.config["limits"]["rpc_bytes"] = "64KiB"
            await asyncio.to_thread(process.reload)
    with Api(covet.grpc_address("rpc")) as api:
        request = module("rpc.v1.rpc_pb2").CallRequest(method="lab.echo")
        request.params.json = json.dumps(large)
        with pytest.raises(grpc.RpcError) as refused:
            api._call("rpc.v1.rpc", "RpcService", "Call", request)
        assert error_info(refused.value).reason == "MESSAGE_TOO_LARGE"


async def test_many_large_results_for_a_client_that_reads_late(covet):
    async with covet.connect(max_queue=1) as c:
        text = "y" * 700_000
        ids = [await c.send("rpc_call", {"method": "lab.echo", "params": {"string_value": text}, "timeout": 60000}) for _ in range(8)]
        for id in ids:
            message = await c.reply(id)
            assert message["type"] == "rpc_response" and message["data"]["result"]["string_value"] == text


async def test_methods_of_the_backend_are_listed(covet):
    async with covet.connect() as c:
        listed = (await result(c, "system.methods", {"prefix": "orders."}))["methods"]
        assert [m["name"] for m in listed] == ["orders.create_order", "orders.get_order", "orders.get_stock"]
        assert [m["idempotent"] for m in listed] == [False, True, True]
        assert listed[0]["params_schema"]["properties"]["customer"]
        # Streams are no methods.
        assert (await error(c, "orders.watch_stock"))["code"] == "METHOD_NOT_FOUND"


async def test_a_backend_that_was_not_reached_yet(make_covet):
    late = ExampleBackend()
    covet = make_covet("split", backends={"shop": late.config(**NEVER_OPENS)}, limits=LIMITS)
    try:
        async with covet.connect() as c:
            for method in ("orders.get_order", "shop.v1.Orders/GetOrder"):
                waiting = await error(c, method, {"order_id": "order_0"})
                assert waiting["code"] == "UNAVAILABLE" and waiting["recoverable"], waiting
                assert waiting["details"] == {"reason": "BACKEND_NOT_REACHED", "backend": "shop"}
            assert (await error(c, "elsewhere.get_order"))["code"] == "METHOD_NOT_FOUND"
            await asyncio.to_thread(late.start)
            await asyncio.to_thread(covet.process("rpc").wait_log, "rpc_methods_changed", backend="shop")
            assert (await error(c, "orders.get_order", {"order_id": "order_0"}))["code"] == "ORDER_NOT_FOUND"
            assert (await error(c, "orders.no_such"))["code"] == "METHOD_NOT_FOUND"
    finally:
        late.close()


async def test_a_backend_that_restarts_with_a_new_schema_under_traffic(make_covet, backend):
    covet = make_covet("split", backends={"shop": backend.config(**NEVER_OPENS)}, limits=LIMITS)
    rpc = covet.process("rpc")
    await asyncio.to_thread(rpc.wait_log, "rpc_methods_changed", backend="shop")
    async with covet.connect() as c:
        assert (await error(c, "orders.cancel_order", {"order_id": "x"}))["code"] == "METHOD_NOT_FOUND"
        ended = {}
        stop = asyncio.Event()

        async def traffic(number):
            while not stop.is_set():
                message = await call(c, "lab.echo", {"int32_value": number}, timeout=5000)
                if message["type"] == "rpc_response":
                    assert message["data"]["result"]["int32_value"] == number
                    key = "OK"
                else:
                    key = message["data"]["error"]["code"]
                    await asyncio.sleep(0.02)
                ended[key] = ended.get(key, 0) + 1

        async def more_answers(count):
            before = ended.get("OK", 0)
            await eventually(lambda: ended.get("OK", 0) >= before + count, f"no answers: {ended}")

        workers = [asyncio.create_task(traffic(n)) for n in range(8)]
        await more_answers(50)
        since = len(rpc.lines)
        await asyncio.to_thread(backend.kill)
        await eventually(lambda: ended.get("UNAVAILABLE", 0) > 0, f"nobody noticed: {ended}")
        await asyncio.to_thread(backend.start, "--next")
        await more_answers(50)
        await asyncio.to_thread(rpc.wait_log, "rpc_methods_changed", since=since, backend="shop")
        assert (await error(c, "orders.cancel_order", {"order_id": "x"}))["code"] == "ORDER_NOT_FOUND"
        stop.set()
        await asyncio.gather(*workers)
        assert set(ended) <= {"OK", "UNAVAILABLE"}, ended


async def test_the_breaker_spares_a_backend_that_fails(make_covet, backend):
    covet = make_covet(backends={"shop": backend.config(circuit_breaker={"failures": 3, "open_for": "60s"})}, limits=LIMITS)
    await asyncio.to_thread(covet.process("rpc").wait_log, "rpc_methods_changed", backend="shop")
    async with covet.connect() as c:
        for _ in range(3):
            assert (await error(c, "lab.fail", {"code": 14}))["code"] == "UNAVAILABLE"
        started = backend.call("Lab/GetCounters")["started"]["Lab/Fail"]
        assert (await error(c, "lab.fail", {"code": 14}))["code"] == "UNAVAILABLE"
        assert backend.call("Lab/GetCounters")["started"]["Lab/Fail"] == started
        await result(c, "system.ping")


async def test_no_caller_opens_the_breaker_for_all(make_covet, backend):
    covet = make_covet(backends={"shop": backend.config(circuit_breaker={"failures": 3, "open_for": "60s"})}, limits=LIMITS)
    await asyncio.to_thread(covet.process("rpc").wait_log, "rpc_methods_changed", backend="shop")
    async with covet.connect("mallory") as c, covet.connect("alice") as other:
        # Params that the handler does not survive.
        for code in (2, 13, 4):
            for _ in range(4):
                assert (await error(c, "lab.fail", {"code": code}))["code"] == GRPC_CODES[code]
            await result(other, "lab.echo")
        # A timeout that a healthy method cannot keep.
        slow = [await c.send("rpc_call", {"method": "lab.sleep", "params": {"duration": "60s"}, "timeout": 1500}) for _ in range(4)]
        for id in slow:
            assert (await c.reply(id))["data"]["error"]["code"] == "RPC_TIMEOUT"
        await eventually(lambda: cancelled(backend, "Lab/Sleep") == 4, "the calls do not end at the backend")
        await result(other, "lab.echo")


async def test_a_backend_s_concurrency_is_bounded(make_covet, backend):
    covet = make_covet(backends={"shop": backend.config(max_concurrency=2)}, limits=LIMITS)
    await asyncio.to_thread(covet.process("rpc").wait_log, "rpc_methods_changed", backend="shop")
    async with covet.connect() as c:
        slow = [await c.send("rpc_call", {"method": "lab.sleep", "params": {"duration": "60s"}, "timeout": 60000}) for _ in range(2)]
        assert (await error(c, "lab.echo"))["code"] == "UNAVAILABLE"
        for id in slow:
            await c.send("rpc_cancel", {"call_id": id})
            await c.reply(id)
        deadline = time.monotonic() + TIMEOUT
        while (await call(c, "lab.echo"))["type"] != "rpc_response":
            assert time.monotonic() < deadline


async def test_only_idempotent_methods_are_repeated(make_covet, backend):
    covet = make_covet(backends={"shop": backend.config(**NEVER_OPENS)}, limits=LIMITS)
    rpc = covet.process("rpc")
    await asyncio.to_thread(rpc.wait_log, "rpc_methods_changed", backend="shop")

    def started(method):
        return int(backend.call("Lab/GetCounters").get("started", {}).get(method, 0))

    async with covet.connect() as c:
        # Marked, and failing once: the caller sees nothing of it.
        backend.call("Lab/SetFailures", count=1)
        assert (await result(c, "orders.get_stock", {"sku": "tea"}))["quantity"] == "21"
        assert started("Orders/GetStock") == 2
        assert 'covet_backend_retries_total{backend="shop",role="rpc"} 1' in rpc.admin("/metrics")[1]
        # What goes on failing ends, and nothing but UNAVAILABLE is repeated.
        backend.call("Lab/SetFailures", count=100)
        assert (await error(c, "orders.get_stock", {"sku": "tea"}))["code"] == "UNAVAILABLE"
        assert started("Orders/GetStock") == 2 + 4
        backend.call("Lab/SetFailures", count=1, code=10)
        assert (await error(c, "orders.get_stock", {"sku": "tea"}))["code"] == "ABORTED"
        assert started("Orders/GetStock") == 7
        # Not marked: once, whatever comes of it.
        assert (await error(c, "lab.fail", {"code": 14}))["code"] == "UNAVAILABLE"
        assert started("Lab/Fail") == 1
    backend.kill()
    async with covet.connect() as c:
        assert (await error(c, "lab.echo"))["code"] == "UNAVAILABLE"


async def test_calls_made_from_reflection_alone(covet):
    """As grpcurl does: no generated code, the schema comes from the server."""
    with grpc.insecure_channel(covet.grpc_address("rpc")) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        method = pool.FindServiceByName("covet.rpc.v1.RpcService").methods_by_name["Call"]
        request = GetMessageClass(method.input_type)()
        request.method = "orders.get_stock"
        request.params.json = '{"sku":"coffee"}'
        stub = channel.unary_unary(
            "/covet.rpc.v1.RpcService/Call", request_serializer=lambda m: m.SerializeToString(), response_deserializer=GetMessageClass(method.output_type).FromString
        )
        answer = stub(request, timeout=TIMEOUT, metadata=bearer())
        assert answer.result.structured["quantity"] == "42"
