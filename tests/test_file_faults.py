"""Uploads over killed processes: nothing that was acknowledged is lost, and every upload ends."""

import asyncio
import contextlib
import pathlib
import random
import re
import sys

import pytest
import websockets

CLIENT = pathlib.Path(__file__).resolve().parents[1] / "clients/python/src"
sys.path.insert(0, str(CLIENT))
from covetpy.client import WebSocketClient  # noqa: E402

from harness import credentials
from harness.process import TIMEOUT
from harness.uploads import Upload, fetch, random_bytes, sha256


class Sender:
    """A client that gets its file across whatever happens, and holds the server to its word."""

    def __init__(self, covet, user, data, chunk_size):
        self.covet, self.user = covet, user
        self.upload = Upload(data, chunk_size=chunk_size, sha256=sha256(data), binary=True)
        self.acknowledged = set()
        self.complete = None
        self.connections = 0

    async def run(self):
        async with asyncio.timeout(6 * TIMEOUT):
            while self.complete is None:
                with contextlib.suppress(OSError, websockets.WebSocketException, AssertionError):
                    async with self.covet.connect(self.user) as c:
                        self.connections += 1
                        await self.once(c)
                await asyncio.sleep(0.02)

    async def once(self, c):
        message = await self.upload.start(c)
        if message["type"] == "file_upload_complete":
            self.complete = message["data"]
            return
        if message["type"] == "error":
            check(message["data"]["error_code"] == "UNAVAILABLE", message)
            return
        kept = {index for first, last in message["data"]["received"] for index in range(first, last + 1)}
        check(self.acknowledged <= kept, f"lost {self.acknowledged - kept}")
        missing = [index for index in range(self.upload.total) if index not in kept]
        random.shuffle(missing)
        for index in missing:
            answer = await self.upload.put(c, index)
            if answer["type"] == "file_chunk_ack":
                self.acknowledged.add(index)
            else:
                check(answer["data"]["error_code"] in ("UNAVAILABLE", "CONFLICT"), answer)
                return
        self.complete = await self.upload.complete(c, timeout=5)


class Broken(BaseException):
    """Not an AssertionError: those of a broken connection are suppressed."""


def check(condition, what):
    if not condition:
        raise Broken(what)


async def killed_under_traffic(covet, role, kills):
    senders = [Sender(covet, f"u{number}", random_bytes(3_000_000 + number), 20_000) for number in range(4)]
    tasks = [asyncio.create_task(sender.run()) for sender in senders]
    for round in range(kills):
        # Each kill finds uploads that have got further than at the one before.
        goal = sum(len(sender.acknowledged) for sender in senders) + 20
        async with asyncio.timeout(3 * TIMEOUT):
            while sum(len(sender.acknowledged) for sender in senders) < goal and not all(task.done() for task in tasks):
                await asyncio.sleep(0.005)
        process = covet.process(role)
        await asyncio.to_thread(process.kill)
        await asyncio.to_thread(process.start)
    await asyncio.gather(*tasks)
    for sender in senders:
        response = await asyncio.to_thread(fetch, covet, sender.complete["url"])
        assert response.status == 200 and response.body == sender.upload.data
    return senders


@pytest.mark.parametrize("mode,role", [("all", "all"), ("split", "files"), ("split", "edge")])
async def test_kill_9_under_uploads(make_covet, mode, role):
    covet = make_covet(mode)
    await killed_under_traffic(covet, role, kills=5)


async def test_a_session_outlives_the_files_service(make_covet):
    """The connection stays; what waited fails as UNAVAILABLE, and completion still arrives."""
    covet = make_covet("split")
    files = covet.process("files")
    upload = Upload(random_bytes(1_000_000), chunk_size=100_000)
    async with covet.connect("u") as c:
        await upload.ready(c)
        await upload.send_all(c, 2, range(4))
        await asyncio.to_thread(files.kill)
        while (answer := await upload.put(c, 4))["type"] == "file_chunk_ack":
            pytest.fail("nobody can have written this")
        assert answer["data"]["error_code"] == "UNAVAILABLE" and answer["data"]["recoverable"]
        await asyncio.to_thread(files.start)
        async with asyncio.timeout(2 * TIMEOUT):
            while (await upload.put(c, 4))["type"] != "file_chunk_ack":
                await asyncio.sleep(0.05)
        await upload.send_all(c, 2, range(5, 10))
        complete = await upload.complete(c)
        await upload.processed(c)
        assert fetch(covet, complete["url"]).body == upload.data


def edge_metric(covet, name):
    return int(re.search(rf"^covet_edge_{name} (\S+)$", covet.edge.admin("/metrics")[1], re.MULTILINE).group(1))


async def test_a_client_is_not_read_while_a_full_window_waits(make_covet):
    """While the service stands still the edge takes one window of chunks, however many the client sends."""
    # One thread, so that every answer to another client is a turn for this one's socket too; no ping that ends the stream.
    covet = make_covet("split", edge={"threads": 1}, grpc={"keepalive_time": "2h"})
    files = covet.process("files")
    upload = Upload(random_bytes(10_000_000), chunk_size=100_000, binary=True)
    async with covet.connect("u") as c, covet.connect("other") as other:
        window = (await upload.ready(c))["window"]
        files.pause()
        try:

            async def send_all():
                return [await upload.send(c, index) for index in range(upload.total)]

            sending = asyncio.create_task(send_all())
            async with asyncio.timeout(TIMEOUT):
                while await asyncio.to_thread(edge_metric, covet, "chunks_total") < window:
                    await asyncio.sleep(0.02)
            for sequence in range(200):
                await other.request("heartbeat", {"sequence": sequence})
            assert await asyncio.to_thread(edge_metric, covet, "chunks_total") == window < upload.total
            assert await asyncio.to_thread(edge_metric, covet, "upload_windows_full_total") == 1
        finally:
            files.resume()
        for id in await sending:
            assert (await c.reply(id))["type"] == "file_chunk_ack"
        assert fetch(covet, (await upload.complete(c))["url"]).body == upload.data


async def test_a_session_that_waits_hears_of_the_end_after_a_restart(make_covet):
    covet = make_covet("split")
    upload = Upload(random_bytes(300), chunk_size=100)
    async with covet.connect("u") as idle, covet.connect("u") as sender:
        await upload.ready(sender)
        assert (await upload.resume(idle))["type"] == "file_upload_ready"
        files = covet.process("files")
        await asyncio.to_thread(files.kill)
        await asyncio.to_thread(files.start)
        async with asyncio.timeout(2 * TIMEOUT):
            for index in range(3):
                while (await upload.put(sender, index))["type"] != "file_chunk_ack":
                    await asyncio.sleep(0.05)
        await upload.complete(sender)
        await upload.complete(idle)
        assert (await upload.processed(idle))["processing_status"] == "completed"


async def test_leftovers_are_removed_at_the_start(make_covet):
    covet = make_covet("split")
    files = covet.process("files")
    upload = Upload(random_bytes(300), chunk_size=100)
    async with covet.connect("u") as c:
        complete = await Upload(b"abc").run(c)
        await upload.ready(c)
        await upload.send_all(c, 2, [0])
    await asyncio.to_thread(files.stop)
    folder = pathlib.Path(files.config["storage"]["data_dir"]) / "files"
    (folder / "incoming" / "file_leftover").write_bytes(b"x")
    (folder / "kept" / "file_leftover").write_bytes(b"x")
    await asyncio.to_thread(files.start)
    assert files.wait_log("files_opened", leftovers_removed=2)
    assert len(list((folder / "incoming").iterdir())) == 1
    assert [path.name for path in (folder / "kept").iterdir()] == [complete["file_id"]]
    async with covet.connect("u") as c:
        assert (await upload.ready(c))["received"] == [[0, 0]]
        await upload.send_all(c, 2, [1, 2])
        await upload.complete(c)


async def test_the_python_client_goes_on_over_restarts(make_covet):
    covet = make_covet("split")
    files = covet.process("files")
    data = random_bytes(8_000_000)
    started = asyncio.Event()
    client = WebSocketClient(url=covet.ws_url, token=credentials.token("u"))
    await client.connect()
    try:
        upload = client.upload(data, filename="data.bin", chunk_size=50_000, on_progress=lambda received, _: received and started.set())
        await asyncio.wait_for(started.wait(), TIMEOUT)
        await asyncio.to_thread(files.kill)
        await asyncio.to_thread(files.start)
        complete = await asyncio.wait_for(upload, 3 * TIMEOUT)
        assert fetch(covet, complete.url).body == data
    finally:
        await client.close()
