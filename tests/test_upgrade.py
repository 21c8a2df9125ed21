"""The documented upgrade: services one after another under clients that stay, then edges that drain."""

import asyncio
import json

import pytest

from harness import client, credentials
from harness.config import merged
from harness.grpc_api import Api, module
from harness.ports import free_port
from harness.process import TIMEOUT, Process
from harness.uploads import Upload, fetch, random_bytes


class Steady:
    """A member of a room and reader of a stream over one connection, who notices any loss."""

    def __init__(self, connection):
        self.c = connection
        self.messages = self.records = 0

    async def enter(self):
        await self.c.join("lobby_1")
        opened = await self.c.request("subscribe", {"stream_type": "events", "resource_id": "orders"})
        assert opened["type"] == "subscribed", opened

    async def publish(self, covet):
        """One message and one record, tried again until they are taken."""
        async with asyncio.timeout(2 * TIMEOUT):
            while True:
                data = {"room_id": "lobby_1", "event_type": "t", "payload": self.messages, "idempotency_key": f"m{self.messages}"}
                answer = await self.c.request("room_message", data)
                if answer["type"] == "room_message_ack":
                    break
                assert answer["data"]["error_code"] == "UNAVAILABLE" and answer["data"]["recoverable"], answer
                await asyncio.sleep(0.05)
        pb = module("streams.v1.streams_pb2")
        record = pb.NewRecord(payload={"json": json.dumps({"n": self.records})})
        with Api(covet.grpc_address("streams")) as api:
            kind = pb.StreamType.Value("STREAM_TYPE_EVENTS")
            await asyncio.to_thread(lambda: api.streams("Publish", stream_type=kind, resource_id="orders", records=[record]))

    async def receive(self):
        event = await self.c.event("lobby_1")
        assert event["data"]["payload"] == self.messages
        self.messages += 1
        batch = (await self.c.expect("stream_data"))["data"]
        assert [record["n"] for record in batch["batch"]] == [self.records] and not batch.get("dropped")
        self.records += 1


async def call(c):
    """A call of the rpc service, tried again until it is taken."""
    async with asyncio.timeout(2 * TIMEOUT):
        while (answer := await c.reply(await c.send("rpc_call", {"method": "system.ping"})))["type"] != "rpc_response":
            assert answer["data"]["error"]["code"] == "UNAVAILABLE", answer
            await asyncio.sleep(0.05)


async def test_services_are_replaced_one_after_another(make_covet):
    covet = make_covet("split")
    data = random_bytes(900_000)
    upload = Upload(data, chunk_size=100_000)
    async with covet.connect("ann") as c:
        steady = Steady(c)
        await steady.enter()
        await upload.ready(c)
        for step, role in enumerate(("rooms", "streams", "rpc", "files")):
            await steady.publish(covet)
            await steady.receive()
            await upload.put(c, step)
            old = covet.process(role).pid
            assert await asyncio.to_thread(covet.process(role).stop) == 0
            await asyncio.to_thread(covet.process(role).start)
            assert covet.process(role).pid != old
            await steady.publish(covet)
            await steady.receive()
            await call(c)
        # Over the connection that it began on, without a resume of its own.
        async with asyncio.timeout(2 * TIMEOUT):
            for index in range(4, upload.total):
                while (await upload.put(c, index))["type"] != "file_chunk_ack":
                    await asyncio.sleep(0.05)
        done = await upload.complete(c)
        assert (await asyncio.to_thread(fetch, covet, done["url"])).body == data
        assert not [m for m in c.inbox if m["type"] in ("room_left", "unsubscribed", "subscription_ended")]


@pytest.fixture
def second_edge(tmp_path):
    """Starts one more edge for a deployment."""
    started = []

    def start(covet):
        own = {name: {"listen": f"127.0.0.1:{free_port()}"} for name in ("edge", "grpc", "admin")}
        own["storage"] = {"data_dir": str(tmp_path / "edge2")}
        started.append(Process("edge2", merged(covet.edge.config, own), tmp_path))
        return started[0].start()

    yield start
    for process in started:
        if process.running:
            assert process.stop() == 0


async def test_edges_are_drained_one_after_another(make_covet, second_edge):
    covet = make_covet("split")
    edges = [covet.edge, second_edge(covet)]

    def connect(edge, user):
        return client.Connecting(f"ws://{edge.config['edge']['listen']}/ws", token=credentials.token(user))

    at = await connect(edges[0], "ann")
    joined = await at.join("lobby_1")
    last = (await at.publish("lobby_1", 0))["offset"]
    await at.event("lobby_1")
    async with connect(edges[1], "bob") as bob:
        await bob.join("lobby_1")
        for old, new in ((edges[0], edges[1]), (edges[1], edges[0])):
            if old is edges[1]:
                await bob.leave("lobby_1")
            old.terminate()
            code, reason = await at.closed()
            assert code == 1001 and "reconnect_after_ms=" in reason
            # What is said meanwhile is not missed.
            async with connect(new, "eve") as eve:
                await eve.join("lobby_1")
                last = (await eve.publish("lobby_1", last))["offset"]
            at = await connect(new, "ann")
            back = await at.join("lobby_1", resume={"epoch": joined["epoch"], "offset": last - 1})
            assert back["recovered"] is True and back["epoch"] == joined["epoch"]
            event = await at.event("lobby_1")
            assert (event["data"]["offset"], event["data"]["payload"]) == (last, last - 1)
            assert await asyncio.to_thread(old.wait) == 0
            await asyncio.to_thread(old.start)
    await at.close()
