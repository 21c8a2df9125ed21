"""Streams as clients see them: subscribe, stream_data, unsubscribe, through the edge from the streams service."""

import asyncio
import itertools
import json
import re
import socket

import pytest
from google.protobuf import duration_pb2

from harness import credentials
from harness.deployment import Deployment
from harness.grpc_api import Api
from harness.process import TIMEOUT
from harness.raw import RawConnection

EVENTS, METRICS = 3, 1  # StreamType
TYPES = {EVENTS: "events", METRICS: "metrics"}
RESOURCES = [
    {"type": "metrics", "id": "db_conn_123"},
    {"type": "events", "id": "short", "retention": {"max_count": 50}},
    *({"type": "events", "id": f"r{i}"} for i in range(60)),
]
OVERRIDES = {
    "streams": {"resources": RESOURCES},
    "roles": {"reader": {"grants": [{"action": "stream:read", "pattern": "events:r*"}]}, "nobody": {"grants": []}},
}


@pytest.fixture(scope="module", params=["all", "split"])
def covet(request, tmp_path_factory):
    with Deployment(request.param, tmp_path_factory.mktemp(request.param), OVERRIDES) as deployment:
        deployment.unused = itertools.count()
        yield deployment


@pytest.fixture
def resource(covet):
    """The id of an events resource that no other test uses."""
    return f"r{next(covet.unused)}"


class Publisher:
    def __init__(self, covet, resource, stream_type=EVENTS):
        self.api = Api(covet.grpc_address("streams"))
        self.resource, self.stream_type = resource, stream_type

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.api.channel.close()

    async def publish(self, *records, **options):
        """Publishes in one batch and returns the offsets."""
        records = [{"payload": {"json": json.dumps(record)}, **options} for record in records]
        answer = await asyncio.to_thread(
            self.api.streams, "Publish", stream_type=self.stream_type, resource_id=self.resource, records=records
        )
        return list(answer.offsets)


async def subscribe(c, resource, stream_type="events", filters=None, id=None, **options):
    data = {"stream_type": stream_type, "resource_id": resource, "options": options}
    if filters is not None:
        data["filters"] = filters
    message = await c.request("subscribe", data, id=id)
    assert message["type"] == "subscribed", message
    return message["data"]


async def batch(c, subscription, timeout=TIMEOUT):
    return (await c.expect("stream_data", subscription_id=subscription["subscription_id"], timeout=timeout))["data"]


async def records(c, subscription, count, told=None):
    """That many records, checked to come in order, once and without a hole; and how far they were told."""
    told = subscription["offset"] if told is None else told
    got = []
    while len(got) < count:
        data = await batch(c, subscription)
        assert data["epoch"] == subscription["epoch"]
        assert data["first_offset"] == told + 1 and "dropped" not in data and "gap" not in data, (told, data)
        assert data["last_offset"] >= told
        told = data["last_offset"]
        got += data["batch"]
    assert len(got) == count, got
    return got, told


def metric(covet, name, **labels):
    text = covet.edge.admin("/metrics")[1]
    total = 0.0
    for line in text.splitlines():
        match = re.match(rf"{name}(?:{{(.*)}})? ([0-9.e+]+)$", line)
        if match and all(f'{k}="{v}"' in (match.group(1) or "") for k, v in labels.items()):
            total += float(match.group(2))
    return total


async def until(condition, what, timeout=TIMEOUT):
    deadline = asyncio.get_running_loop().time() + timeout
    while not await asyncio.to_thread(condition):
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.05)


async def test_the_specifications_example_message_by_message(covet):
    first = {"timestamp": "2025-09-10T12:00:00Z", "cpu_usage": 45.2, "memory_usage": 67.8, "active_connections": 12}
    second = {"timestamp": "2025-09-10T12:00:01Z", "cpu_usage": 47.1, "memory_usage": 68.2, "active_connections": 13}
    async with covet.connect() as c:
        await c.send(
            "subscribe",
            {
                "stream_type": "metrics",
                "resource_id": "db_conn_123",
                "filters": {"min_severity": "warning", "tags": ["performance", "database"]},
                "options": {"buffer_size": 100, "batch_interval": 1000},
            },
            id="sub_12345",
        )
        subscribed = await c.reply("sub_12345")
        assert subscribed["type"] == "subscribed"
        assert subscribed["data"]["subscription_id"] == "sub_12345"
        assert subscribed["data"]["recovered"] is False
        with Publisher(covet, "db_conn_123", METRICS) as p:
            offsets = await p.publish(first, second)
        data = (await c.expect("stream_data"))["data"]
        assert {k: data[k] for k in ("subscription_id", "stream_type", "resource_id")} == {
            "subscription_id": "sub_12345", "stream_type": "metrics", "resource_id": "db_conn_123",
        }
        assert data["batch"] == [first, second]
        assert (data["first_offset"], data["last_offset"]) == (subscribed["data"]["offset"] + 1, offsets[-1])
        await c.send("unsubscribe", {"subscription_id": "sub_12345"}, id="unsub_12345")
        ended = await c.reply("unsub_12345")
        assert ended["type"] == "unsubscribed"
        assert ended["data"] == {"subscription_id": "sub_12345", "reason": "unsubscribed"}


async def test_permission_comes_before_existence(covet, resource):
    async with covet.connect(roles=("nobody",)) as c:
        for id in (resource, "no_such_stream"):
            error = await c.error("subscribe", {"stream_type": "events", "resource_id": id})
            assert error["error_code"] == "PERMISSION_DENIED" and error["recoverable"] is False
    async with covet.connect(roles=("reader",)) as c:
        await subscribe(c, resource)
        error = await c.error("subscribe", {"stream_type": "metrics", "resource_id": "db_conn_123"})
        assert error["error_code"] == "PERMISSION_DENIED"


async def test_what_cannot_be_subscribed_to(covet, resource):
    async with covet.connect() as c:
        error = await c.error("subscribe", {"stream_type": "events", "resource_id": "no_such_stream"})
        assert (error["error_code"], error["details"]["reason"]) == ("SUBSCRIPTION_FAILED", "RESOURCE_NOT_FOUND")
        # An id names a stream only with its type.
        error = await c.error("subscribe", {"stream_type": "logs", "resource_id": resource})
        assert error["details"]["reason"] == "RESOURCE_NOT_FOUND"
        for filters in ({"min_severity": "loud"}, {"fields": {"a": {"near": 1}}}, {"tags": ["t"] * 33}):
            error = await c.error("subscribe", {"stream_type": "events", "resource_id": resource, "filters": filters})
            assert (error["error_code"], error["details"]["reason"]) == ("SUBSCRIPTION_FAILED", "BAD_FILTER"), error
        for data in (
            {"stream_type": "events", "resource_id": resource, "filters": {"tags": "t"}},
            {"stream_type": "events", "resource_id": resource, "options": {"buffer_size": 0}},
            {"stream_type": "events", "resource_id": resource, "options": {"conflate": 1}},
            {"stream_type": "films", "resource_id": resource},
        ):
            assert (await c.error("subscribe", data))["error_code"] == "INVALID_MESSAGE_FORMAT"
        assert (await c.error("unsubscribe", {"subscription_id": "unknown"}))["error_code"] == "NOT_FOUND"


async def test_too_many_and_ids_in_use(covet, resource):
    async with covet.connect() as c:
        for i in range(100):
            await c.send("subscribe", {"stream_type": "events", "resource_id": resource}, id=f"s{i}")
        for i in range(100):
            assert (await c.reply(f"s{i}"))["type"] == "subscribed"
        error = await c.error("subscribe", {"stream_type": "events", "resource_id": resource})
        assert (error["error_code"], error["details"]["reason"]) == ("SUBSCRIPTION_FAILED", "TOO_MANY")
        error = await c.error("subscribe", {"stream_type": "events", "resource_id": resource}, id="s7")
        assert error["error_code"] == "CONFLICT"
        await c.request("unsubscribe", {"subscription_id": "s7"})
        await subscribe(c, resource, id="s7")
        with Publisher(covet, resource) as p:
            await p.publish({"n": 1})
        # Each gets its own message, with an id of its own.
        messages = [await c.expect("stream_data", subscription_id=f"s{i}") for i in range(100)]
        assert len({m["id"] for m in messages}) == 100


async def test_intervals(covet, resource):
    async with covet.connect() as c:
        each = await subscribe(c, resource, batch_interval=0)
        together = await subscribe(c, resource, batch_interval=51)
        with Publisher(covet, resource) as p:
            await p.publish(*({"n": n} for n in range(5)))
        for n in range(5):
            assert [r["n"] for r in (await batch(c, each))["batch"]] == [n]
        got, _ = await records(c, together, 5)
        assert [r["n"] for r in got] == list(range(5))


async def test_a_full_buffer_goes_out_at_once(covet, resource):
    async with covet.connect() as c:
        s = await subscribe(c, resource, batch_interval=10_000, buffer_size=3)
        loop = asyncio.get_running_loop()
        with Publisher(covet, resource) as p:
            begun = loop.time()
            await p.publish(*({"n": n} for n in range(7)))
        for expected in ([0, 1, 2], [3, 4, 5]):
            assert [r["n"] for r in (await batch(c, s))["batch"]] == expected
        assert loop.time() - begun < 10
        assert [r["n"] for r in (await batch(c, s))["batch"]] == [6]
        assert loop.time() - begun >= 9.9


async def test_filters(covet, resource):
    async with covet.connect() as c:
        grave = await subscribe(c, resource, filters={"min_severity": "warning"}, batch_interval=50)
        tagged = await subscribe(c, resource, filters={"tags": ["a", "b"]}, batch_interval=50)
        high = await subscribe(c, resource, filters={"fields": {"cpu": {"gte": 80}, "host": {"in": ["x", "y"]}}}, batch_interval=50)
        with Publisher(covet, resource) as p:
            offsets = await p.publish(
                {"n": 0},
                {"n": 1, "severity": "info", "tags": ["c"]},
                {"n": 2, "severity": "error", "tags": ["b", "c"]},
                {"n": 3, "cpu": 80, "host": "y", "severity": "debug"},
                {"n": 4, "cpu": 79.5, "host": "x", "tags": []},
                {"n": 5, "cpu": 99, "host": "z"},
            )
        for s, expected in ((grave, [0, 2, 4, 5]), (tagged, [0, 2, 3, 5]), (high, [3])):
            got, told = await records(c, s, len(expected))
            assert [r["n"] for r in got] == expected
            assert told <= offsets[-1]


async def test_a_record_whose_time_is_up_leaves_its_batch(covet, resource):
    async with covet.connect() as c:
        s = await subscribe(c, resource, batch_interval=1000)
        with Publisher(covet, resource) as p:
            await p.publish({"n": 1}, ttl=duration_pb2.Duration(nanos=50_000_000))
            await p.publish({"n": 2})
        data = await batch(c, s)
        assert [r["n"] for r in data["batch"]] == [2]
        assert (data["first_offset"], data["last_offset"]) == (s["offset"] + 1, s["offset"] + 2)


async def test_conflation(covet, resource):
    async with covet.connect() as c:
        s = await subscribe(c, resource, batch_interval=500, conflate=True)
        with Publisher(covet, resource) as p:
            offsets = await p.publish(*({"n": n, "key": f"k{n % 3}"} for n in range(9)))
        data = await batch(c, s)
        assert [r["n"] for r in data["batch"]] == [6, 7, 8]
        assert (data["first_offset"], data["last_offset"]) == (s["offset"] + 1, offsets[-1])
        assert "dropped" not in data


async def test_records_arrive_as_they_were_published(covet, resource):
    text = '{"n":12345678901234567890.1234567890,"z":1,"a":"\\u00e9","timestamp":"2025-09-10T12:00:00Z"}'
    with RawConnection(covet.http_address) as c:
        assert c.upgrade(f"/ws?token={credentials.token('raw', ('admin',))}")[0] == 101
        data = {"stream_type": "events", "resource_id": resource, "options": {"batch_interval": 0}}
        c.send_json({"type": "subscribe", "id": "s", "data": data})
        while (await asyncio.to_thread(c.read_message))["type"] != "subscribed":
            pass
        with Publisher(covet, resource) as p:
            await asyncio.to_thread(
                p.api.streams, "Publish", stream_type=EVENTS, resource_id=resource, records=[{"payload": {"json": text}}]
            )
        _, frame = await asyncio.to_thread(c.read_frame)
        assert frame.decode().endswith(f'"batch":[{text}]}}}}')


async def test_resume_and_history(covet, resource):
    with Publisher(covet, resource) as p:
        offsets = await p.publish(*({"n": n} for n in range(1200)))
        async with covet.connect() as c:
            s = await subscribe(c, resource, history=7, batch_interval=50)
            assert (s["offset"], s["recovered"]) == (offsets[-1], False)
            got, told = await records(c, s, 7, told=offsets[-8])
            assert [r["n"] for r in got] == list(range(1193, 1200))
            # Live follows the replay.
            await p.publish({"n": 1200})
            got, told = await records(c, s, 1, told)
            assert got[0]["n"] == 1200
        async with covet.connect() as c:
            resumed = await subscribe(c, resource, resume={"epoch": s["epoch"], "offset": offsets[99]}, history=3)
            assert resumed["recovered"] is True and resumed["offset"] == told
            got, told = await records(c, resumed, 1101, told=offsets[99])
            assert [r["n"] for r in got] == list(range(100, 1201))
            # At the head nothing is missing; of another log nothing is replayed.
            at_head = await subscribe(c, resource, resume={"epoch": s["epoch"], "offset": told}, batch_interval=0)
            assert (at_head["recovered"], at_head["offset"]) == (True, told)
            other = await subscribe(c, resource, resume={"epoch": "e_other", "offset": 3}, batch_interval=0)
            assert (other["recovered"], other["offset"]) == (False, told)
            await p.publish({"n": 1201})
            for one in (at_head, other):
                assert [r["n"] for r in (await batch(c, one))["batch"]] == [1201]


async def test_resume_behind_what_is_kept(covet):
    with Publisher(covet, "short") as p:
        first = (await p.publish({"n": 0}))[0]
        for _ in range(30):
            last = (await p.publish(*({"n": n} for n in range(100))))[-1]
        async with covet.connect() as c:
            epoch = (await subscribe(c, "short"))["epoch"]

            async def evicted():
                s = await subscribe(c, "short", resume={"epoch": epoch, "offset": first}, batch_interval=50)
                data = await batch(c, s)
                return s["recovered"] is False and data["first_offset"] > first + 1 and s["offset"] == last

            deadline = asyncio.get_running_loop().time() + TIMEOUT
            while not await evicted():
                assert asyncio.get_running_loop().time() < deadline
                last = (await p.publish({"n": 1}))[-1]
                await asyncio.sleep(0.1)


async def test_readers_join_a_moving_stream_at_any_time(covet, resource):
    total, done = 3000, asyncio.Event()
    with Publisher(covet, resource) as p:
        await p.publish({"n": -1})

        async def publish():
            for n in range(0, total, 20):
                await p.publish(*({"n": i} for i in range(n, n + 20)))
                await asyncio.sleep(0)
            done.set()

        async def read(i):
            await asyncio.sleep(0.02 * i)
            async with covet.connect(f"u{i}") as c:
                s = await subscribe(c, resource, history=500 if i % 3 else 0, batch_interval=(0, 50, 100)[i % 3], buffer_size=10_000)
                seen, told = [], None
                while not seen or seen[-1] != total - 1:
                    data = await batch(c, s)
                    assert told is None or data["first_offset"] == told + 1, (told, data["first_offset"])
                    assert "dropped" not in data
                    told = data["last_offset"]
                    seen += [r["n"] for r in data["batch"]]
                assert seen == list(range(seen[0], total))

        async with asyncio.timeout(120):
            await asyncio.gather(publish(), *(read(i) for i in range(12)))


async def test_nothing_follows_an_end(covet, resource):
    async with covet.connect() as c:
        with Publisher(covet, resource) as p:
            s = await subscribe(c, resource, batch_interval=0)
            publishing = asyncio.create_task(asyncio.to_thread(lambda: [
                p.api.streams("Publish", stream_type=EVENTS, resource_id=resource, records=[{"payload": {"json": "{}"}}])
                for _ in range(50)
            ]))
            await batch(c, s)
            await c.request("unsubscribe", {"subscription_id": s["subscription_id"]})
            # All that has come before the answer is taken; nothing comes after it.
            c.inbox.clear()
            await publishing
            await c.request("unsubscribe", {"subscription_id": "none"})
            assert not [m for m in c.inbox if m["type"] == "stream_data"]
        # An end that comes before the beginning is answered takes effect after it.
        a = await c.send("subscribe", {"stream_type": "events", "resource_id": resource}, id="quick")
        b = await c.send("unsubscribe", {"subscription_id": "quick"})
        assert (await c.reply(a))["type"] == "subscribed"
        assert (await c.reply(b))["type"] == "unsubscribed"
        await subscribe(c, resource, id="quick")


async def test_a_renewed_token_that_no_longer_allows(covet, resource):
    async with covet.connect("u", roles=("reader",)) as c:
        s = await subscribe(c, resource)
        await c.request("auth_refresh", {"token": credentials.token("u", ("reader", "viewer"))})
        await c.request("auth_refresh", {"token": credentials.token("u", ("nobody",))})
        ended = await c.expect("unsubscribed")
        assert ended["data"] == {"subscription_id": s["subscription_id"], "reason": "permission_revoked"}
        error = await c.error("unsubscribe", {"subscription_id": s["subscription_id"]})
        assert error["error_code"] == "NOT_FOUND"


async def test_deflated_frames_are_shared(covet, resource):
    async with covet.connect(compression="deflate") as a, covet.connect() as b:
        subscriptions = [(a, await subscribe(a, resource, id="x" * 100)), (a, await subscribe(a, resource)), (b, await subscribe(b, resource))]
        with Publisher(covet, resource) as p:
            await p.publish(*({"n": n, "text": f"again and again {n % 3} " * 30} for n in range(50)))
        for c, s in subscriptions:
            got, _ = await records(c, s, 50)
            assert [r["n"] for r in got] == list(range(50))


async def test_resuming_subscribes_are_not_counted(make_covet):
    covet = make_covet(streams={"resources": RESOURCES}, limits={"messages": "3/min"})
    async with covet.connect() as c:
        for i in range(20):
            await subscribe(c, "r1", resume={"epoch": "e", "offset": 1})
        for _ in range(3):
            await subscribe(c, "r1")
        error = await c.error("subscribe", {"stream_type": "events", "resource_id": "r1"})
        assert error["error_code"] == "RATE_LIMITED"


async def test_empty_batches_tell_how_far_it_is(make_covet):
    covet = make_covet(streams={"resources": RESOURCES}, edge={"heartbeat_interval": "500ms"})
    async with covet.connect() as c:
        s = await subscribe(c, "r1", filters={"fields": {"n": {"gt": 100}}}, batch_interval=50)
        with Publisher(covet, "r1") as p:
            last = (await p.publish(*({"n": n} for n in range(10))))[-1]
            told = s["offset"]
            while told < last:
                data = await batch(c, s)
                assert data["batch"] == [] and data["first_offset"] == told + 1
                told = data["last_offset"]
            await p.publish({"n": 101})
            got, _ = await records(c, s, 1, told)
            assert got[0]["n"] == 101


async def test_a_stream_that_is_no_longer_configured(make_covet):
    covet = make_covet(streams={"resources": RESOURCES})
    async with covet.connect() as c:
        s = await subscribe(c, "r1")
        kept = await subscribe(c, "r2")
        covet.edge.config["streams"]["resources"] = [r for r in RESOURCES if r["id"] != "r1"]
        await asyncio.to_thread(covet.edge.reload)
        ended = await c.expect("unsubscribed")
        assert ended["data"] == {"subscription_id": s["subscription_id"], "reason": "removed"}
        error = await c.error("subscribe", {"stream_type": "events", "resource_id": "r1"})
        assert error["details"]["reason"] == "RESOURCE_NOT_FOUND"
        with Publisher(covet, "r2") as p:
            await p.publish({"n": 1})
        await records(c, kept, 1)


async def test_many_readers_share_one_upstream(make_covet):
    covet = make_covet(mode="split", streams={"resources": RESOURCES})
    readers, count = 500, 40
    clients = await asyncio.gather(*(covet.connect(f"u{i}") for i in range(readers)))
    subscriptions = await asyncio.gather(*(subscribe(c, "r1", batch_interval=50) for c in clients))
    with Publisher(covet, "r1") as p:
        for n in range(count):
            await p.publish({"n": n})
        for c, s in zip(clients, subscriptions):
            got, _ = await records(c, s, count)
            assert [r["n"] for r in got] == list(range(count))
    assert metric(covet, "covet_edge_upstreams") == 1
    assert metric(covet, "covet_edge_upstream_opens_total") == 1
    assert metric(covet, "covet_edge_upstream_records_total") == count
    await until(lambda: metric(covet, "covet_edge_stream_records_sent_total") == count * readers, "records counted")
    # A frame is built once for each thread and interval, not for each reader.
    assert metric(covet, "covet_edge_stream_frames_built_total") <= 2 * count
    await asyncio.gather(*(c.close() for c in clients))
    await until(lambda: metric(covet, "covet_edge_subscriptions") == 0, "subscriptions gone")
    assert metric(covet, "covet_edge_upstreams") == 1
    # It ends 10 s after its last reader.
    await until(lambda: metric(covet, "covet_edge_upstreams") == 0, "the upstream gone", timeout=10 + TIMEOUT)


def stopped_reader(covet, resource, buffer_size):
    c = RawConnection(covet.http_address)
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    assert c.upgrade(f"/ws?token={credentials.token('slow', ('admin',))}")[0] == 101
    options = {"batch_interval": 0, "buffer_size": buffer_size}
    c.send_json({"type": "subscribe", "id": "slow", "data": {"stream_type": "events", "resource_id": resource, "options": options}})
    while (message := c.read_message())["type"] != "subscribed":
        pass
    return c, message["data"]["offset"]


async def test_a_slow_reader_loses_what_it_is_told_and_slows_nobody(make_covet):
    covet = make_covet(streams={"resources": RESOURCES}, edge={"outbound_head_age": "60s"})
    count = 1500
    clients = await asyncio.gather(*(covet.connect(f"u{i}") for i in range(10)))
    subscriptions = await asyncio.gather(*(subscribe(c, "r1", batch_interval=50, buffer_size=10_000) for c in clients))
    slow, told = await asyncio.to_thread(stopped_reader, covet, "r1", 20)
    with slow, Publisher(covet, "r1") as p:
        for n in range(0, count, 10):
            last = (await p.publish(*({"n": i, "text": "x" * 8000} for i in range(n, n + 10))))[-1]
        for c, s in zip(clients, subscriptions):
            got, _ = await records(c, s, count)
            assert [r["n"] for r in got] == list(range(count))
        await until(lambda: metric(covet, "covet_edge_stream_records_dropped_total") > 0, "records dropped")

        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

        def read_all():
            position, got, dropped = told, [], 0
            while position < last:
                message = slow.read_message()
                if message["type"] != "stream_data":
                    continue
                data = message["data"]
                lost = data.get("dropped", 0)
                # Every record between what was told before and this is here or counted.
                assert position + lost + len(data["batch"]) == data["last_offset"], (position, data["first_offset"], lost)
                position, dropped = data["last_offset"], dropped + lost
                got += [r["n"] for r in data["batch"]]
            return got, dropped

        got, dropped = await asyncio.wait_for(asyncio.to_thread(read_all), 120)
        assert dropped > 0 and len(got) + dropped == count
        assert got == sorted(set(got)) and got[-1] == count - 1
    await asyncio.gather(*(c.close() for c in clients))


class Follower:
    """Keeps its subscription over every break, by resume, and what it saw."""

    def __init__(self, covet, name, resource):
        self.covet, self.name, self.resource = covet, name, resource
        self.seen, self.epoch, self.told, self.unrecovered = [], None, None, 0

    async def run(self):
        while True:
            try:
                async with self.covet.connect(self.name) as c:
                    options = {"batch_interval": 50, "buffer_size": 10_000}
                    if self.epoch:
                        options["resume"] = {"epoch": self.epoch, "offset": self.told}
                    s = await c.request("subscribe", {"stream_type": "events", "resource_id": self.resource, "options": options})
                    if s["type"] != "subscribed":
                        assert s["data"]["error_code"] in ("SUBSCRIPTION_FAILED", "UNAVAILABLE"), s
                        assert s["data"]["details"].get("reason") != "RESOURCE_NOT_FOUND", s
                        await asyncio.sleep(0.05)
                        continue
                    if self.epoch:
                        self.unrecovered += not s["data"]["recovered"]
                    else:
                        self.epoch, self.told = s["data"]["epoch"], s["data"]["offset"]
                    while True:
                        m = await c.take(lambda m: m["type"] in ("stream_data", "unsubscribed"), "stream_data", timeout=60)
                        assert m["type"] == "stream_data", m
                        data = m["data"]
                        assert data["first_offset"] == self.told + 1 and "dropped" not in data, (self.told, data)
                        self.told = data["last_offset"]
                        self.seen += [r["n"] for r in data["batch"]]
            except (OSError, AssertionError) as error:
                if "closed" not in str(error) and not isinstance(error, OSError):
                    raise
            except Exception as error:
                # The library's own for a connection that breaks or is refused.
                if type(error).__module__.split(".")[0] != "websockets":
                    raise
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("victim", ["streams", "edge"])
async def test_killed_under_traffic_nothing_is_lost_or_repeated(make_covet, victim):
    covet = make_covet(mode="split", streams={"resources": RESOURCES})
    followers = [Follower(covet, f"u{i}", "r1") for i in range(10)]
    tasks = [asyncio.create_task(f.run()) for f in followers]
    await until(lambda: all(f.epoch for f in followers), "all subscribed")
    acknowledged, stopping = 0, False

    async def publish():
        nonlocal acknowledged
        with Publisher(covet, "r1") as p:
            while not stopping:
                try:
                    await p.publish({"n": acknowledged}, idempotency_key=f"k{acknowledged}")
                    acknowledged += 1
                except Exception as error:
                    assert "UNAVAILABLE" in str(error) or "DEADLINE" in str(error) or "CANCELLED" in str(error), error
                    await asyncio.sleep(0.02)

    publishing = asyncio.create_task(publish())
    for _ in range(5):
        mark = acknowledged
        await until(lambda: acknowledged > mark + 30, "records published", timeout=60)
        process = covet.process(victim)
        process.kill()
        await asyncio.to_thread(process.start)
    mark = acknowledged
    await until(lambda: acknowledged > mark + 30, "records published", timeout=60)
    stopping = True
    await publishing

    def settled():
        for task in tasks:
            if task.done():
                task.result()
        return all(len(f.seen) >= acknowledged for f in followers)

    await until(settled, f"{[len(f.seen) for f in followers]} of {acknowledged}", timeout=60)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for f in followers:
        assert f.seen == list(range(acknowledged)), f.name
        assert f.unrecovered == 0
    if victim == "streams":
        assert metric(covet, "covet_edge_upstream_reopens_total") >= 1
        assert metric(covet, "covet_edge_subscription_resets_total") == 0


async def test_streams_away(make_covet):
    covet = make_covet(mode="split", streams={"resources": RESOURCES})
    async with covet.connect() as c:
        s = await subscribe(c, "r1", batch_interval=0)
        covet.process("streams").kill()
        error = await c.error("subscribe", {"stream_type": "events", "resource_id": "r2"})
        assert (error["error_code"], error["details"]["reason"]) == ("SUBSCRIPTION_FAILED", "SOURCE_DOWN")
        await asyncio.to_thread(covet.process("streams").start)
        with Publisher(covet, "r1") as p:
            await p.publish({"n": 1})
        got, _ = await records(c, s, 1)
        assert got[0]["n"] == 1
        await subscribe(c, "r2")
