"""Two edges before one set of services, as behind a balancer."""

import asyncio

import pytest

from harness import credentials
from harness.client import Connecting
from harness.config import merged
from harness.ports import free_port
from harness.process import Process

WRITERS = 3
MESSAGES = 40


@pytest.fixture
def edges(make_covet):
    """The addresses of both edges."""
    covet = make_covet("split")
    listeners = {name: {"listen": f"127.0.0.1:{free_port()}"} for name in ("edge", "grpc", "admin")}
    second = Process("edge2", merged(covet.edge.config, listeners), covet.folder).start()
    yield covet.ws_url, f"ws://{second.config['edge']['listen']}/ws"
    assert second.stop() == 0


async def test_members_on_both_edges_see_one_order(edges, room):
    """Writers on both edges at the same time; every member, on either edge, sees the same messages in the same order."""
    clients = []
    try:
        for i in range(2 * WRITERS):
            client = await Connecting(edges[i % 2], token=credentials.token(f"user_{i}"))
            clients.append(client)
            await client.join(room, filter={"event_types": ["n"]})

        async def write(client, i):
            return [(await client.publish(room, [i, n], "n"))["offset"] for n in range(MESSAGES)]

        acknowledged = await asyncio.gather(*(write(client, i) for i, client in enumerate(clients)))
        total = len(clients) * MESSAGES
        seen = [[(e["data"]["offset"], e["data"]["payload"]) for e in await client.events(room, total)] for client in clients]
        assert all(events == seen[0] for events in seen[1:])
        assert [offset for offset, _ in seen[0]] == list(range(1, total + 1))
        # And it is the order that the writers were told.
        by_offset = dict(seen[0])
        for i, offsets in enumerate(acknowledged):
            assert [by_offset[offset] for offset in offsets] == [[i, n] for n in range(MESSAGES)]
    finally:
        for client in clients:
            await client.close()


async def test_a_member_goes_on_at_the_other_edge(edges, room):
    """What was missed between the edges comes at the second one, once."""
    async with Connecting(edges[0], token=credentials.token("writer")) as writer:
        await writer.join(room)
        async with Connecting(edges[0], token=credentials.token("walker")) as walker:
            joined = await walker.join(room)
            await writer.publish(room, 1)
            assert (await walker.event(room))["data"]["offset"] == 1
        for n in (2, 3):
            await writer.publish(room, n)
        async with Connecting(edges[1], token=credentials.token("walker")) as walker:
            again = await walker.join(room, resume={"epoch": joined["epoch"], "offset": 1})
            assert again["recovered"]
            await writer.publish(room, 4)
            assert [e["data"]["payload"] for e in await walker.events(room, 3)] == [2, 3, 4]
