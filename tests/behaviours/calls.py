"""Calls, through to a backend that counts them."""

import asyncio

import pytest

from behaviours.common import connect
from harness.client_agent import AgentError
from harness.process import TIMEOUT
from harness.proxy import Proxy


def _shop(make_covet, backend):
    covet = make_covet(backends={"shop": backend.config(circuit_breaker={"failures": 0})}, limits={"rpc_calls": "1000000/min"})
    covet.process("rpc").wait_log("rpc_methods_changed", backend="shop")
    return covet


async def _counted(backend, what, method, count=1):
    """Until the backend has counted so many."""
    async with asyncio.timeout(2 * TIMEOUT):
        while int((await asyncio.to_thread(backend.call, "Lab/GetCounters")).get(what, {}).get(method, 0)) < count:
            await asyncio.sleep(0.02)


async def call_results(make_covet, backend, agent):
    async with agent() as a:
        await connect(a, _shop(make_covet, backend).ws_url)
        params = {"customer": {"name": "Ada"}, "items": [{"sku": "tea", "quantity": 2, "price": 1.5}]}
        order = await a.do("call", method="orders.create_order", params=params)
        assert (await a.do("call", method="orders.get_order", params={"order_id": order["order_id"]})) == order
        with pytest.raises(AgentError) as missing:
            await a.do("call", method="orders.get_order", params={"order_id": "order_0"})
        assert (missing.value.type, missing.value.code) == ("RpcError", "ORDER_NOT_FOUND")
        with pytest.raises(AgentError) as invalid:
            await a.do("call", method="orders.create_order", params={})
        assert (invalid.value.type, invalid.value.code) == ("RpcError", "INVALID_ARGUMENT")
        assert invalid.value.details["field_violations"]
        with pytest.raises(AgentError) as unknown:
            await a.do("call", method="orders.no_such_method")
        assert (unknown.value.type, unknown.value.code) == ("RpcError", "METHOD_NOT_FOUND")


async def call_timeout(make_covet, backend, agent):
    covet = _shop(make_covet, backend)
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        with pytest.raises(AgentError) as late:
            await a.do("call", method="lab.sleep", params={"duration": "60s"}, timeout=0.3)
        assert (late.value.type, late.value.code) == ("RpcTimeoutError", "RPC_TIMEOUT")
        await _counted(backend, "cancelled", "Lab/Sleep")
        # The server says nothing at all.
        proxy.stall()
        with pytest.raises(AgentError) as silent:
            await a.do("call", method="system.ping", timeout=0.1)
        assert (silent.value.type, silent.value.code) == ("RpcTimeoutError", "RPC_TIMEOUT")
        proxy.go()
        assert "time" in await a.do("call", method="system.ping")


async def call_cancelled(make_covet, backend, agent):
    async with agent() as a:
        await connect(a, _shop(make_covet, backend).ws_url)
        call = a.start("call", **{"as": "slow"}, method="lab.sleep", params={"duration": "60s"}, timeout=60)
        await _counted(backend, "started", "Lab/Sleep")
        await a.do("cancel_call", **{"as": "slow"})
        with pytest.raises(AgentError) as cancelled:
            await call
        assert cancelled.value.type == "Cancelled"
        await _counted(backend, "cancelled", "Lab/Sleep")
        assert "time" in await a.do("call", method="system.ping")


async def call_cut(make_covet, backend, agent):
    covet = _shop(make_covet, backend)
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        call = a.start("call", method="lab.sleep", params={"duration": "60s"}, timeout=60)
        await _counted(backend, "started", "Lab/Sleep")
        proxy.cut()
        with pytest.raises(AgentError) as lost:
            await call
        assert lost.value.type == "ConnectionLostError"
        # The server gives it up with the connection, and nobody calls again.
        await _counted(backend, "cancelled", "Lab/Sleep")
        await a.take("connected", 2)
        assert "time" in await a.do("call", method="system.ping")
        counters = await asyncio.to_thread(backend.call, "Lab/GetCounters")
        assert counters["started"]["Lab/Sleep"] == "1"
