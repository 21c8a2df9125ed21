"""The Python client where a program of its own cannot be told what to do: tasks that are cancelled, what is held in memory."""

import asyncio
import pathlib
import sys
import tracemalloc

import pytest

CLIENT = pathlib.Path(__file__).resolve().parents[1] / "clients/python/src"
sys.path.insert(0, str(CLIENT))
from covetpy.client import WebSocketClient  # noqa: E402
from covetpy.client._upload_source import chunks_of  # noqa: E402

from harness import credentials
from harness.proxy import Proxy


async def test_a_join_that_is_cancelled_takes_no_other_with_it(covet):
    async with Proxy(covet.http_address) as proxy, WebSocketClient(proxy.ws_url, token=credentials.token("user_123")) as client:
        proxy.stall()
        given_up, kept = (asyncio.create_task(client.join_room("lobby_two_ask")) for _ in range(2))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        proxy.go()
        room = await kept
        assert (await room.send("note", 1)).offset
        assert room.ended is None
        async for event in room:
            if event.event_type == "note":
                break
        await room.leave()


async def test_of_a_stream_that_is_resumed_only_what_is_still_asked_for_is_kept():
    size, count = 1 << 16, 200

    async def parts():
        for n in range(count):
            yield bytes([n]) * size

    chunks = chunks_of(parts(), size, size * count)
    tracemalloc.start()
    try:
        assert await chunks.read(count - 1, set(range(count - 1)) - {7}) == bytes([count - 1]) * size
        assert tracemalloc.get_traced_memory()[0] < 10 * size
    finally:
        tracemalloc.stop()
    assert await chunks.read(7, set()) == bytes([7]) * size
