"""Connecting: credentials, acknowledgement, refusals before and after the upgrade."""

import asyncio
import re

import pytest
import websockets

from harness import credentials, schemas
from harness.raw import RawConnection

pytestmark = pytest.mark.protocol

FORMS = {
    "token in the query": lambda: {"token": credentials.token()},
    "key in the query": lambda: {"api_key": credentials.API_KEY},
    "bearer header": lambda: {"headers": {"Authorization": "Bearer " + credentials.token()}},
    "key header": lambda: {"headers": {"X-API-Key": credentials.API_KEY}},
    "subprotocols": lambda: {"subprotocols": ["covet.v1", "bearer." + credentials.token()]},
}


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_of_credential(covet, form):
    async with covet.connect_raw(**FORMS[form]()) as c:
        ack = await c.expect("connection_ack")
        assert ack["data"]["user_id"] == (credentials.API_KEY_USER if "key" in form else "user_123")
        assert c.ws.subprotocol == ("covet.v1" if form == "subprotocols" else None)


async def test_acknowledgement_comes_first_and_tells_what_is_offered(covet):
    async with covet.connect_raw(token=credentials.token("user_7")) as c:
        ack = await c.take(lambda m: True, "any message")
        assert ack["type"] == "connection_ack"
        data = ack["data"]
        assert data["user_id"] == "user_7"
        assert set(data["capabilities"]) == {"rooms", "streaming", "notifications", "resume", "rpc", "files", "binary_chunks"}
        assert data["heartbeat_interval"] == 30000
        assert data["resume_window"] == 24 * 3600 * 1000
        async with covet.connect(user="user_7") as other:
            assert other.session_id != data["session_id"]


# The rates are the specification's.
LIMITS = {
    "message_bytes": 1024 * 1024,
    "room_payload_bytes": 64 * 1024,
    "record_bytes": 64 * 1024,
    "chunk_bytes": 512 * 1024,
    "rpc_params_bytes": 1024 * 1024,
    "rpc_result_bytes": 1024 * 1024,
    "json_depth": 64,
    "id_length": 128,
    "outbound_queue_bytes": 1024 * 1024,
    "outbound_queue_ms": 30_000,
    "rooms": 100,
    "subscriptions": 100,
    "calls_in_flight": 32,
    "connections": 1000,
    "connection_attempts_per_minute": 10,
    "messages_per_minute": 100,
    "rpc_calls_per_minute": 50,
    "uploads_per_hour": 10,
}


async def test_the_limits_that_hold_by_default(make_covet):
    covet = make_covet()
    covet.edge.stop()
    del covet.edge.config["limits"]
    covet.edge.start()
    async with covet.connect() as c:
        assert c.ack["data"]["limits"] == LIMITS


def test_the_page_names_the_limits():
    tables = (schemas.DOCS / "protocol.md").read_text().partition("\n## Limits\n")[2]
    names = [line.split("|")[2] for line in tables.splitlines() if line.startswith("| ") and "name in" not in line]
    assert {name for cell in names for name in re.findall(r"`(\w+)`", cell)} == set(LIMITS)


def two_different():
    return {"token": credentials.token("user_1"), "headers": {"Authorization": "Bearer " + credentials.token("user_2")}}


BAD = {
    "none": lambda: {},
    "not a token": lambda: {"token": "nonsense"},
    "empty": lambda: {"query": {"token": ""}},
    "another secret": lambda: {"token": credentials.token(secret="another secret that is long enough too")},
    "unknown key id": lambda: {"token": credentials.token(kid="other")},
    "no algorithm": lambda: {"token": credentials.token(secret=None, algorithm="none")},
    "another algorithm": lambda: {"token": credentials.token(secret=credentials.SECRET * 2, algorithm="HS512")},
    "no user": lambda: {"token": credentials.token(sub=None)},
    "not yet valid": lambda: {"token": credentials.token(nbf=4102444800)},
    "unknown key": lambda: {"api_key": "svc2.unknown"},
    "key with a wrong secret": lambda: {"api_key": credentials.API_KEY[:-1] + "x"},
    "key's id alone": lambda: {"api_key": credentials.API_KEY.split(".")[0]},
    "two different": two_different,
    "token and key": lambda: {"token": credentials.token(), "api_key": credentials.API_KEY},
    "subprotocol": lambda: {"subprotocols": ["covet.v1", "bearer.nonsense"]},
}


@pytest.mark.parametrize("form", BAD)
async def test_bad_credentials_are_told_after_the_upgrade(covet, form):
    async with covet.connect_raw(**BAD[form]()) as c:
        error = await c.take(lambda m: True, "error")
        assert error["type"] == "error"
        assert error["data"]["error_code"] == "AUTH_FAILED"
        assert error["data"]["recoverable"] is False
        assert (await c.closed())[0] == 4501
        assert c.inbox == []


async def test_the_same_credential_twice_is_one(covet):
    token = credentials.token()
    async with covet.connect(token=token, headers={"Authorization": "Bearer " + token}) as c:
        assert c.ack["data"]["user_id"] == "user_123"


async def test_an_expired_token_is_told_apart(covet):
    async with covet.connect_raw(token=credentials.token(ttl=-60)) as c:
        error = await c.expect("error")
        assert error["data"]["error_code"] == "AUTH_EXPIRED"
        assert (await c.closed())[0] == 4401


async def test_a_refused_connection_does_nothing_for_its_client(covet, room):
    with RawConnection(covet.http_address) as c:
        status, _ = c.upgrade()
        assert status == 101
        # Sent at once, before the refusal can have come.
        c.send_json({"type": "join_room", "id": "1", "data": {"room_id": room}})
        assert c.read_message()["data"]["error_code"] == "AUTH_FAILED"
        assert c.read_close() == 4501


async def test_an_origin_that_is_not_allowed(make_covet):
    covet = make_covet(edge={"allowed_origins": ["https://app.example.com"]})
    async with covet.connect(origin="https://app.example.com"):
        pass
    async with covet.connect():
        pass
    with pytest.raises(websockets.InvalidStatus) as refused:
        await covet.connect(origin="https://evil.example.com")
    assert refused.value.response.status_code == 403


NOT_WEBSOCKET = {
    "plain GET": ("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", {400, 426}),
    "POST": ("POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", {400, 405, 426}),
    "old version": ("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", {400, 426}),
    "no key": ("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n", {400}),
    "upgrade with a body": ("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nContent-Length: 5\r\n\r\n", {400}),
    "chunked upgrade": ("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nTransfer-Encoding: chunked\r\n\r\n", {400}),
    "another path": ("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", {404}),
    "not HTTP": ("\x16\x03\x01 hello\r\n\r\n", {400, None}),
    "endless header": ("GET /ws HTTP/1.1\r\nHost: x\r\nX-Long: " + "a" * 100_000 + "\r\n\r\n", {400, 431, None}),
}


@pytest.mark.parametrize("request_kind", NOT_WEBSOCKET)
def test_requests_that_are_not_websocket(covet, request_kind):
    text, statuses = NOT_WEBSOCKET[request_kind]
    with RawConnection(covet.http_address) as c:
        try:
            status, _ = c.http(text)
        except (BrokenPipeError, ConnectionResetError):
            status = None
        assert status in statuses


async def test_slow_handshakes_are_ended_and_hold_up_nobody(make_covet):
    covet = make_covet(edge={"handshake_timeout": "3s"})
    silent, partial = RawConnection(covet.http_address), RawConnection(covet.http_address)
    with silent, partial:
        partial.write(b"GET /ws HTTP/1.1\r\nHost: x\r\n")
        async with covet.connect():
            pass
        for c in (silent, partial):
            assert (await asyncio.to_thread(c.http, b""))[0] in (None, 408)


async def test_heartbeats_of_a_client_are_answered(covet):
    async with covet.connect() as c:
        answer = await c.request("heartbeat", {"sequence": 41})
        assert answer["type"] == "heartbeat"
        assert answer["data"]["sequence"] == 41
        # An answer is never answered: the next heartbeat's answer is the next thing to come.
        await c.send("heartbeat", {"sequence": 1}, id="answer", metadata={"in_reply_to": "x"})
        await c.send("heartbeat", {"sequence": 2}, id="question")
        assert (await c.expect("heartbeat"))["metadata"]["in_reply_to"] == "question"
        assert c.inbox == []


# Short, yet so long that a busy machine's client answers within the 2.5 intervals that it has.
SHORT = "1s"


async def test_the_server_sends_heartbeats_and_pings(make_covet):
    covet = make_covet(edge={"heartbeat_interval": SHORT})
    async with covet.connect() as c:
        assert c.ack["data"]["heartbeat_interval"] == 1000
        sequences = [(await c.expect("heartbeat"))["data"]["sequence"] for _ in range(4)]
        assert sequences == list(range(sequences[0], sequences[0] + 4))


def test_a_silent_client_is_closed(make_covet):
    covet = make_covet(edge={"heartbeat_interval": "200ms"})
    with RawConnection(covet.http_address) as c:
        assert c.upgrade(f"/ws?token={credentials.token()}")[0] == 101
        assert c.read_close() == 4408


async def test_pongs_alone_keep_a_connection(make_covet):
    covet = make_covet(edge={"heartbeat_interval": SHORT})
    async with covet.connect() as c:
        # More than 2.5 intervals in which the client sends nothing but the library's pongs.
        for _ in range(5):
            await c.expect("heartbeat")
        assert (await c.request("heartbeat", {"sequence": 1}))["data"]["sequence"] == 1


async def test_ids_in_use_are_refused(covet, room):
    async with covet.connect() as c:
        # The id of a join with metrics stays in use as their subscription's.
        await c.send("join_room", {"room_id": room, "options": {"subscribe_to_metrics": True}}, id="mine")
        assert (await c.reply("mine"))["type"] == "room_joined"
        error = await c.error("join_room", {"room_id": room + "x"}, id="mine")
        assert error["error_code"] == "CONFLICT"
        assert (await c.request("unsubscribe", {"subscription_id": "mine"}))["type"] == "unsubscribed"
        assert (await c.request("join_room", {"room_id": room}, id="mine"))["type"] == "room_joined"


async def test_correlation_and_reply_ids(covet, room):
    async with covet.connect() as c:
        joined = await c.request("join_room", {"room_id": room}, id="a", metadata={"correlation_id": "mine"})
        assert joined["metadata"]["correlation_id"] == "mine"
        left = await c.request("leave_room", {"room_id": room}, id="b")
        assert left["metadata"]["correlation_id"] == "b"
        error = await c.request("nonsense", id="c", metadata={"correlation_id": "other"})
        assert error["metadata"]["correlation_id"] == "other"
        assert len({m["id"] for m in (joined, left, error)}) == 3


async def test_compression_is_negotiated_without_context_takeover(covet, room):
    text = "covet " * 2000
    async with covet.connect(compression="deflate") as c, covet.connect(user="plain") as plain:
        extensions = c.ws.response.headers.get("Sec-WebSocket-Extensions", "")
        assert "server_no_context_takeover" in extensions
        assert "client_no_context_takeover" in extensions
        await c.join(room)
        await plain.join(room)
        await c.publish(room, text)
        assert (await c.event(room))["data"]["payload"] == text
        assert (await plain.event(room))["data"]["payload"] == text
