"""Server-streaming methods of the example backend as streams."""

import asyncio
import time

import pytest

from harness import credentials
from harness.backend import ExampleBackend
from harness.grpc_api import bearer
from harness.process import TIMEOUT
from harness.records import Follower, list_resources, wait_source


@pytest.fixture
def shop():
    backend = ExampleBackend()
    yield backend.start()
    backend.close()


def overrides(shop, **source):
    stream = {"backend": "shop", "method": "orders.watch_stock", "request": {"interval": "0.02s", "sku": "tea"}, **source}
    return {
        "backends": {"shop": shop.config()},
        "streams": {"resources": [{"type": "events", "id": "stock", "backend_stream": stream}]},
    }


def follow(covet, **options):
    return Follower(covet.grpc_address("streams"), "events", "stock", **options)


def open_streams(shop):
    return shop.call("Lab/GetCounters").get("open_streams", 0)


def until(condition, what):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def shorten_resume_window(covet):
    """To a second: the default of streams, without reading them anew."""
    for process in covet.processes.values():
        process.config["streams"]["default_retention"] = {"max_age": "1s"}
        process.reload()


def test_one_call_is_shared_by_its_readers(make_covet, shop):
    covet = make_covet(**overrides(shop))
    with follow(covet).wait_open() as one, follow(covet).wait_open() as two:
        for follower in (one, two):
            follower.wait(lambda f: len(f.records) >= 20, "records")
            numbers = [int(record["sequence"]) for record in follower.records]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert follower.records[0]["sku"] == "tea" and follower.records[0]["timestamp"]
        assert open_streams(shop) == 1
        wait_source(covet.grpc_address("streams"), "events", "stock", "LIVE")
        shown = covet.process("streams").admin("/metrics")[1]
        assert 'covet_backend_connected{backend="shop",role="streams"} 1' in shown
        assert 'covet_backend_calls_in_flight{backend="shop",role="streams"} 1' in shown


async def test_the_call_and_its_log_last_for_the_resume_window(make_covet, shop):
    """Who comes back within it misses nothing; then the backend's call is cancelled and the log freed."""
    covet = make_covet(**overrides(shop))
    address = covet.grpc_address("streams")

    def kept():
        return list_resources(address)["events", "stock"]

    with follow(covet).wait_open() as follower:
        follower.wait(lambda f: len(f.records) >= 5, "records")
    left = kept()
    until(lambda: kept().last_offset >= left.last_offset + 20, "nothing is kept without readers")
    with follow(covet, resume=(follower.epoch, follower.offset)).wait_open() as back:
        back.wait(lambda f: len(f.records) >= 30, "what was missed")
        assert not back.gaps
        numbers = [int(record["sequence"]) for record in follower.records + back.records]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert open_streams(shop) == 1
    await asyncio.to_thread(shorten_resume_window, covet)
    async with covet.connect() as c:
        assert c.ack["data"]["resume_window"] == 1000
    await asyncio.to_thread(until, lambda: open_streams(shop) == 0, "the call goes on after the window")
    until(lambda: kept().last_offset == 0, "the log is kept after the window")
    assert kept().epoch not in ("", left.epoch)
    wait_source(address, "events", "stock", "IDLE")
    # A reader from before finds another epoch, over the edge too.
    async with covet.connect() as c:
        resume = {"resume": {"epoch": left.epoch, "offset": left.last_offset}}
        opened = (await c.request("subscribe", {"stream_type": "events", "resource_id": "stock", "options": resume}))["data"]
        assert opened["recovered"] is False and opened["epoch"] != left.epoch


def test_a_reload_that_changes_nothing_is_not_noticed(make_covet, shop):
    covet = make_covet("split", **overrides(shop, request={"interval": "0.02s", "sku": "tea", "count": 0, "failAtEnd": False}))
    streams = covet.process("streams")
    with follow(covet).wait_open() as follower:
        for _ in range(5):
            have = len(follower.records)
            streams.reload()
            follower.wait(lambda f: len(f.records) >= have + 5, "records after the reload")
        assert follower.opened == 1 and not follower.gaps


def test_the_backend_killed_and_restarted_is_a_gap(make_covet, shop):
    covet = make_covet(**overrides(shop))
    with follow(covet).wait_open() as follower:
        follower.wait(lambda f: len(f.records) >= 5, "records")
        shop.kill()
        assert wait_source(covet.grpc_address("streams"), "events", "stock", "FAILED").last_error
        have = len(follower.records)
        shop.start()
        follower.wait(lambda f: len(f.records) >= have + 5, "records after the restart", timeout=60)
        assert follower.gaps == [have]
        assert int(follower.records[have]["sequence"]) == 1
        wait_source(covet.grpc_address("streams"), "events", "stock", "LIVE")


def test_filters_fill_the_request(make_covet, shop):
    covet = make_covet(**overrides(shop, filter_fields=["sku"]))
    with follow(covet, fields=[("sku", "milk")]).wait_open() as milk, follow(covet, fields=[("sku", "rice")]).wait_open() as rice:
        milk.wait(lambda f: len(f.records) >= 5, "records of milk")
        rice.wait(lambda f: len(f.records) >= 5, "records of rice")
        assert {record["sku"] for record in milk.records} == {"milk"}
        assert {record["sku"] for record in rice.records} == {"rice"}
        assert open_streams(shop) == 2


def test_a_slow_log_slows_the_backend_and_loses_nothing(make_covet, shop):
    covet = make_covet(**overrides(shop, method="shop.v1.Lab/Flood", request={"count": 20000, "size": 1000}))
    with follow(covet).wait_open() as follower:
        # The first gap is the flood's end: the backend is called again.
        follower.wait(lambda f: f.gaps, "the next flood", timeout=90)
        flood = [int(record["sequence"]) for record in follower.records[: follower.gaps[0]]]
        assert flood == list(range(20001 - len(flood), 20001))
        assert len(flood) > 10000


def test_a_method_that_is_not_there_is_told(make_covet, shop):
    covet = make_covet(**overrides(shop, method="orders.no_such_method"))
    with follow(covet) as follower:
        follower.wait(lambda f: f.error and "no_such_method" in f.error.details(), "the method's name in an error")


def test_a_stream_of_each_user(make_covet, shop):
    """The backend is told whose call it is; the sessions of one user share it, and nobody else does."""
    covet = make_covet("split", **overrides(shop, per_user=True))
    address = covet.grpc_address("streams")
    one, other = bearer("one", ["admin"]), bearer("other", ["admin"])
    with Follower(address, "events", "stock", metadata=one).wait_open() as first, Follower(address, "events", "stock", metadata=one).wait_open() as same:
        for follower in (first, same):
            follower.wait(lambda f: len(f.records) >= 5, "records")
        assert first.epoch == same.epoch and open_streams(shop) == 1
        with Follower(address, "events", "stock", metadata=other).wait_open() as second:
            second.wait(lambda f: len(f.records) >= 5, "records")
            assert second.epoch != first.epoch and open_streams(shop) == 2
        callers = shop.call("Lab/GetCounters")["watched_by"]
        assert callers == {"one": "1", "other": "1"}


async def test_a_stream_of_each_user_over_the_edge(make_covet, shop):
    covet = make_covet("split", **overrides(shop, per_user=True))
    stock = {"stream_type": "events", "resource_id": "stock", "options": {"batch_interval": 0}}
    async with covet.connect(user="one") as a, covet.connect(user="one") as b, covet.connect(user="two") as c:
        opened = [await s.request("subscribe", stock) for s in (a, b, c)]
        epochs = [message["data"]["epoch"] for message in opened]
        assert epochs[0] == epochs[1] != epochs[2]
        for session, message in zip((a, b, c), opened, strict=True):
            batch = (await session.expect("stream_data"))["data"]
            assert batch["subscription_id"] == message["data"]["subscription_id"] and batch["batch"][0]["sku"] == "tea"
        assert shop.call("Lab/GetCounters")["watched_by"] == {"one": "1", "two": "1"}
        # With other roles the backend's call begins anew, in their name.
        await a.request("auth_refresh", {"token": credentials.token("one", ["admin", "member"])})
        ended = await a.expect("unsubscribed")
        assert ended["data"]["reason"] == "reset"
        again = await a.request("subscribe", stock)
        assert again["data"]["epoch"] not in epochs
        # What a role loses ends, wherever it is looked at first.
        for process in covet.processes.values():
            process.config["roles"]["admin"] = {"grants": [{"action": "room:read", "pattern": "*"}]}
        for role in ("streams", "edge"):
            await asyncio.to_thread(covet.process(role).reload)
        for session in (b, c):
            ended = await session.expect("unsubscribed")
            assert ended["data"]["reason"] == "permission_revoked"


def test_a_users_stream_outlives_its_readers(make_covet, shop):
    """A user who comes back within the resume window misses nothing; after it the call ends."""
    covet = make_covet(**overrides(shop, per_user=True))
    with follow(covet).wait_open() as follower:
        follower.wait(lambda f: len(f.records) >= 5, "records")
    with follow(covet, resume=(follower.epoch, follower.offset - 3)).wait_open() as back:
        back.wait(lambda f: len(f.records) >= 10, "records")
        assert not back.gaps
    assert shop.call("Lab/GetCounters")["watched_by"] == {"user_123": "1"}
    shorten_resume_window(covet)
    until(lambda: open_streams(shop) == 0, "the call goes on after the window")
    with follow(covet).wait_open() as late:
        assert late.epoch != follower.epoch
