"""Coming up, coming back, giving up."""

import asyncio

import pytest

from behaviours.common import connect
from harness import credentials
from harness.client_agent import AgentError
from harness.proxy import Proxy


async def reconnecting_is_given_up(covet, agent, room):
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url, reconnect={"delay": 0.01, "max_attempts": 2})
        await a.do("join", room=room)
        proxy.refuse()
        proxy.cut()
        assert (await a.take("room_event_end"))[0]["error"]["type"] == "ConnectionLostError"
        with pytest.raises(AgentError):
            await a.do("join", room=room)


async def final_close(make_covet, agent):
    covet = make_covet(edge={"abuse": {"close_after": 1000, "block_after": 5}})
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("join", room="lobby_abuse")
        for _ in range(6):
            with pytest.raises(AgentError):
                await a.do("join", room="not a room id")
        assert (await a.take("room_event_end"))[0]["error"]["type"] == "ConnectionLostError"
        assert proxy.accepted == 1


async def token_renewed(make_covet, agent):
    covet = make_covet(edge={"auth_expiring_before": "1m"})
    async with agent() as a:
        # The first one is about to end.
        tokens = [credentials.token(ttl=30), credentials.token(ttl=3600), credentials.token(ttl=3600)]
        session = (await a.do("connect", url=covet.ws_url, tokens=tokens))["session_id"]
        renewed = await asyncio.to_thread(covet.edge.wait_log, "token_renewed")
        assert renewed["session_id"] == session
