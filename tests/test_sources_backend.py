"""Server-streaming methods of the example backend as streams."""

import time

import pytest

from harness.backend import ExampleBackend
from harness.process import TIMEOUT
from harness.records import Follower, wait_source


@pytest.fixture
def shop():
    backend = ExampleBackend()
    yield backend.start()
    backend.close()


def overrides(shop, **source):
    stream = {"backend": "shop", "method": "orders.watch_stock", "request": {"interval": "0.02s", "sku": "tea"}, "linger": "500ms", **source}
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


def test_one_call_is_shared_and_ends_after_its_readers(make_covet, shop):
    covet = make_covet(**overrides(shop))
    with follow(covet).wait_open() as one, follow(covet).wait_open() as two:
        for follower in (one, two):
            follower.wait(lambda f: len(f.records) >= 20, "records")
            numbers = [int(record["sequence"]) for record in follower.records]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert follower.records[0]["sku"] == "tea" and follower.records[0]["timestamp"]
        assert open_streams(shop) == 1
        wait_source(covet.grpc_address("streams"), "events", "stock", "LIVE")
    until(lambda: open_streams(shop) == 0, "the call goes on without readers")
    wait_source(covet.grpc_address("streams"), "events", "stock", "IDLE")


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
        follower.wait(lambda f: len(f.records) >= 20000, "the flood", timeout=90)
        first = [int(record["sequence"]) for record in follower.records[:20000]]
        assert first == list(range(first[0], first[0] + 20000)) or follower.gaps


def test_a_method_that_is_not_there_is_told(make_covet, shop):
    covet = make_covet(**overrides(shop, method="orders.no_such_method"))
    with follow(covet) as follower:
        follower.wait(lambda f: f.error and "no_such_method" in f.error.details(), "the method's name in an error")
