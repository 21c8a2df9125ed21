"""What happens when the memory for queues is spent: joins are refused, and the largest queues are cut."""

import asyncio
import contextlib
import re
import socket
import time

from harness import credentials
from harness.process import TIMEOUT
from harness.raw import RawConnection

BUDGET = 4 << 20
SLOW = 24


def stopped_reader(covet, room, user):
    """Joined, with a small receive buffer, and reading no more until it is told to."""
    c = RawConnection(covet.http_address)
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    assert c.upgrade(f"/ws?token={credentials.token(user)}")[0] == 101
    c.send_json({"type": "join_room", "id": "j", "data": {"room_id": room}})
    while c.read_message()["type"] != "room_joined":
        pass
    return c


def metric(covet, name):
    return float(re.search(rf"^{name} (\S+)$", covet.edge.admin("/metrics")[1], re.MULTILINE).group(1))


async def until(condition):
    end = time.monotonic() + TIMEOUT
    while not await condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.05)


async def test_joins_are_refused_and_the_largest_queues_cut(make_covet):
    covet = make_covet(memory={"budget_bytes": str(BUDGET)}, edge={"outbound_head_age": "600s"})
    room = "lobby_memory"
    async with covet.connect("writer") as writer, covet.connect("late") as late:
        await writer.join(room, filter={"event_types": ["none"]})
        with contextlib.ExitStack() as stack:
            readers = []
            for i in range(SLOW):
                readers.append(await asyncio.to_thread(stopped_reader, covet, room, f"slow{i}"))
                stack.enter_context(readers[-1])
            # Far more for each than its socket takes; what waits beyond a quarter of a queue stays in the log.
            for i in range(120):
                await writer.publish(room, [i, "x" * 60_000], "n")

            refused = []

            async def join_refused():
                reply = await late.request("join_room", {"room_id": "lobby_other"})
                if reply["type"] != "error":
                    await late.leave("lobby_other")
                    return False
                refused.append(reply["data"])
                return True

            await until(join_refused)
            assert refused[0]["error_code"] == "UNAVAILABLE"
            assert refused[0]["recoverable"] is True
            assert refused[0]["details"]["reason"] == "MEMORY"

            async def some_cut():
                return metric(covet, "covet_edge_memory_closes_total") > 0

            await until(some_cut)
            covet.edge.wait_log("disconnected", close_code=4413)

            async def enough():
                return metric(covet, "covet_edge_queue_bytes") <= BUDGET

            await until(enough)
            # As many as it takes, and nobody else.
            assert metric(covet, "covet_edge_memory_closes_total") < SLOW
            assert (await writer.publish(room, "on", "n"))["offset"] == 121
        # They are gone: there is room again.

        async def joined():
            return (await late.request("join_room", {"room_id": "lobby_other"}))["type"] == "room_joined"

        await until(joined)
