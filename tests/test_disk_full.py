"""A disk without room: what cannot be kept is refused, what was kept stays, and all goes on when there is room again."""

import asyncio
import errno
import os
import pathlib
import subprocess

import grpc
import pytest

from harness.grpc_api import Api, error_info, module
from harness.process import TIMEOUT
from harness.uploads import Upload, fetch, random_bytes

EVENTS, JSON = 3, 2


class Disk:
    """A small file system of a test's own."""

    def __init__(self, folder):
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self):
        with open(self._filler, "wb", buffering=0) as file:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC, error
        assert os.statvfs(self.folder).f_bavail == 0

    def make_room(self):
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr}")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def covet(make_covet, disk):
    return make_covet(storage={"data_dir": str(disk.folder)})


def gauge(covet, name):
    lines = covet.edge.admin("/metrics")[1].splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).split()[1])


async def until(condition, what):
    deadline = asyncio.get_running_loop().time() + TIMEOUT
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.05)


async def test_a_room_refuses_what_it_cannot_keep(covet, disk):
    async with covet.connect() as c:
        joined = await c.join("lobby_full")
        await c.join("memory_full")
        assert (await c.publish("lobby_full", "kept", idempotency_key="a"))["offset"] == 1
        disk.fill()
        message = {"room_id": "lobby_full", "event_type": "note", "payload": "refused", "idempotency_key": "b"}
        for _ in range(3):
            refused = await c.error("room_message", message)
            assert (refused["error_code"], refused["details"]["reason"], refused["recoverable"]) == ("UNAVAILABLE", "DISK_FULL", True)
        assert gauge(covet, "covet_rooms_disk_full") == 1
        refused = await c.error("join_room", {"room_id": "lobby_other"})
        assert refused["error_code"] == "UNAVAILABLE"
        # What is kept in memory goes on, and so does what was kept before.
        await c.publish("memory_full", 1)
        assert (await c.publish("lobby_full", "kept", idempotency_key="a"))["duplicate"] is True
        disk.make_room()
        assert await c.publish("lobby_full", "refused", idempotency_key="b") == {"room_id": "lobby_full", "offset": 2}
        assert gauge(covet, "covet_rooms_disk_full") == 0
        assert [e["data"]["payload"] for e in await c.events("lobby_full", 2)] == ["kept", "refused"]
    covet.edge.kill()
    covet.edge.start()
    async with covet.connect() as c:
        again = await c.join("lobby_full", history=10)
        assert (again["epoch"], again["offset"]) == (joined["epoch"], 2)


async def test_a_stream_refuses_what_it_cannot_keep(covet, disk):
    pb, common = module("streams.v1.streams_pb2"), module("common.v1.common_pb2")

    def publish(api, n, resource="orders"):
        record = pb.NewRecord(payload=common.Payload(json=f'{{"n":{n}}}'), idempotency_key=f"k{n}")
        return list(api.streams("Publish", stream_type=EVENTS if resource == "orders" else 1, resource_id=resource, records=[record]).offsets)

    with Api(covet.grpc_address("streams")) as api:
        assert publish(api, 1) == [1]
        disk.fill()
        for n in (2, 3):
            with pytest.raises(grpc.RpcError) as refused:
                publish(api, n)
            assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
            assert error_info(refused.value).metadata["reason"] == "DISK_FULL"
        assert gauge(covet, "covet_streams_disk_full") == 1
        assert publish(api, 1, "volatile") == [1]
        assert publish(api, 1) == [1]
        disk.make_room()
        assert publish(api, 3) == [2]
        assert publish(api, 2) == [3]
        assert gauge(covet, "covet_streams_disk_full") == 0
    covet.edge.kill()
    covet.edge.start()
    with Api(covet.grpc_address("streams")) as api:
        page = api.streams("GetHistory", stream_type=EVENTS, resource_id="orders", payload_format=JSON)
        assert [(r.offset, '"n":%d' % n in r.payload.json) for r, n in zip(page.records, (1, 3, 2), strict=True)] == [(1, True), (2, True), (3, True)]


async def test_an_upload_that_does_not_fit_is_refused_and_others_go_on(covet, disk):
    going = Upload(random_bytes(4_000_000), chunk_size=100_000)
    late = Upload(random_bytes(2_000_000), chunk_size=100_000)
    async with covet.connect("u") as c:
        # Never, however much is deleted.
        refused = await Upload(bytes(200 << 20), chunk_size=500_000).start(c)
        assert (refused["data"]["error_code"], refused["data"]["details"]["reason"]) == ("UNAVAILABLE", "DISK_FULL")
        await going.ready(c)
        await going.send_all(c, 4, range(20))
        disk.fill()
        refused = await late.start(c)
        assert (refused["data"]["error_code"], refused["data"]["details"]["reason"]) == ("UNAVAILABLE", "DISK_FULL")
        assert refused["data"]["recoverable"] is True
        # The one under way has its room.
        await going.send_all(c, 4, range(20, 40))
        complete = await going.complete(c)
        assert (await going.processed(c))["processing_status"] == "completed"
        assert (await asyncio.to_thread(fetch, covet, complete["url"])).body == going.data
        assert (await late.start(c))["data"]["error_code"] == "UNAVAILABLE"
        covet.edge.wait_log("files_disk_full")
        disk.make_room()

        async def begins():
            return (await late.start(c))["type"] == "file_upload_ready"

        await until(begins, "uploads are still refused")
        await late.send_all(c, 4)
        complete = await late.complete(c)
        assert (await late.processed(c))["processing_status"] == "completed"
        assert (await asyncio.to_thread(fetch, covet, complete["url"])).body == late.data
        covet.edge.wait_log("files_disk_has_room")
    covet.edge.kill()
    covet.edge.start()
    for upload in (going, late):
        async with covet.connect("u") as c:
            kept = await upload.resume(c)
            assert kept["type"] == "file_upload_complete"
            assert (await asyncio.to_thread(fetch, covet, kept["data"]["url"])).body == upload.data
    assert pathlib.Path(disk.folder / "files" / "metadata.sqlite.reserve").stat().st_size == 8 << 20
