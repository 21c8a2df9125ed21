"""Bad input: each gets the documented answer, and nothing else breaks."""

import json

import pytest
from websockets.frames import Opcode

from harness import credentials
from harness.raw import RawConnection

pytestmark = pytest.mark.protocol


async def still_works(c):
    assert (await c.request("heartbeat", {"sequence": 7}))["data"]["sequence"] == 7


BAD_JSON = [
    "",
    "   ",
    "hello",
    "{",
    '{"type":"heartbeat","id":"1",}',
    '{"type":"heartbeat" "id":"1"}',
    "{'type':'heartbeat'}",
    '{"type":"heartbeat","id":"1"}{}',
    '{"type":"heartbeat","id":"1"} x',
    '{"type":"room_message","id":"1","data":{"room_id":"r","event_type":"t","payload":tru}}',
    '{"type":"room_message","id":"1","data":{"room_id":"r","event_type":"t","payload":01}}',
    '{"type":"room_message","id":"1","data":{"room_id":"r","event_type":"t","payload":"\\q"}}',
    '{"type":"room_message","id":"1","data":{"room_id":"r","event_type":"t","payload":[1,,2]}}',
    '{"type":"room_message","id":"1","data":{"room_id":"r","event_type":"t","payload":NaN}}',
    '{"type":"room_message","id":"1","data":{"room_id":"r","event_type":"t","payload":"a\nb"}}',
    "[" * 100_000,
    '{"a":' * 50_000,
]


@pytest.mark.parametrize("text", BAD_JSON, ids=lambda t: t[:40])
async def test_bad_json(covet, text):
    async with covet.connect() as c:
        await c.ws.send(text)
        error = (await c.expect("error"))["data"]
        assert error["error_code"] == "INVALID_MESSAGE_FORMAT"
        assert error["recoverable"] is False
        assert {"field", "expected", "received"} <= error["details"].keys()
        await still_works(c)


WRONG = [
    ([], "$"),
    (1, "$"),
    ({"id": "x"}, "type"),
    ({"type": 5, "id": "x"}, "type"),
    ({"type": None, "id": "x"}, "type"),
    ({"type": "nonsense", "id": "x"}, "type"),
    ({"type": "room_joined", "id": "x", "data": {}}, "type"),
    ({"type": "heartbeat"}, "id"),
    ({"type": "heartbeat", "id": ""}, "id"),
    ({"type": "heartbeat", "id": "x" * 129}, "id"),
    ({"type": "heartbeat", "id": 5}, "id"),
    ({"type": "join_room", "id": "x"}, "data"),
    ({"type": "join_room", "id": "x", "data": []}, "data"),
    ({"type": "join_room", "id": "x", "data": {}}, "data.room_id"),
    ({"type": "join_room", "id": "x", "data": {"room_id": None}}, "data.room_id"),
    ({"type": "join_room", "id": "x", "data": {"room_id": 5}}, "data.room_id"),
    ({"type": "join_room", "id": "x", "data": {"room_id": ""}}, "data.room_id"),
    ({"type": "join_room", "id": "x", "data": {"room_id": "a b"}}, "data.room_id"),
    ({"type": "join_room", "id": "x", "data": {"room_id": "x" * 129}}, "data.room_id"),
    ({"type": "join_room", "id": "x", "data": {"room_id": "../x"}}, "data.room_id"),
    ({"type": "join_room", "id": "x", "data": {"room_id": "lobby_1", "options": 5}}, "data.options"),
    ({"type": "join_room", "id": "x", "data": {"room_id": "lobby_1", "options": {"history": "5"}}}, "data.options.history"),
    ({"type": "join_room", "id": "x", "data": {"room_id": "lobby_1", "options": {"history": -1}}}, "data.options.history"),
    ({"type": "join_room", "id": "x", "data": {"room_id": "lobby_1", "options": {"resume": {"epoch": 5, "offset": 1}}}}, "data.options.resume.epoch"),
    ({"type": "join_room", "id": "x", "data": {"room_id": "lobby_1", "options": {"resume": {"epoch": "e", "offset": 1.5}}}}, "data.options.resume.offset"),
    ({"type": "join_room", "id": "x", "data": {"room_id": "lobby_1", "options": {"resume": {"epoch": "e", "offset": -1}}}}, "data.options.resume.offset"),
    ({"type": "join_room", "id": "x", "data": {"room_id": "lobby_1", "options": {"resume": {"epoch": "e", "offset": 10**30}}}}, "data.options.resume.offset"),
    ({"type": "join_room", "id": "x", "data": {"room_id": "lobby_1", "options": {"filter": []}}}, "data.options.filter"),
    ({"type": "join_room", "id": "x", "data": {"room_id": "lobby_1", "options": {"filter": {"event_types": "a"}}}}, "data.options.filter.event_types"),
    ({"type": "join_room", "id": "x", "data": {"room_id": "lobby_1", "options": {"subscribe_to_metrics": 1}}}, "data.options.subscribe_to_metrics"),
    ({"type": "room_message", "id": "x", "data": {"room_id": "lobby_1", "event_type": "t"}}, "data.payload"),
    ({"type": "room_message", "id": "x", "data": {"room_id": "lobby_1", "payload": 1}}, "data.event_type"),
    ({"type": "room_message", "id": "x", "data": {"room_id": "lobby_1", "event_type": "t", "payload": 1, "idempotency_key": 5}}, "data.idempotency_key"),
    ({"type": "heartbeat", "id": "x", "metadata": 5}, "metadata"),
    ({"type": "heartbeat", "id": "x", "metadata": {"correlation_id": 5}}, "metadata.correlation_id"),
    ({"type": "heartbeat", "id": "x", "metadata": {"priority": "urgent"}}, "metadata.priority"),
    ({"type": "heartbeat", "id": "x", "metadata": {"ttl": "5"}}, "metadata.ttl"),
    ({"type": "subscribe", "id": "x", "data": {"stream_type": "metrics", "resource_id": None}}, "data.resource_id"),
    ({"type": "notification_ack", "id": "x", "data": {}}, "data.notification_id"),
    ({"type": "auth_refresh", "id": "x", "data": {"token": 5}}, "data.token"),
]


@pytest.mark.parametrize("message, field", WRONG, ids=lambda v: json.dumps(v)[:60] if not isinstance(v, str) else v)
async def test_wrong_fields_are_named(covet, message, field):
    async with covet.connect() as c:
        await c.ws.send(json.dumps(message))
        error = await c.expect("error")
        data = error["data"]
        assert data["error_code"] in ("INVALID_MESSAGE_FORMAT", "INVALID_ARGUMENT")
        assert data["details"]["field"] == field
        assert data["details"]["expected"]
        if isinstance(message, dict) and message.get("id") == "x":
            assert data["original_message_id"] == error["metadata"]["in_reply_to"] == "x"
        await still_works(c)


async def test_the_specifications_own_example(covet):
    async with covet.connect() as c:
        data = await c.error("subscribe", {"stream_type": "metrics", "resource_id": None})
        assert data["error_code"] == "INVALID_MESSAGE_FORMAT"
        assert data["details"] == {"field": "data.resource_id", "expected": "string", "received": "null"}


async def test_unknown_fields_are_ignored(covet, room):
    async with covet.connect() as c:
        await c.ws.send(json.dumps({"type": "join_room", "id": "1", "later": [1], "data": {"room_id": room, "new": {}, "options": {"newer": 1}}, "metadata": {"newest": 1}}))
        assert (await c.reply("1"))["type"] == "room_joined"


async def test_depth_at_its_edge(covet, room):
    async with covet.connect() as c:
        await c.join(room)
        # The payload sits two levels below the envelope.
        deepest = "[" * 62 + "]" * 62
        text = '{"type":"room_message","id":"%s","data":{"room_id":"%s","event_type":"t","payload":%s}}'
        await c.ws.send(text % ("ok", room, deepest))
        assert (await c.reply("ok"))["type"] == "room_message_ack"
        await c.ws.send(text % ("deep", room, f"[{deepest}]"))
        assert (await c.reply("deep"))["data"]["error_code"] == "INVALID_MESSAGE_FORMAT"
        await still_works(c)


def connected(covet):
    c = RawConnection(covet.http_address)
    assert c.upgrade(f"/ws?token={credentials.token()}")[0] == 101
    assert c.read_message()["type"] == "connection_ack"
    return c


def test_fragmented_messages_are_one_message(covet):
    with connected(covet) as c:
        text = json.dumps({"type": "heartbeat", "id": "f", "data": {"sequence": 5}}).encode()
        c.send_frame(Opcode.TEXT, text[:7], fin=False)
        c.send_frame(Opcode.PING, b"between")
        for byte in text[7:-1]:
            c.send_frame(Opcode.CONT, bytes([byte]), fin=False)
        c.send_frame(Opcode.CONT, text[-1:])
        opcode, payload = c.read_frame()
        assert (opcode, payload) == (Opcode.PONG, b"between")
        assert c.read_message()["data"]["sequence"] == 5


@pytest.mark.parametrize("payload", [b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82'])
def test_bad_utf8_closes_with_1007(covet, payload):
    with connected(covet) as c:
        c.send_frame(Opcode.TEXT, payload)
        assert c.read_close() == 1007


LIMIT = 1 << 20


def test_a_message_at_the_limit_is_taken(covet):
    with connected(covet) as c:
        c.send_frame(Opcode.TEXT, b'{"type": "heartbeat", "id": "h", "data": {"sequence": 6}}'.rjust(LIMIT))
        assert c.read_message()["data"]["sequence"] == 6


# Headers alone: a server that closes a socket with bytes left to read resets it, and its close frame may be lost.
def test_a_frame_above_the_limit_closes_with_1009(covet):
    with connected(covet) as c:
        c.write(b"\x81\xff" + (LIMIT + 1).to_bytes(8, "big") + bytes(4))
        assert c.read_close() == 1009


def test_fragments_above_the_limit_close_with_1009(covet):
    with connected(covet) as c:
        c.send_frame(Opcode.TEXT, b" " * LIMIT, fin=False)
        c.write(b"\x80\x81" + bytes(4))
        assert c.read_close() == 1009


PROTOCOL_ERRORS = {
    "unmasked": b"\x81\x02{}",
    "reserved bits": b"\xf1\x82\x00\x00\x00\x00{}",
    "reserved opcode": b"\x83\x82\x00\x00\x00\x00{}",
    "continuation of nothing": b"\x80\x82\x00\x00\x00\x00{}",
    "fragmented ping": b"\x09\x80\x00\x00\x00\x00",
    "long ping": b"\x89\xfe\x00\x7e\x00\x00\x00\x00" + b"a" * 126,
}


@pytest.mark.parametrize("kind", PROTOCOL_ERRORS)
def test_protocol_errors_close_with_1002(covet, kind):
    with connected(covet) as c:
        c.write(PROTOCOL_ERRORS[kind])
        assert c.read_close() == 1002


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x00\x00\x02{}", b"\xff\xff\xff\xffxxxx", b"\x00" * 5000])
async def test_binary_frames_are_refused(covet, data):
    async with covet.connect() as c:
        await c.ws.send(data)
        assert (await c.expect("error"))["data"]["error_code"] == "INVALID_MESSAGE_FORMAT"
        await still_works(c)


async def test_a_connection_that_breaks_harms_nobody(covet, room):
    async with covet.connect("stays") as stays:
        await stays.join(room)
        for _ in range(20):
            c = await covet.connect("goes")
            await c.send("join_room", {"room_id": room})
            await c.send("room_message", {"room_id": room, "event_type": "t", "payload": "x" * 60_000})
            c.abort()
        await stays.publish(room, "after")
        await stays.take(lambda m: m["type"] == "room_event" and m["data"]["payload"] == "after", "the message after")
