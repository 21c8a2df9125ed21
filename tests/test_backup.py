"""The documented backup and restore: of a running deployment, put in place elsewhere."""

import asyncio
import json
import pathlib
import random
import shutil
import sqlite3
import subprocess
import threading
import time

import pytest

from harness.grpc_api import Api, module
from harness.process import TIMEOUT
from harness.uploads import Upload, fetch, random_bytes

BACKUP = pathlib.Path(__file__).resolve().parents[1] / "deploy/backup.sh"


def backup(data, target):
    result = subprocess.run([BACKUP, data, target], capture_output=True, text=True, timeout=2 * TIMEOUT, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stdout + result.stderr


def data_folders(covet):
    """Process name → data directory."""
    return {name: pathlib.Path(process.config["storage"]["data_dir"]) for name, process in covet.processes.items()}


async def publish_records(covet, numbers):
    pb = module("streams.v1.streams_pb2")
    records = [pb.NewRecord(payload={"json": json.dumps({"n": n})}) for n in numbers]
    with Api(covet.grpc_address("streams")) as api:
        kind = pb.StreamType.Value("STREAM_TYPE_EVENTS")
        return await asyncio.to_thread(lambda: api.streams("Publish", stream_type=kind, resource_id="orders", records=records))


async def subscribe(c, **options):
    opened = await c.request("subscribe", {"stream_type": "events", "resource_id": "orders", "options": options})
    assert opened["type"] == "subscribed", opened
    return opened["data"]


@pytest.mark.parametrize("mode", ["all", "split"])
async def test_a_backup_of_a_running_deployment(make_covet, tmp_path, mode):
    covet = make_covet(mode)
    kept, half = Upload(random_bytes(200_000)), Upload(random_bytes(640_000))
    async with covet.connect("ann") as c:
        before = await c.join("lobby_1")
        for n in range(20):
            await c.publish("lobby_1", n)
        published = await publish_records(covet, range(10))
        url = (await kept.run(c))["url"]
        await half.ready(c)
        await half.send_all(c, 2, range(4))
        with Api(covet.grpc_address()) as api:
            note = module("rooms.v1.notifications_pb2").Notification(notification_type="info", title="t", message="m")
            api.notify(user_id="eve", notification=note)

        # Traffic goes on while the backup is made, and uploads end.
        publishing = True

        async def go_on():
            while publishing:
                await c.publish("lobby_1", "later")
                await Upload(random_bytes(1_000)).run(c)

        going_on = asyncio.create_task(go_on())
        for name, data in data_folders(covet).items():
            if data.exists():
                await asyncio.to_thread(backup, data, tmp_path / f"backup-{name}")
        publishing = False
        await going_on

    # Elsewhere, as on a new machine.
    restored = make_covet(mode)
    for process in reversed(restored.processes.values()):
        process.stop()
    for name, data in data_folders(restored).items():
        saved = tmp_path / f"backup-{name}"
        if saved.exists():
            data.rename(data.with_name(data.name + ".empty"))
            subprocess.run(["cp", "-a", saved, data], check=True)
    for process in restored.processes.values():
        process.start()

    async with restored.connect("ann") as c:
        # A copy is not the log that it was made of: a client is told, and starts over.
        joined = await c.join("lobby_1", resume={"epoch": before["epoch"], "offset": 20})
        assert joined["recovered"] is False
        assert joined["epoch"] != before["epoch"]
        assert joined["offset"] >= 20
        with Api(restored.grpc_address()) as api:
            text = module("common.v1.common_pb2").PAYLOAD_FORMAT_JSON
            history = await asyncio.to_thread(lambda: api.rooms("GetHistory", room_id="lobby_1", page_size=20, payload_format=text))
        assert [(event.offset, json.loads(event.payload.json)) for event in history.events] == [(n + 1, n) for n in range(20)]
        # From here on it is a log like any other.
        sent = await c.publish("lobby_1", "after")
        assert sent["offset"] == joined["offset"] + 1
        async with restored.connect("bob") as other:
            again = await other.join("lobby_1", resume={"epoch": joined["epoch"], "offset": 19})
            assert again["recovered"] is True
            event = await other.event("lobby_1")
            assert (event["data"]["offset"], event["data"]["payload"], event["data"]["replayed"]) == (20, 19, True)

        stream = await subscribe(c, resume={"epoch": published.epoch, "offset": 10})
        assert stream["recovered"] is False and stream["offset"] == 10 and stream["epoch"] != published.epoch
        async with restored.connect("bob") as other:
            assert (await subscribe(other, resume={"epoch": stream["epoch"], "offset": 7}))["recovered"] is True
            batch = (await other.expect("stream_data"))["data"]
            assert [record["n"] for record in batch["batch"]] == [7, 8, 9]

        # The link that was given out before leads to the same bytes, and the upload goes on.
        response = await asyncio.to_thread(fetch, restored, url)
        assert response.status == 200 and response.body == kept.data
        ready = await half.resume(c)
        assert ready["type"] == "file_upload_ready" and ready["data"]["received"] == [[0, 3]], ready
        await half.send_all(c, 2, range(4, half.total))
        done = await half.complete(c)
        assert (await asyncio.to_thread(fetch, restored, done["url"])).body == half.data
    async with restored.connect("eve") as eve:
        assert (await eve.expect("notification"))["data"]["title"] == "t"


def test_a_backup_of_what_does_not_run(make_covet, tmp_path):
    covet = make_covet()
    with Api(covet.grpc_address()) as api:
        api.rooms("CreateRoom", room_id="kept")
    covet.edge.stop()
    data = data_folders(covet)["all"]
    backup(data, tmp_path / "backup")
    assert {path.name for path in (tmp_path / "backup").iterdir()} == {"rooms", "streams", "files"}
    data.rename(tmp_path / "old")
    (tmp_path / "backup").rename(data)
    covet.edge.start()
    with Api(covet.grpc_address()) as api:
        assert api.rooms("GetRoom", room_id="kept").room_id == "kept"


def test_a_backup_while_uploads_end(tmp_path):
    """Files move from one folder to the other, and go, in an order that is not that of the copy."""
    files = tmp_path / "data/files"
    names = [f"blob{n}" for n in range(400)]
    for attempt in range(5):
        for folder in ("incoming", "kept"):
            (files / folder).mkdir(parents=True)
        with sqlite3.connect(files / "metadata.sqlite") as database:
            database.execute("CREATE TABLE IF NOT EXISTS t (a)")
        for name in names:
            (files / "incoming" / name).write_text(name)
        cancelled = set(names[::5])

        def end_uploads():
            while not (target / "files/incoming").exists():
                time.sleep(0)
            for name in random.sample(names, len(names)):
                if name in cancelled:
                    (files / "incoming" / name).unlink()
                else:
                    (files / "incoming" / name).rename(files / "kept" / name)

        target = tmp_path / f"backup{attempt}"
        ending = threading.Thread(target=end_uploads)
        ending.start()
        try:
            backup(tmp_path / "data", target)
        finally:
            # A backup that failed before it came to the files.
            (target / "files/incoming").mkdir(parents=True, exist_ok=True)
            ending.join()
        saved = {path.name: path.read_text() for folder in ("incoming", "kept") for path in (target / "files" / folder).iterdir()}
        assert set(names) - cancelled <= set(saved) and all(name == text for name, text in saved.items())
        shutil.rmtree(files)


def test_a_file_that_cannot_be_copied_ends_the_backup(tmp_path):
    large = tmp_path / "data/files/kept/large"
    large.parent.mkdir(parents=True)
    large.write_bytes(bytes(1_000_000))
    with sqlite3.connect(tmp_path / "data/files/metadata.sqlite") as database:
        database.execute("CREATE TABLE t (a)")
    command = ["prlimit", "--fsize=100000", BACKUP, tmp_path / "data", tmp_path / "target"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode == 1 and str(large) in result.stderr


def test_a_backup_that_cannot_be_made_says_why(tmp_path):
    for data in (tmp_path / "nothing", tmp_path):
        result = subprocess.run([BACKUP, data, tmp_path / "target"], capture_output=True, text=True, timeout=TIMEOUT)
        assert result.returncode == 1 and str(data) in result.stderr
    assert not (tmp_path / "target").exists()
