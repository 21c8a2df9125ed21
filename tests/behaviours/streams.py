"""Streams: nothing lost, nothing repeated, gaps told."""

import uuid

import pytest

from behaviours.common import connect
from harness.client_agent import AgentError
from harness.proxy import Proxy
from harness.steps import publish

FILTERED = {"stream_type": "events", "resource_id": "orders"}


def _mine(run):
    """A subscription to the records of this run, which shares the stream with others."""
    return {**FILTERED, "as": run, "filters": {"fields": {"run": {"eq": run}}}, "options": {"batch_interval": 0}}


async def _records(a, run, count):
    return [record["n"] for record in await a.items("data", count, of=run)]


async def subscription_over_cuts(covet, agent):
    run = uuid.uuid4().hex
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("subscribe", **_mine(run))
        for n in range(60):
            if n % 10 == 5:
                proxy.cut()
            await publish(covet, "orders", [{"run": run, "n": n}])
        assert await _records(a, run, 60) == list(range(60))
        assert not [told for told in a.events if told["event"] == "gap"]
        assert proxy.accepted > 1


async def subscription_over_a_killed_server(make_covet, agent):
    covet = make_covet()
    async with agent() as a:
        await connect(a, covet.ws_url)
        await a.do("subscribe", **_mine("r"))
        for n in range(20):
            if n % 7 == 3:
                covet.edge.kill()
                covet.edge.start()
            await publish(covet, "orders", [{"run": "r", "n": n}])
        assert await _records(a, "r", 20) == list(range(20))
        assert not [told for told in a.events if told["event"] == "gap"]


async def subscription_over_a_restarted_service(make_covet, agent):
    covet = make_covet("split")
    streams = covet.process("streams")
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("subscribe", **_mine("r"))
        await a.do("subscribe", **_mine("given_up"))
        await publish(covet, "orders", [{"run": "r", "n": 0}])
        await a.take("data")
        streams.kill()
        # What it subscribes to is away when it comes back.
        proxy.cut()
        await a.take("connected", 2)
        with pytest.raises(AgentError) as refused:
            await a.do("subscribe", **_mine("another"))
        assert refused.value.code == "SUBSCRIPTION_FAILED"
        await a.do("unsubscribe", **{"as": "given_up"})
        assert await a.items("subscription_ended", of="given_up") == [{"reason": "unsubscribed"}]
        streams.start()
        await publish(covet, "orders", [{"run": "r", "n": 1}])
        assert await _records(a, "r", 2) == [0, 1]
        assert not a.told("error")


async def subscription_gap_told(make_covet, agent):
    covet = make_covet(streams={"resources": [{"type": "events", "id": "orders", "retention": {"max_count": 5}}]})
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("subscribe", **_mine("r"))
        await publish(covet, "orders", [{"run": "r", "n": 0}])
        await a.take("data")
        proxy.refuse()
        proxy.cut()
        for n in range(1, 2001, 100):
            await publish(covet, "orders", [{"run": "r", "n": n + i} for i in range(100)])
        proxy.refuse(False)
        assert (await a.items("gap", of="r"))[0]["reason"] == "evicted"
        await publish(covet, "orders", [{"run": "r", "n": 2001}])
        await a.until(lambda: any(told["event"] == "data" and told["item"]["n"] == 2001 for told in a.events), "the last record")
        numbers = [told["item"]["n"] for told in a.events if told["event"] == "data"]
        assert numbers == sorted(set(numbers)) and len(numbers) < 2000


async def subscription_resumed(covet, agent):
    run = uuid.uuid4().hex
    async with agent() as first:
        await connect(first, covet.ws_url)
        await first.do("subscribe", **_mine(run))
        await publish(covet, "orders", [{"run": run, "n": n} for n in range(3)])
        await first.take("data", 3, of=run)
        position = await first.do("position", of=run)
    await publish(covet, "orders", [{"run": run, "n": n} for n in range(3, 6)])
    async with agent() as second:
        await connect(second, covet.ws_url)
        mine = _mine(run)
        await second.do("subscribe", **{**mine, "options": {**mine["options"], "resume": position}})
        assert await _records(second, run, 3) == [3, 4, 5]
        await second.do("subscribe", **{**mine, "as": "stale", "options": {**mine["options"], "resume": {**position, "epoch": "another"}}})
        assert (await second.items("gap", of="stale"))[0]["reason"] == "epoch_changed"
