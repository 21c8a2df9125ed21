"""StreamService over gRPC: publishing, history, following, sources, and what holds over kills."""

import itertools
import json
import threading
import time
import uuid

import grpc
import pytest
from google.protobuf import descriptor_pool, duration_pb2, json_format, message_factory, struct_pb2, timestamp_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from harness import credentials
from harness.grpc_api import Api, bearer, error_info, module
from harness.process import TIMEOUT

pytestmark = pytest.mark.protocol

METRICS, LOGS, EVENTS, CHANGES = 1, 2, 3, 4
JSON = 2


def pb():
    return module("streams.v1.streams_pb2")


def payload(**fields):
    return module("common.v1.common_pb2").Payload(**fields)


def record(text, **fields):
    return pb().NewRecord(payload=payload(json=text if isinstance(text, str) else json.dumps(text)), **fields)


def condition(field, comparison, value):
    return pb().FieldCondition(field=field, comparison=pb().Comparison.Value("COMPARISON_" + comparison.upper()), value=json.dumps(value))


def only(test):
    """A filter for the records of one test in a shared resource."""
    return pb().Filter(fields=[condition("test", "eq", test)])


@pytest.fixture
def api(covet):
    with Api(covet.grpc_address("streams")) as api:
        yield api


@pytest.fixture
def test():
    return uuid.uuid4().hex


class Following:
    """A Subscribe call: `opened`, then records one by one."""

    def __init__(self, api, stream_type, resource_id, **options):
        self.call = api.streams("Subscribe", stream=True, stream_type=stream_type, resource_id=resource_id, payload_format=JSON, **options)
        self.opened = next(self.call).opened
        self.batches = []
        self.closed = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.call.cancel()

    def __iter__(self):
        for response in self.call:
            if response.HasField("closed"):
                self.closed = response.closed.reason
                continue
            self.batches.append(response.batch)
            for found in response.batch.records:
                yield found.offset, json.loads(found.payload.json)

    def take(self, count):
        return list(itertools.islice(self, count))


def test_publish_and_history(api, test):
    structured = struct_pb2.Struct()
    structured.update({"test": test, "n": 1})
    exact = f'{{"test":"{test}", "n": 12345678901234567890, "s":"\\ud800", "timestamp":"mine", "tags":5}}'
    published = api.streams(
        "Publish",
        stream_type=EVENTS,
        resource_id="orders",
        records=[
            pb().NewRecord(payload=payload(structured=structured), timestamp=timestamp_pb2.Timestamp(seconds=1, nanos=5_000_000), key="k"),
            record(exact, severity=5, tags=["a", "b"], key="k2"),
        ],
    )
    first, second = published.offsets
    assert (second, published.duplicates) == (first + 1, 0)
    page = api.streams("GetHistory", stream_type=EVENTS, resource_id="orders", after_offset=first - 1, payload_format=JSON)
    assert [r.offset for r in page.records][:2] == [first, second]
    assert json.loads(page.records[0].payload.json) == {"test": test, "n": 1, "timestamp": "1970-01-01T00:00:01.005Z", "key": "k"}
    # What is there already stays, byte for byte; what is missing goes behind it.
    assert page.records[1].payload.json == exact[:-1] + ',"severity":"error","key":"k2"}'
    assert (page.epoch, page.first_offset) == (published.epoch, 1)
    assert page.head_offset >= second and page.last_offset >= second
    structs = api.streams("GetHistory", stream_type=EVENTS, resource_id="orders", after_offset=first - 1, page_size=2)
    assert structs.records[0].payload.structured["n"] == 1
    assert structs.records[1].payload.WhichOneof("kind") == "json"
    assert structs.last_offset == second
    with pytest.raises(grpc.RpcError) as stale:
        api.streams("GetHistory", stream_type=EVENTS, resource_id="orders", epoch="another")
    assert (stale.value.code(), error_info(stale.value).reason) == (grpc.StatusCode.ABORTED, "EPOCH_CHANGED")


def test_repeated_keys_store_nothing(api, test):
    def publish(*keys, user=api):
        return user.streams("Publish", stream_type=EVENTS, resource_id="orders", records=[record({"test": test}, idempotency_key=key) for key in keys])

    first = publish(test + "1", test + "2")
    again = publish(test + "2", test + "3", test + "3", test + "1")
    assert again.duplicates == 3
    assert again.offsets[0] == first.offsets[1] and again.offsets[3] == first.offsets[0]
    assert again.offsets[1] == again.offsets[2] > first.offsets[1]
    with Api(api.address, bearer("another")) as other:
        assert publish(test + "1", user=other).duplicates == 0
    page = api.streams("GetHistory", stream_type=EVENTS, resource_id="orders", after_offset=first.offsets[0] - 1, filter=only(test))
    assert len(page.records) == 4


def test_history_goes_in_pages_and_filters(api, test):
    numbers = list(range(25))
    offsets = api.streams("Publish", stream_type=LOGS, resource_id="app", records=[record({"test": test, "n": n}, severity=1 + n % 6) for n in numbers]).offsets

    def pages(**options):
        seen, after = [], offsets[0] - 1
        while True:
            page = api.streams("GetHistory", stream_type=LOGS, resource_id="app", after_offset=after, payload_format=JSON, **options)
            seen += [json.loads(r.payload.json)["n"] for r in page.records]
            assert len(page.records) <= options.get("page_size", 100)
            if page.last_offset >= offsets[-1]:
                return seen
            assert page.last_offset > after
            after = page.last_offset

    assert pages(filter=only(test)) == numbers
    assert pages(filter=only(test), page_size=7) == numbers
    assert pages(filter=pb().Filter(min_severity=5, fields=[condition("test", "eq", test)]), page_size=3) == [n for n in numbers if n % 6 >= 4]
    assert pages(filter=pb().Filter(fields=[condition("test", "eq", test), condition("n", "gte", 20), condition("n", "in", [3, 21, 22.0])])) == [21, 22]


def test_subscribe_follows_live_after_history_and_resume(api, test):
    def publish(*numbers):
        return api.streams("Publish", stream_type=EVENTS, resource_id="orders", records=[record({"test": test, "n": n}) for n in numbers])

    with Following(api, EVENTS, "orders", filter=only(test)) as live:
        published = publish(0, 1, 2)
        assert live.opened.epoch == published.epoch
        assert live.opened.offset == published.offsets[0] - 1
        assert [(o, r["n"]) for o, r in live.take(3)] == list(zip(published.offsets, (0, 1, 2)))
        publish(3)
        assert live.take(1)[0][1]["n"] == 3
        ranges = [(b.first_offset, b.last_offset) for b in live.batches]
        assert all(later[0] == earlier[1] + 1 for earlier, later in zip(ranges, ranges[1:])), ranges

    with Following(api, EVENTS, "orders", history=2) as history:
        assert [r["n"] for _, r in history.take(2)] == [2, 3]
        assert not history.opened.recovered
        publish(4)
        assert history.take(1)[0][1]["n"] == 4

    place = pb().Position(epoch=published.epoch, offset=published.offsets[1])
    with Following(api, EVENTS, "orders", filter=only(test), resume=place, history=1) as resumed:
        assert resumed.opened.recovered
        assert [r["n"] for _, r in resumed.take(3)] == [2, 3, 4]
    with Following(api, EVENTS, "orders", filter=only(test), resume=pb().Position(epoch="another", offset=1)) as anew:
        assert not anew.opened.recovered
        publish(5)
        assert anew.take(1)[0][1]["n"] == 5


def test_a_filter_that_nothing_passes_still_moves_on(api, test):
    with Following(api, EVENTS, "orders", filter=only("nobody")) as following:
        offset = api.streams("Publish", stream_type=EVENTS, resource_id="orders", records=[record({"test": test})]).offsets[0]
        for response in following.call:
            assert not response.batch.records
            if response.batch.last_offset >= offset:
                break


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timestamp", timestamp_pb2.Timestamp(seconds=2**63 - 1)),
        ("timestamp", timestamp_pb2.Timestamp(seconds=-(2**63))),
        ("timestamp", timestamp_pb2.Timestamp(seconds=253_402_300_800)),
        ("timestamp", timestamp_pb2.Timestamp(nanos=-1)),
        ("ttl", duration_pb2.Duration(seconds=18_446_744_074)),
        ("ttl", duration_pb2.Duration(nanos=-1)),
    ],
)
def test_times_out_of_range_are_refused(api, field, value):
    with pytest.raises(grpc.RpcError) as refused:
        api.streams("Publish", stream_type=EVENTS, resource_id="orders", records=[record({}), record({}, **{field: value})])
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(refused.value).metadata["field"] == f"records[1].{field}"


def test_times_at_the_ends_of_their_ranges(api, test):
    for seconds in (-62_135_596_800, 253_402_300_799):
        stamped = record({"test": test}, timestamp=timestamp_pb2.Timestamp(seconds=seconds), ttl=duration_pb2.Duration(seconds=36_525 * 86_400))
        api.streams("Publish", stream_type=EVENTS, resource_id="orders", records=[stamped])
    page = api.streams("GetHistory", stream_type=EVENTS, resource_id="orders", filter=only(test), payload_format=JSON)
    times = [json.loads(each.payload.json)["timestamp"] for each in page.records]
    assert times == ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.000Z"]
    assert all(each.ttl.seconds > 36_524 * 86_400 for each in page.records)


def test_ttl_ends_a_record(api, test):
    def publish(n, **fields):
        return api.streams("Publish", stream_type=EVENTS, resource_id="orders", records=[record({"test": test, "n": n}, **fields)]).offsets[0]

    first = publish(0, ttl=duration_pb2.Duration(nanos=1_000_000))
    publish(1, ttl=duration_pb2.Duration(seconds=600))
    deadline = time.monotonic() + TIMEOUT
    while True:
        page = api.streams("GetHistory", stream_type=EVENTS, resource_id="orders", after_offset=first - 1, filter=only(test), payload_format=JSON)
        numbers = [json.loads(r.payload.json)["n"] for r in page.records]
        if numbers == [1]:
            break
        assert numbers == [0, 1] and time.monotonic() < deadline


def test_publish_stream_appends_batch_after_batch(api, test):
    pb_grpc = module("streams.v1.streams_pb2_grpc")
    stub = pb_grpc.StreamServiceStub(api.channel)

    def requests(bad_at=None):
        for batch in range(50):
            text = "[]" if batch == bad_at else {"test": test, "n": batch}
            yield pb().PublishRequest(
                stream_type=EVENTS, resource_id="orders", records=[record(text, idempotency_key=f"{test}-{batch}"), record({"test": test, "n": batch + 0.5})]
            )

    totals = stub.PublishStream(requests(), metadata=api.metadata, timeout=TIMEOUT)
    assert (totals.appended, totals.duplicates) == (100, 0)
    with Following(api, EVENTS, "orders", history=200, filter=only(test)) as following:
        assert [r["n"] for _, r in following.take(100)] == [n / 2 for n in range(100)]
    with pytest.raises(grpc.RpcError) as refused:
        stub.PublishStream(requests(bad_at=3), metadata=api.metadata, timeout=TIMEOUT)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(refused.value).metadata["field"] == "records[0].payload"
    empty = stub.PublishStream(iter(()), metadata=api.metadata, timeout=TIMEOUT)
    assert (empty.appended, empty.duplicates) == (0, 0)


@pytest.mark.parametrize(
    "fields, reason, field",
    [
        ({"stream_type": 0}, "INVALID_ARGUMENT", "stream_type"),
        ({"stream_type": 99}, "INVALID_ARGUMENT", "stream_type"),
        ({"resource_id": "with space"}, "INVALID_ARGUMENT", "resource_id"),
        ({"resource_id": "unknown"}, "NOT_FOUND", None),
        ({"stream_type": CHANGES}, "NOT_FOUND", None),
        ({"records": []}, "INVALID_ARGUMENT", "records"),
        ({"records": [{}]}, "INVALID_ARGUMENT", "records[0].payload"),
        ({"records": [{"payload": {"json": "{}"}}, {"payload": {"json": "[1]"}}]}, "INVALID_ARGUMENT", "records[1].payload"),
        ({"records": [{"payload": {"json": '{"a":01}'}}]}, "INVALID_ARGUMENT", "records[0].payload"),
        ({"records": [{"payload": {"json": "{}"}, "tags": [""]}]}, "INVALID_ARGUMENT", "records[0].tags"),
        ({"records": [{"payload": {"json": "{}"}, "severity": 42}]}, "INVALID_ARGUMENT", "records[0].severity"),
        ({"records": [{"payload": {"json": "{}"}, "key": "k" * 129}]}, "INVALID_ARGUMENT", "records[0].key"),
        ({"records": [{"payload": {"json": "{}"}, "idempotency_key": "k" * 129}]}, "INVALID_ARGUMENT", "records[0].idempotency_key"),
        ({"records": [{"payload": {"json": '{"a":"' + "x" * 65536 + '"}'}}]}, "MESSAGE_TOO_LARGE", "records[0].payload"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_bad_publishes(api, fields, reason, field):
    request = {"stream_type": EVENTS, "resource_id": "orders", "records": [{"payload": {"json": "{}"}}]} | fields
    with pytest.raises(grpc.RpcError) as refused:
        api.streams("Publish", **request)
    info = error_info(refused.value)
    assert info.reason == reason
    if field:
        assert info.metadata["field"] == field


def test_subscribes_that_fail(api):
    def refuse(**fields):
        request = {"stream_type": EVENTS, "resource_id": "orders"} | fields
        with pytest.raises(grpc.RpcError) as refused:
            next(api.streams("Subscribe", stream=True, **request))
        info = error_info(refused.value)
        return refused.value.code(), info.reason, info.metadata["reason"]

    failed = (grpc.StatusCode.FAILED_PRECONDITION, "SUBSCRIPTION_FAILED")
    assert refuse(resource_id="unknown") == (*failed, "RESOURCE_NOT_FOUND")
    assert refuse(filter=pb().Filter(tags=["t"] * 33)) == (*failed, "BAD_FILTER")
    assert refuse(filter=pb().Filter(fields=[condition("f", "gt", True)])) == (*failed, "BAD_FILTER")
    assert refuse(filter=pb().Filter(fields=[condition("f", "eq", "x" * 4096)])) == (*failed, "BAD_FILTER")


def test_permissions(covet, test):
    address = covet.grpc_address("streams")
    scoped = bearer("scoped", ["nobody"], scopes=["stream:read:metrics:*", "stream:publish:events:orders"])
    with Api(address, bearer("nobody", [])) as nobody, Api(address, scoped) as scoped:
        for call in (
            lambda: nobody.streams("Publish", stream_type=EVENTS, resource_id="orders", records=[record({"test": test})]),
            lambda: nobody.streams("GetHistory", stream_type=EVENTS, resource_id="orders"),
            lambda: nobody.streams("GetHistory", stream_type=EVENTS, resource_id="unknown"),
            lambda: next(nobody.streams("Subscribe", stream=True, stream_type=EVENTS, resource_id="orders")),
            lambda: scoped.streams("GetHistory", stream_type=EVENTS, resource_id="orders"),
            lambda: scoped.streams("Publish", stream_type=METRICS, resource_id="volatile", records=[record({"test": test})]),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call()
            assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
        assert not nobody.streams("ListResources").resources
        assert {r.resource_id for r in scoped.streams("ListResources").resources} == {"db_conn_123", "volatile"}
        assert scoped.streams("Publish", stream_type=EVENTS, resource_id="orders", records=[record({"test": test})]).offsets


def test_the_host_is_a_source(api):
    with Following(api, METRICS, "db_conn_123", history=1) as following:
        records = [found for _, found in following.take(2)]
    for found in records:
        assert {"timestamp", "cpu_usage", "memory_usage", "load_1", "network_receive_rate", "disk_write_rate"} <= set(found)
        assert 0 <= found["cpu_usage"] <= 100 and 0 < found["memory_usage"] < 100
    listed = {(r.stream_type, r.resource_id): r for r in api.streams("ListResources").resources}
    host = listed[METRICS, "db_conn_123"]
    assert host.source.state == pb().SOURCE_STATE_LIVE and host.source.HasField("last_record_at") and not host.source.last_error
    assert host.last_offset >= 2 and host.epoch == following.opened.epoch
    orders = listed[EVENTS, "orders"]
    assert orders.description == "Orders" and not orders.HasField("source")


def test_resources_come_in_pages(api):
    seen, token = [], ""
    while True:
        page = api.streams("ListResources", page_size=2, page_token=token)
        assert len(page.resources) <= 2
        seen += [(r.stream_type, r.resource_id) for r in page.resources]
        token = page.next_page_token
        if not token:
            break
    assert seen == [(METRICS, "db_conn_123"), (METRICS, "volatile"), (LOGS, "app"), (EVENTS, "orders"), (EVENTS, "short")]
    assert [r.resource_id for r in api.streams("ListResources", stream_type=EVENTS, prefix="or").resources] == ["orders"]
    with pytest.raises(grpc.RpcError) as bad:
        api.streams("ListResources", page_token="nonsense")
    assert bad.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_slow_reader_gets_everything(api, test):
    """It reads on from the log at its own pace; what waits for it is not held in memory."""
    count, size = 600, 50_000
    with Following(api, EVENTS, "orders", filter=only(test)) as slow:
        for start in range(0, count, 20):
            records = [record({"test": test, "n": n, "x": "x" * size}) for n in range(start, start + 20)]
            api.streams("Publish", stream_type=EVENTS, resource_id="orders", records=records)
        assert [r["n"] for _, r in slow.take(count)] == list(range(count))


def test_a_large_batch_is_read_in_pieces(api, test):
    """One Publish of about 12 MiB: readers get it in messages of their own size."""
    count = 200
    with Following(api, EVENTS, "orders", filter=only(test)) as following:
        records = [record({"test": test, "n": n, "x": "x" * 60_000}) for n in range(count)]
        offsets = api.streams("Publish", stream_type=EVENTS, resource_id="orders", records=records).offsets
        assert [r["n"] for _, r in following.take(count)] == list(range(count))
        assert max(b.ByteSize() for b in following.batches) < 1 << 20
    seen, after = [], offsets[0] - 1
    while after < offsets[-1]:
        page = api.streams("GetHistory", stream_type=EVENTS, resource_id="orders", after_offset=after, page_size=1000, payload_format=JSON)
        assert page.ByteSize() < 3 << 20
        seen += [json.loads(r.payload.json)["n"] for r in page.records if json.loads(r.payload.json)["test"] == test]
        after = page.last_offset
    assert seen == list(range(count))


def test_a_reader_that_the_log_has_left_behind_is_reset(api, test):
    """The log keeps 100 records; the reader takes nothing while 600 come."""
    with Following(api, EVENTS, "short") as slow:
        for start in range(0, 600, 20):
            records = [record({"n": n, "x": "x" * 60_000}) for n in range(start, start + 20)]
            api.streams("Publish", stream_type=EVENTS, resource_id="short", records=records)
        numbers = [r["n"] for _, r in slow]
        assert slow.closed == "reset"
        assert numbers == list(range(len(numbers))) and len(numbers) < 600


def by_reflection(channel, service_name):
    """Calls a service's methods as grpcurl does: no stubs, everything from the server's reflection."""
    database = ProtoReflectionDescriptorDatabase(channel)
    assert service_name in database.get_services()
    pool = descriptor_pool.DescriptorPool(database)
    service = pool.FindServiceByName(service_name)

    def call(name, **request):
        method = service.FindMethodByName(name)
        asked = json_format.ParseDict(request, message_factory.GetMessageClass(method.input_type)(), descriptor_pool=pool)
        kind = channel.unary_stream if method.server_streaming else channel.unary_unary
        invoke = kind(
            f"/{service_name}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        return invoke(asked, metadata=bearer(), timeout=TIMEOUT)

    return call


def test_a_room_is_made_by_reflection_alone(covet, test):
    room = f"kept_{test}"
    with grpc.insecure_channel(covet.grpc_address("rooms")) as channel:
        call = by_reflection(channel, "covet.rooms.v1.RoomService")
        created = json_format.MessageToDict(call("CreateRoom", room_id=room, metadata={"name": "Orders"}))
        assert created["metadata"] == {"name": "Orders"}
        found = json_format.MessageToDict(call("GetRoom", room_id=room))
        assert created.items() <= found.items()
        with pytest.raises(grpc.RpcError) as refused:
            call("CreateRoom", room_id=room)
        assert refused.value.code() == grpc.StatusCode.ALREADY_EXISTS
        call("DeleteRoom", room_id=room)


def test_a_stream_is_watched_by_reflection_alone(covet, test):
    with grpc.insecure_channel(covet.grpc_address("streams")) as channel:
        call = by_reflection(channel, "covet.streams.v1.StreamService")
        stream = {"stream_type": "STREAM_TYPE_EVENTS", "resource_id": "orders"}
        condition = {"field": "test", "comparison": "COMPARISON_EQ", "value": json.dumps(test)}
        watch = call("Subscribe", **stream, filter={"fields": [condition]})
        assert next(watch).opened.epoch
        record = {"payload": {"structured": {"test": test, "total": 99.5}}, "severity": "SEVERITY_NOTICE", "tags": ["paid"]}
        published = json_format.MessageToDict(call("Publish", **stream, records=[record]))
        batch = json_format.MessageToDict(next(watch).batch)
        watch.cancel()
        assert batch["records"][0]["offset"] == published["offsets"][0]
        found = batch["records"][0]["payload"]["structured"]
        assert (found["total"], found["severity"], found["tags"]) == (99.5, "notice", ["paid"])


def test_reload_removes_resources_and_permissions(make_covet):
    covet = make_covet("split")
    process = covet.process("streams")
    address = covet.grpc_address("streams")
    readers = {"grants": [{"action": "stream:read", "pattern": "*"}]}
    process.config["roles"]["reader"] = readers
    process.reload()
    with Api(address) as admin, Api(address, bearer("r", ["reader"])) as reader:
        first = admin.streams("Publish", stream_type=EVENTS, resource_id="orders", records=[record({"n": 1})])
        going = Following(admin, EVENTS, "orders")
        staying = Following(admin, LOGS, "app")
        revoked = Following(reader, LOGS, "app")
        resources = process.config["streams"]["resources"]
        process.config["streams"]["resources"] = [r for r in resources if r["id"] != "orders"]
        readers["grants"] = [{"action": "stream:read", "pattern": "metrics:*"}]
        process.reload()
        assert list(going) == [] and going.closed == "removed"
        assert list(revoked) == [] and revoked.closed == "permission_revoked"
        admin.streams("Publish", stream_type=LOGS, resource_id="app", records=[record({"n": 2})])
        assert staying.take(1)[0][1]["n"] == 2
        with pytest.raises(grpc.RpcError) as gone:
            admin.streams("GetHistory", stream_type=EVENTS, resource_id="orders")
        assert gone.value.code() == grpc.StatusCode.NOT_FOUND
        # Its log was kept.
        process.config["streams"]["resources"] = resources
        process.reload()
        page = admin.streams("GetHistory", stream_type=EVENTS, resource_id="orders", payload_format=JSON)
        assert (page.epoch, page.head_offset) == (first.epoch, 1)
        staying.call.cancel()


def test_streams_end_with_the_callers_credential(make_covet):
    """Of every service: readers and publishers alike, when the token ends or the key is withdrawn."""
    covet = make_covet("split")
    streams, rooms = covet.process("streams"), covet.process("rooms")
    by_key = (("x-api-key", credentials.API_KEY),)

    def ended(call, reason):
        with pytest.raises(grpc.RpcError) as error:
            list(call)
        assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert error_info(error.value).reason == reason

    with Api(covet.grpc_address("streams"), bearer(ttl=8)) as api, Api(covet.grpc_address("rooms"), bearer(ttl=8)) as room_api:
        joined = room_api.rooms("Join", stream=True, room_id="project_123")
        assert next(joined).joined.room.room_id == "project_123"
        following = Following(api, EVENTS, "orders")
        silent = threading.Event()

        def batches():
            yield pb().PublishRequest(stream_type=EVENTS, resource_id="orders", records=[record({"n": 1})])
            silent.wait(5 * TIMEOUT)

        stub = module("streams.v1.streams_pb2_grpc").StreamServiceStub(api.channel)
        publishing = stub.PublishStream.future(batches(), timeout=5 * TIMEOUT, metadata=api.metadata)
        assert following.take(1)[0][1]["n"] == 1
        ended(following.call, "AUTH_EXPIRED")
        ended(joined, "AUTH_EXPIRED")
        error = publishing.exception(TIMEOUT)
        silent.set()
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED and error_info(error).reason == "AUTH_EXPIRED"

    with Api(covet.grpc_address("streams"), by_key) as api, Api(covet.grpc_address("rooms"), by_key) as room_api:
        following = Following(api, EVENTS, "orders")
        joined = room_api.rooms("Join", stream=True, room_id="project_123")
        assert next(joined).joined.room.room_id == "project_123"
        for process in (streams, rooms):
            process.config["auth"]["api_keys"] = []
            process.reload()
        ended(following.call, "AUTH_FAILED")
        ended(joined, "AUTH_FAILED")


def test_memory_logs_begin_anew_and_others_go_on(make_covet):
    covet = make_covet("split")
    process = covet.process("streams")
    with Api(covet.grpc_address("streams")) as api:
        kept = api.streams("Publish", stream_type=EVENTS, resource_id="orders", records=[record({"n": 1}, idempotency_key="k")])
        lost = api.streams("Publish", stream_type=METRICS, resource_id="volatile", records=[record({"n": 1})])
    process.stop()
    process.start()
    with Api(covet.grpc_address("streams")) as api:
        again = api.streams("Publish", stream_type=EVENTS, resource_id="orders", records=[record({"n": 1}, idempotency_key="k")])
        assert (again.epoch, list(again.offsets), again.duplicates) == (kept.epoch, [1], 1)
        with Following(api, EVENTS, "orders", resume=pb().Position(epoch=kept.epoch, offset=0)) as resumed:
            assert resumed.opened.recovered and resumed.take(1)[0][0] == 1
        with Following(api, METRICS, "volatile", resume=pb().Position(epoch=lost.epoch, offset=1)) as anew:
            assert not anew.opened.recovered and anew.opened.epoch != lost.epoch and anew.opened.offset == 0


class Publisher(threading.Thread):
    """Publishes numbered batches with idempotency keys, sending again what was not acknowledged."""

    def __init__(self, address, name):
        super().__init__()
        self.address, self.name_ = address, name
        self.acknowledged = {}  # Number → offset.
        self.stopping = threading.Event()
        self.failures = 0

    def run(self):
        number = 0
        with Api(self.address) as api:
            while True:
                numbers = range(number, number + 5)
                records = [record({"who": self.name_, "n": n}, idempotency_key=f"{self.name_}-{n}") for n in numbers]
                try:
                    answer = api.streams("Publish", stream_type=EVENTS, resource_id="orders", records=records)
                except grpc.RpcError as error:
                    assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL), error
                    self.failures += 1
                    time.sleep(0.02)
                    continue
                self.acknowledged.update(zip(numbers, answer.offsets))
                number += 5
                if self.stopping.is_set():
                    return


def test_kill_under_publish_traffic(make_covet):
    """Whatever was acknowledged is there, once, where it was acknowledged; a reader that resumes misses nothing."""
    covet = make_covet("split")
    process = covet.process("streams")
    address = covet.grpc_address("streams")
    publishers = [Publisher(address, f"p{i}") for i in range(4)]
    seen, epochs, done = [], set(), threading.Event()

    def follow():
        place = None
        # Until it has the last record, which may be after yet another connection.
        while True:
            try:
                with Api(address) as api, Following(api, EVENTS, "orders", **({"resume": place} if place else {"history": 10_000})) as following:
                    epochs.add(following.opened.epoch)
                    assert place is None or following.opened.recovered
                    for offset, found in following:
                        seen.append((offset, found["who"], found["n"]))
                        place = pb().Position(epoch=following.opened.epoch, offset=offset)
                        if done.is_set() and offset >= head[0]:
                            return
            except grpc.RpcError:
                time.sleep(0.02)

    reader = threading.Thread(target=follow, daemon=True)
    head = [0]
    reader.start()
    for publisher in publishers:
        publisher.start()
    for kill in range(1, 6):
        wanted = [len(p.acknowledged) + 25 for p in publishers]
        deadline = time.monotonic() + TIMEOUT
        while any(len(p.acknowledged) < w for p, w in zip(publishers, wanted)):
            assert time.monotonic() < deadline and all(p.is_alive() for p in publishers)
            time.sleep(0.005)
        process.kill()
        process.start()
    for publisher in publishers:
        publisher.stopping.set()
    for publisher in publishers:
        publisher.join(TIMEOUT)
        assert not publisher.is_alive()

    with Api(address) as api:
        stored, after = [], 0
        while True:
            page = api.streams("GetHistory", stream_type=EVENTS, resource_id="orders", after_offset=after, page_size=1000, payload_format=JSON)
            stored += [(r.offset, found["who"], found["n"]) for r in page.records for found in [json.loads(r.payload.json)]]
            after = page.last_offset
            if after >= page.head_offset:
                break
        # One more record lets the reader see that it is at the end.
        head[0] = page.head_offset + 1
        done.set()
        api.streams("Publish", stream_type=EVENTS, resource_id="orders", records=[record({"who": "end", "n": 0})])
    reader.join(TIMEOUT)
    assert not reader.is_alive()
    assert [o for o, _, _ in stored] == list(range(1, len(stored) + 1))
    places = {(who, n): offset for offset, who, n in stored}
    assert len(places) == len(stored), "repeated"
    for publisher in publishers:
        for number, offset in publisher.acknowledged.items():
            assert places.get((publisher.name_, number)) == offset, "lost"
    assert len(epochs) == 1
    assert seen[: len(stored)] == stored
