"""Coming up, coming back, giving up."""

import asyncio
import datetime
import re
from pathlib import Path

import pytest

from behaviours import entry
from behaviours.common import NOTES, connect
from harness import credentials
from harness.client_agent import AgentError
from harness.proxy import CLIENT, SERVER, Proxy

PROTOCOL = Path(__file__).resolve().parents[2] / "docs/protocol.md"
UPLOAD = {"as": "u", "base64": "aGVsbG8=", "filename": "hello.txt"}


async def rate_limited(make_covet, agent, room):
    covet = make_covet(limits={"messages": "5/h", "rpc_calls": "1/h"})
    async with agent() as a:
        await connect(a, covet.ws_url)
        await a.do("join", room=room)
        await a.do("call", method="system.ping")
        with pytest.raises(AgentError) as call:
            await a.do("call", method="system.ping")
        with pytest.raises(AgentError) as message:
            for n in range(6):
                await a.do("send", room=room, payload=n)
        for error, kind, limit in ((call.value, "RpcError", 1), (message.value, "RateLimitedError", 5)):
            assert (error.type, error.code) == (kind, "RATE_LIMITED")
            assert (error.rate_limit["limit"], error.rate_limit["remaining"]) == (limit, 0)
            assert datetime.datetime.fromisoformat(error.rate_limit["reset"]) > datetime.datetime.now(datetime.UTC)


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
    async with Proxy(covet.http_address, wrong="not a room id") as proxy, agent() as a:
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


async def waits_grow(agent):
    async with agent() as a:
        for attempt in range(1, 9):
            waits = await a.do("waits", max_attempts=10, delay=1, attempts=[attempt] * 400)
            most = min(30_000, 1000 * 2 ** (attempt - 1))
            assert all(0 <= wait <= most for wait in waits)
            # Anywhere below it, evenly: of 400 some lie in each tenth.
            assert {int(wait * 10 / most) for wait in waits} >= set(range(10))
        for code in (1012, 1013):
            waits = await a.do("waits", max_attempts=10, delay=1, attempts=[1] * 400, close_code=code)
            assert all(5000 <= wait <= 30_000 for wait in waits) and max(waits) - min(waits) > 20_000


async def reconnecting_is_off(covet, agent, room):
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url, reconnect={"enabled": False})
        await a.do("join", room=room)
        proxy.cut()
        assert (await a.take("ended"))[0]["error"]["type"] == "ConnectionLostError"
        with pytest.raises(AgentError) as ended:
            await a.do("send", room=room, payload=1)
        assert ended.value.type == "EndedError"
        assert proxy.accepted == 1


async def drained(make_covet, agent):
    covet = make_covet()
    async with agent() as a:
        await connect(a, covet.ws_url)
        await a.do("join", room="lobby_drain", options=NOTES)
        await a.do("send", room="lobby_drain", payload=1)
        await asyncio.to_thread(covet.edge.stop)
        assert (await a.items("disconnected"))[0]["code"] == 1001
        await asyncio.to_thread(covet.edge.start)
        await a.do("send", room="lobby_drain", payload=2)
        assert [event["payload"] for event in await a.items("room_event", 2)] == [1, 2]
        assert not [told for told in a.events if told["event"] == "gap"]


async def silence_ends_a_connection(make_covet, agent):
    covet = make_covet(edge={"heartbeat_interval": "1s"})
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("join", room="lobby_silence", options=NOTES)
        # The connection stays, and nothing passes on it any more.
        proxy.freeze()
        assert (await a.items("disconnected"))[0]["code"] == 1006
        await a.take("connected", 2)
        assert (await a.do("send", room="lobby_silence", payload=1))["offset"] == 1
        await a.take("room_event")


def _close_codes():
    """{code: whether to come back}, as the protocol's table has them."""
    rows = re.findall(r"^\| ([\d, ]+) \| (.+?) \|", PROTOCOL.read_text().partition("## Close codes")[2], re.MULTILINE)
    return {int(code): says != "no" for codes, says in rows for code in codes.split(",")}


async def close_codes(covet, agent, room):
    codes = _close_codes()
    assert [code for code, back in codes.items() if not back] == entry("close_codes")["final"]
    connected = 0
    async with Proxy(covet.http_address) as proxy, agent() as a:
        for number, (code, back) in enumerate(codes.items(), 1):
            await connect(a, proxy.ws_url)
            connected += 1
            await a.do("join", room=f"{room}_{code}")
            accepted = proxy.accepted
            # Where the server says how long to stay away, that counts and nothing else.
            proxy.close_with(code, "reconnect_after_ms=20" if back else "")
            closed = (await a.items("disconnected", number))[-1]
            assert closed["code"] == code
            if back:
                connected += 1
                await a.take("connected", connected)
                assert (await a.do("send", room=f"{room}_{code}", payload=1))["offset"] == 1
            else:
                ended = (await a.take("ended", number))[-1]["error"]
                assert (ended["type"], ended["close_code"], proxy.accepted) == ("ConnectionLostError", code, accepted)
            await a.do("close")
            await a.take("ended", number)


async def refused_before_it_begins(covet, agent, room):
    async with Proxy(covet.http_address) as proxy, agent() as a:
        connected = ends = 0
        for code, back in _close_codes().items():
            await connect(a, proxy.ws_url)
            connected += 1
            await a.do("join", room=f"{room}_{code}")
            accepted = proxy.accepted
            proxy.refuse_with(code, "reconnect_after_ms=20" if back else "")
            proxy.cut()
            ends += 1
            if back:
                connected += 1
                await a.take("connected", connected)
                assert (await a.do("send", room=f"{room}_{code}", payload=1))["offset"] == 1
                assert proxy.accepted == accepted + 2
                await a.do("close")
                await a.take("ended", ends)
                continue
            ended = (await a.take("ended", ends))[-1]["error"]
            assert (ended["type"], ended["close_code"], proxy.accepted) == ("ConnectionLostError", code, accepted + 1)
            proxy.refuse_with(code)
            with pytest.raises(AgentError) as refused:
                await connect(a, proxy.ws_url)
            assert (refused.value.type, refused.value.close_code) == ("ConnectionLostError", code)
            # A client that has not begun has not ended either.
            await a.do("close")
            ends += 1
            await a.take("ended", ends)


async def told_to_wait(covet, agent):
    wait = 1.5
    reason = f"reconnect_after_ms={int(wait * 1000)}"
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        closed_at = asyncio.get_running_loop().time()
        proxy.refuse_with(4429, reason)
        proxy.close_with(4429, reason)
        await a.take("connected", 2)
        closed_at = [closed_at, proxy.accepted_at[1]]
        for closed, accepted in zip(closed_at, proxy.accepted_at[1:], strict=True):
            # Timers keep time to the millisecond or so.
            assert accepted - closed > wait - 0.01


async def closed_for_what_was_sent(covet, agent, room):
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("join", room=room, options=NOTES)
        for number, code in enumerate((1009, 1002, 1007, 1008), 1):
            # The upload's beginning passes, for it is not sent before the file has been read; its answer doesn't.
            session = (await a.do("session"))["session_id"]
            proxy.freeze(SERVER)
            sent = [a.start("upload", **UPLOAD)]
            await asyncio.to_thread(covet.edge.wait_log, "request", session_id=session, type="file_upload_start")
            proxy.stall()
            sent += [a.start("send", room=room, payload=code), a.start("join", room=f"{room}_{code}")]
            await a.do("session")
            proxy.close_with(code)
            for each in sent:
                with pytest.raises(AgentError) as lost:
                    await each
                assert (lost.value.type, lost.value.close_code) == ("ConnectionLostError", code)
            proxy.go()
            assert (await a.do("send", room=room, payload=number))["offset"] == number
        assert [event["payload"] for event in await a.items("room_event", 4, of=room)] == [1, 2, 3, 4]


async def unheard(make_covet, agent):
    covet = make_covet(edge={"heartbeat_interval": "2s"})
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("join", room="lobby_unheard", options=NOTES)
        proxy.freeze(CLIENT)
        await proxy.until(lambda: SERVER in proxy.closed)
        # Its answer to the close.
        proxy.go()
        assert (await a.items("disconnected"))[0]["code"] == 4408
        await a.take("connected", 2)
        assert (await a.do("send", room="lobby_unheard", payload=1))["offset"] == 1
        await a.take("room_event")


async def token_expires(make_covet, agent):
    covet = make_covet()
    async with Proxy(covet.http_address) as proxy, agent() as a:
        # The first one is renewed with what the server refuses, and so ends; then there is a better one.
        tokens = [credentials.token(ttl=4), "nonsense", credentials.token(ttl=3600)]
        await connect(a, proxy.ws_url, tokens=tokens)
        await a.do("join", room="lobby_expires", options=NOTES)
        refused = (await a.take("error"))[0]["error"]
        assert (refused["type"], refused["code"]) == ("AuthenticationError", "AUTH_FAILED")
        assert (await a.items("disconnected"))[0]["code"] == 4401
        await a.do("send", room="lobby_expires", payload=1)
        await a.take("room_event")
        assert len([told for told in a.events if told["event"] == "token_asked"]) == 3
        # One that is a text cannot be renewed.
        await a.do("close")
        await a.do("connect", url=proxy.ws_url, tokens=[credentials.token(ttl=2)], reconnect={"delay": 0.05, "max_attempts": 400})
        ended = (await a.take("ended", 2))[-1]["error"]
        assert (ended["type"], ended["code"]) == ("AuthenticationError", "AUTH_EXPIRED")


async def token_function_fails(covet, agent, room):
    good = credentials.token()
    async with Proxy(covet.http_address) as proxy, agent() as a:
        with pytest.raises(AgentError) as failed:
            await connect(a, proxy.ws_url, tokens=[None, good])
        assert failed.value.type == "TokenError" and "no token" in failed.value.cause
        await connect(a, proxy.ws_url, tokens=[good, None, good])
        await a.do("join", room=room)
        proxy.cut()
        # It is tried again, as a connection that fails is.
        await a.take("connected", 2)
        await a.do("close")
        await connect(a, proxy.ws_url, tokens=[good, "nonsense"])
        proxy.cut()
        ended = (await a.take("ended", 2))[-1]["error"]
        assert (ended["type"], ended["code"]) == ("AuthenticationError", "AUTH_FAILED")


async def key_revoked(make_covet, agent):
    covet = make_covet()
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await a.do("connect", url=proxy.ws_url, api_key=credentials.API_KEY, reconnect={"delay": 0.05, "max_attempts": 400})
        covet.edge.config["auth"]["api_keys"] = []
        await asyncio.to_thread(covet.edge.reload)
        assert (await a.items("disconnected"))[0]["code"] == 4504
        ended = (await a.take("ended"))[0]["error"]
        assert (ended["type"], ended["close_code"]) == ("ConnectionLostError", 4504)
        assert proxy.accepted == 1


async def limits_abused(make_covet, agent):
    covet = make_covet(edge={"abuse": {"close_after": 5, "half_life": "1s"}})
    async with Proxy(covet.http_address, wrong="not a room id") as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        for _ in range(6):
            with pytest.raises(AgentError):
                await a.do("join", room="not a room id")
        (closed,) = await a.items("disconnected")
        assert closed["code"] == 4429 and "reconnect_after_ms=" in closed["reason"]
        # It stays away as long as it was told, and then comes back.
        await a.take("connected", 2)


async def message_too_large(covet, agent, room):
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("join", room=room)
        with pytest.raises(AgentError) as never_sent:
            await a.do("send", room=room, payload="x" * (2 << 20))
        assert never_sent.value.type == "MessageTooLargeError"
        large = {"large": "x" * (2 << 20)}
        for command, args in (("call", {"method": "system.ping", "params": large}), ("join", {"room": room + "_other", "options": large})):
            with pytest.raises(AgentError) as never_sent:
                await a.do(command, **args)
            assert never_sent.value.type == "MessageTooLargeError", command
        with pytest.raises(AgentError) as refused:
            await a.do("send", room=room, payload="x" * 100_000)
        assert (refused.value.type, refused.value.code) == ("ServerError", "MESSAGE_TOO_LARGE")
        assert (await a.do("send", room=room, payload=1))["offset"] == 1
        assert proxy.accepted == 1


async def unsendable(covet, agent, room):
    orders = {"stream_type": "events", "resource_id": "orders"}
    errors, values = entry("unsendable")["errors"], entry("unsendable")["values"][agent.platform]
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("join", room=room)

        def begin(value):
            at = f"{value}_{proxy.accepted}"
            wrong = {"at": {"unsendable": value}}
            return [
                a.start("send", room=room, payload=wrong),
                a.start("join", room=f"{room}_{at}", options=wrong),
                a.start("subscribe", **{"as": at}, **orders, filters=wrong),
                a.start("upload", **UPLOAD | {"as": at}, metadata=wrong),
            ]

        async def fail(answers):
            for answer in answers:
                with pytest.raises(AgentError) as failed:
                    await answer
                assert failed.value.type in errors, vars(failed.value)

        for value in values:
            wrong = {"at": {"unsendable": value}}
            await fail([*begin(value), a.start("join", room=room, options=wrong), a.start("call", method="system.ping", params=wrong)])
        assert (await a.do("send", room=room, payload=1))["offset"] == 1
        assert proxy.accepted == 1
        proxy.refuse()
        proxy.cut()
        await a.take("disconnected")
        waiting = [answer for value in values for answer in begin(value)]
        await a.do("session")
        proxy.refuse(False)
        await fail(waiting)
        assert (await a.do("send", room=room, payload=2))["offset"] == 2
        await a.take("room_event", 2)
        assert len(a.told("disconnected")) == 1
        assert not a.told("error")


async def closing(covet, agent, room):
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await a.do("join", room=room)
        call = a.start("call", method="no.such", timeout=60)
        with pytest.raises(AgentError):
            await call
        proxy.refuse()
        proxy.cut()
        await a.take("disconnected")
        waiting = [a.start("send", room=room, payload=1), a.start("join", room=room + "_other"), a.start("upload", **UPLOAD)]
        await a.do("session")
        await a.do("close")
        for answer in waiting:
            with pytest.raises(AgentError) as ended:
                await answer
            assert (ended.value.type, ended.value.reason) == ("EndedError", "closed")
        assert "error" not in (await a.take("room_event_end", of=room))[0]
        for command, args in (("join", {"room": room}), ("call", {"method": "system.ping"}), ("upload", UPLOAD)):
            with pytest.raises(AgentError) as ended:
                await a.do(command, **args)
            assert ended.value.type == "EndedError"
        # Over a connection that does not answer, and while the first one is being made.
        proxy.refuse(False)
        await connect(a, proxy.ws_url)
        proxy.stall()
        await a.do("close")
        connecting = a.start("connect", url=proxy.ws_url, tokens=[credentials.token()])
        accepted = proxy.accepted
        await proxy.until(lambda: proxy.accepted > accepted)
        await a.do("close")
        with pytest.raises(AgentError) as ended:
            await connecting
        assert (ended.value.type, ended.value.reason) == ("EndedError", "closed")
