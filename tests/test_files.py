"""Uploads over the WebSocket: every message, every refusal, every limit."""

import asyncio
import base64
import json
import pathlib
import random
import uuid

import pytest

from harness.grpc_api import Api, bearer, module
from harness.uploads import Upload, fetch, random_bytes, send_binary_chunk, sha256

pytestmark = pytest.mark.protocol


async def test_the_specifications_own_example(covet, user):
    """1,048,576 bytes in chunks of 64,000; `total_chunks` 16 is a slip that nobody minds."""
    data = random_bytes(1_048_576)
    async with covet.connect(user) as c:
        assert {"files", "binary_chunks"} <= set(c.ack["data"]["capabilities"])
        upload = Upload(
            data,
            id="upload_12345",
            filename="data.csv",
            mimetype="text/csv",
            metadata={"project_id": "proj_123", "description": "Customer data import"},
        )
        ready = await upload.ready(c)
        assert ready["upload_id"] == "upload_12345"
        assert ready["chunk_size"] == 64_000
        assert ready["total_chunks"] == 17
        assert ready["received"] == []
        for index in range(17):
            message = await upload.put(c, index, total_chunks=16)
            assert message["type"] == "file_chunk_ack"
            assert message["data"] == {"upload_id": "upload_12345", "chunk_index": index, "received_chunks": index + 1, "total_chunks": 17}
        complete = await upload.complete(c)
        assert complete["processing_status"] == "queued"
        assert complete["file_id"].startswith("file_")
        assert (await c.expect("file_status", processing_status="processing"))["data"]["file_id"] == complete["file_id"]
        status = await upload.processed(c)
        assert status["processing_status"] == "completed"
        assert status["details"]["sha256"] == sha256(data)
        response = fetch(covet, complete["url"])
        assert response.status == 200 and response.body == data
        assert response.headers["Content-Type"] == "text/csv"
        assert 'filename="data.csv"' in response.headers["Content-Disposition"]


@pytest.mark.parametrize("binary", [False, True])
async def test_chunks_in_any_order_and_more_than_once(covet, user, binary):
    data = random_bytes(1_000_001)
    upload = Upload(data, chunk_size=10_000, binary=binary, sha256=sha256(data).upper())
    order = list(range(upload.total)) * 2
    random.Random(1).shuffle(order)
    async with covet.connect(user) as c:
        ready = await upload.ready(c)
        last = order[-1]
        # The last chunk comes last, for a whole file is a file.
        order = [index for index in order if index != last] + [last]
        await upload.send_all(c, ready["window"], order)
        complete = await upload.complete(c)
        await upload.processed(c)
        assert fetch(covet, complete["url"]).body == data


async def test_chunks_may_follow_the_start_at_once(covet, user):
    upload = Upload(random_bytes(300_000), chunk_size=50_000)
    async with covet.connect(user) as c:
        await c.send("file_upload_start", upload.start_data, id=upload.id)
        ids = [await upload.send(c, index) for index in range(upload.total)]
        assert (await c.reply(upload.id))["type"] == "file_upload_ready"
        for id in ids:
            assert (await c.reply(id))["type"] == "file_chunk_ack"
        assert fetch(covet, (await upload.complete(c))["url"]).body == upload.data


async def test_a_client_that_ignores_the_window_loses_nothing(covet, user):
    upload = Upload(random_bytes(2_000_000), chunk_size=20_000, binary=True)
    async with covet.connect(user) as c:
        window = (await upload.ready(c))["window"]
        assert window < upload.total
        ids = [await upload.send(c, index) for index in range(upload.total)]
        for id in ids:
            assert (await c.reply(id))["type"] == "file_chunk_ack"
        assert fetch(covet, (await upload.complete(c))["url"]).body == upload.data


async def test_files_of_no_bytes_and_of_one(covet, user):
    async with covet.connect(user) as c:
        for data in (b"", b"x"):
            upload = Upload(data, chunk_size=1, sha256=sha256(data))
            complete = await upload.run(c)
            await upload.processed(c)
            assert fetch(covet, complete["url"]).body == data


async def test_a_wrong_checksum_size_or_index_names_the_field_and_the_upload_goes_on(covet, user):
    upload = Upload(random_bytes(250), chunk_size=100)
    async with covet.connect(user) as c:
        await upload.ready(c)

        async def refused(index, code, field, **options):
            message = await upload.put(c, index, **options)
            assert message["type"] == "error", message
            error = message["data"]
            assert (error["error_code"], error["details"]["field"]) == (code, field), error
            assert error["original_message_id"] == message["metadata"]["in_reply_to"]
            assert error["recoverable"] == (code == "CHECKSUM_MISMATCH")

        await refused(0, "CHECKSUM_MISMATCH", "data.checksum", checksum="0" * 64)
        await refused(0, "INVALID_ARGUMENT", "data.data", data=b"short")
        await refused(2, "INVALID_ARGUMENT", "data.data", data=bytes(100))
        await refused(3, "INVALID_ARGUMENT", "data.chunk_index", data=bytes(100))
        await refused(0, "INVALID_MESSAGE_FORMAT", "data.checksum", checksum="xyz")
        await refused(-1, "INVALID_MESSAGE_FORMAT", "data.chunk_index", data=bytes(100))
        for text in ("not base64!", "YQ", "YQ= =", "Y Q="):
            bad = await c.error("file_chunk", {"upload_id": upload.id, "chunk_index": 0, "data": text, "checksum": "0" * 64})
            assert (bad["error_code"], bad["details"]["field"]) == ("INVALID_ARGUMENT", "data.data"), text
        await upload.send_all(c, 2)
        assert fetch(covet, (await upload.complete(c))["url"]).body == upload.data


async def test_a_repeat_must_be_right_too_and_changes_nothing(covet, user):
    upload = Upload(random_bytes(250), chunk_size=100)
    async with covet.connect(user) as c:
        await upload.ready(c)
        assert (await upload.put(c, 0))["type"] == "file_chunk_ack"
        assert (await upload.put(c, 0, checksum="0" * 64))["data"]["error_code"] == "CHECKSUM_MISMATCH"
        # Other bytes for a chunk that is on disk: acknowledged, and not taken.
        assert (await upload.put(c, 0, data=bytes(100)))["data"]["received_chunks"] == 1
        await upload.send_all(c, 2, [1, 2])
        assert fetch(covet, (await upload.complete(c))["url"]).body == upload.data


async def test_a_whole_file_that_is_not_the_announced_one_fails(covet, user):
    upload = Upload(b"abc", sha256=sha256(b"abd"))
    async with covet.connect(user) as c:
        await upload.ready(c)
        assert (await upload.put(c, 0))["type"] == "file_chunk_ack"
        error = (await c.expect("error", original_message_id=upload.id))["data"]
        assert error["error_code"] == "UPLOAD_FAILED"
        assert error["details"]["reason"] == "CHECKSUM_MISMATCH" and error["details"]["field"] == "data.sha256"
        for message in (await upload.resume(c), await upload.start(c)):
            assert message["data"]["error_code"] == "UPLOAD_FAILED"


async def test_starts_are_idempotent_and_others_conflict(covet, user):
    upload = Upload(random_bytes(500), chunk_size=100, sha256=sha256(b"whatever"))
    async with covet.connect(user) as c:
        await upload.ready(c)
        await upload.send_all(c, 2, [0, 2])
        assert (await upload.ready(c))["received"] == [[0, 0], [2, 2]]
        for change in ({"filename": "other"}, {"size": 501}, {"chunk_size": 99}, {"sha256": sha256(b"else")}):
            message = await c.request("file_upload_start", upload.start_data | change, id=upload.id)
            assert message["data"]["error_code"] == "CONFLICT"
            assert message["data"]["details"]["field"] == f"data.{next(iter(change))}"
        # Metadata and mimetype are no part of what an upload is.
        assert (await c.request("file_upload_start", upload.start_data | {"metadata": {"a": 1}}, id=upload.id))["type"] == "file_upload_ready"
    async with covet.connect(user) as c:
        assert (await upload.ready(c))["received"] == [[0, 0], [2, 2]]
    # The id is the user's own.
    async with covet.connect(user + "_b") as c:
        assert (await c.error("file_upload_resume", {"upload_id": upload.id}))["error_code"] == "NOT_FOUND"
        assert (await Upload(b"x", id=upload.id).ready(c))["received"] == []


async def test_resuming_goes_on_and_a_finished_upload_answers_complete(covet, user):
    upload = Upload(random_bytes(500_000), chunk_size=50_000)
    c = await covet.connect(user)
    await upload.ready(c)
    await upload.send_all(c, 2, [0, 1, 2, 5])
    c.abort()
    async with covet.connect(user) as c:
        message = await upload.resume(c)
        assert message["type"] == "file_upload_ready"
        assert message["data"]["received"] == [[0, 2], [5, 5]]
        await upload.send_all(c, 2, [3, 4, 6, 7, 8, 9])
        complete = await upload.complete(c)
        await upload.processed(c)
    async with covet.connect(user) as c:
        message = await upload.resume(c)
        assert message["type"] == "file_upload_complete"
        assert message["data"]["file_id"] == complete["file_id"]
        assert message["data"]["processing_status"] == "completed"
        message = await upload.start(c)
        assert message["type"] == "file_upload_complete"
        assert fetch(covet, message["data"]["url"]).body == upload.data
        # A chunk of it has nowhere to go.
        late = await upload.put(c, 0)
        assert late["data"]["error_code"] == "CONFLICT"


async def test_a_chunk_needs_no_resume(covet, user):
    upload = Upload(random_bytes(300), chunk_size=100)
    async with covet.connect(user) as c:
        await upload.ready(c)
        await upload.send_all(c, 2, [0])
    async with covet.connect(user) as c:
        await upload.send_all(c, 2, [1, 2])
        assert fetch(covet, (await upload.complete(c))["url"]).body == upload.data


async def test_status_goes_to_the_last_sender_and_to_those_who_resumed(covet, user):
    upload = Upload(random_bytes(300), chunk_size=100)
    async with covet.connect(user) as first, covet.connect(user) as second, covet.connect(user) as third:
        await upload.ready(first)
        assert (await upload.resume(second))["type"] == "file_upload_ready"
        await upload.send_all(third, 2)
        for c in (second, third):
            await upload.complete(c)
            assert (await upload.processed(c))["processing_status"] == "completed"
        # A round trip, behind which nothing can be left.
        await first.request("heartbeat", {"sequence": 1})
        assert not [m for m in first.inbox if m["type"].startswith("file_")]


async def test_cancel(covet, user):
    upload = Upload(random_bytes(300), chunk_size=100)
    async with covet.connect(user) as c:
        await upload.ready(c)
        await upload.send_all(c, 2, [0])
        message = await c.request("file_upload_cancel", {"upload_id": upload.id})
        assert message["type"] == "file_upload_cancelled" and message["data"] == {"upload_id": upload.id}
        assert (await upload.resume(c))["data"]["error_code"] == "CANCELLED"
        assert (await upload.start(c))["data"]["error_code"] == "CANCELLED"
        assert (await upload.put(c, 1))["data"]["error_code"] == "CANCELLED"
        assert (await c.error("file_upload_cancel", {"upload_id": "unknown"}))["error_code"] == "NOT_FOUND"
        whole = Upload(b"abc")
        await whole.run(c)
        await whole.processed(c)
        assert (await c.error("file_upload_cancel", {"upload_id": whole.id}))["error_code"] == "CONFLICT"


async def test_a_cancel_elsewhere_is_told(covet, user):
    upload = Upload(random_bytes(300), chunk_size=100)
    async with covet.connect(user) as c, covet.connect(user) as d:
        await upload.ready(c)
        assert (await d.request("file_upload_cancel", {"upload_id": upload.id}))["type"] == "file_upload_cancelled"
        error = (await c.expect("error", original_message_id=upload.id))["data"]
        assert error["error_code"] == "CANCELLED"


async def test_what_a_start_may_not_say(covet, user):
    async with covet.connect(user) as c:
        for change, code, field in (
            ({"filename": ""}, "INVALID_MESSAGE_FORMAT", "data.filename"),
            ({"filename": "a\nb"}, "INVALID_ARGUMENT", "data.filename"),
            ({"size": -1}, "INVALID_MESSAGE_FORMAT", "data.size"),
            ({"chunk_size": 0}, "INVALID_MESSAGE_FORMAT", "data.chunk_size"),
            ({"chunk_size": 512 * 1024 + 1}, "INVALID_ARGUMENT", "data.chunk_size"),
            ({"chunk_size": 2**40}, "INVALID_ARGUMENT", "data.chunk_size"),
            ({"size": 10**9, "chunk_size": 100}, "INVALID_ARGUMENT", "data.chunk_size"),
            ({"size": 2**52, "chunk_size": 1024}, "INVALID_ARGUMENT", "data.chunk_size"),
            ({"mimetype": "text/html\r\nX: y"}, "INVALID_ARGUMENT", "data.mimetype"),
            ({"mimetype": "nonsense"}, "INVALID_ARGUMENT", "data.mimetype"),
            ({"sha256": "abc"}, "INVALID_MESSAGE_FORMAT", "data.sha256"),
            ({"metadata": []}, "INVALID_MESSAGE_FORMAT", "data.metadata"),
        ):
            error = await c.error("file_upload_start", Upload(b"abc").start_data | change)
            assert (error["error_code"], error["details"]["field"]) == (code, field), (change, error)


async def test_binary_frames_that_are_not_chunks(covet, user):
    upload = Upload(b"abc", binary=True)
    async with covet.connect(user) as c:
        await upload.ready(c)
        other = json.dumps({"type": "heartbeat", "id": "h", "data": {}}).encode()
        for frame in (b"", b"\0\0\0", b"\xff\xff\xff\xff", (5000).to_bytes(4, "big") + bytes(5000), b"\0\0\0\2{}", b"\0\0\0\1{", len(other).to_bytes(4, "big") + other):
            await c.ws.send(frame)
            error = (await c.expect("error"))["data"]
            assert error["error_code"] == "INVALID_MESSAGE_FORMAT", frame
        # The data belongs behind the envelope, not in it.
        fields = {"upload_id": upload.id, "chunk_index": 0, "checksum": sha256(b"abc"), "data": base64.b64encode(b"abc").decode()}
        message = await c.reply(await send_binary_chunk(c, fields, b"abc"))
        assert message["data"]["details"]["field"] == "data.data"
        assert (await upload.put(c, 0))["type"] == "file_chunk_ack"
        await upload.complete(c)


async def test_permissions(covet, user):
    async with covet.connect(user, roles=("member",)) as c:
        error = await c.error("file_upload_start", Upload(b"abc").start_data)
        assert error["error_code"] == "PERMISSION_DENIED"
        assert error["details"] == {"action": "file:upload", "resource": "data.bin"}


async def test_names_are_names_only(covet, user):
    async with covet.connect(user) as c:
        for name in ("../../../etc/passwd", "/etc/passwd", "a/b\\c", "Übung \"1\" 日本.pdf", "con"):
            upload = Upload(b"abc", filename=name, id=f"../{uuid.uuid4()}/x")
            complete = await upload.run(c)
            await upload.processed(c)
            assert fetch(covet, complete["url"]).body == b"abc"
    folder = pathlib.Path(covet.process("files").config["storage"]["data_dir"]) / "files"
    assert {path.name for path in folder.iterdir()} <= {"incoming", "kept", "url_key", "files.lock", "metadata.sqlite", "metadata.sqlite-wal", "metadata.sqlite-shm", "metadata.sqlite.reserve"}
    assert all(path.name.startswith("file_") for path in (folder / "kept").iterdir())


async def test_what_a_file_is_is_found_out(covet, user):
    async with covet.connect(user) as c:
        png = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")
        upload = Upload(png, filename="picture")
        complete = await upload.run(c)
        assert (await upload.processed(c))["details"]["detected_type"] == "image/png"
        assert fetch(covet, complete["url"]).headers["Content-Type"] == "image/png"


async def test_a_hundred_uploads_side_by_side(covet, user):
    async def one(number):
        async with covet.connect(f"{user}_{number % 10}") as c:
            upload = Upload(random_bytes(200_000 + number), chunk_size=30_000, binary=number % 2 == 0)
            complete = await upload.run(c)
            assert fetch(covet, complete["url"]).body == upload.data

    await asyncio.gather(*(one(number) for number in range(100)))


async def test_ten_uploads_an_hour_are_counted_by_files_and_over_restarts(make_covet):
    covet = make_covet("split", limits={"uploads": "3/h"})
    async with covet.connect("u") as c:
        first = Upload(random_bytes(300), chunk_size=100)
        await first.ready(c)
        for _ in range(5):
            await first.ready(c)
        # What is refused costs nothing.
        for _ in range(5):
            await c.error("file_upload_start", Upload(b"x").start_data | {"chunk_size": 2**30})
        await Upload(b"x").run(c)
        await Upload(b"y").run(c)
        error = await c.error("file_upload_start", Upload(b"z").start_data)
        assert error["error_code"] == "RATE_LIMITED" and error["recoverable"]
        assert error["rate_limit"]["limit"] == 3 and error["rate_limit"]["remaining"] == 0
        assert error["details"]["scope"] == "uploads"
    covet.process("files").kill()
    covet.process("files").start()
    async with covet.connect("u") as c:
        assert (await c.error("file_upload_start", Upload(b"z").start_data))["error_code"] == "RATE_LIMITED"
        # Going on is free.
        await first.ready(c)
    async with covet.connect("v") as c:
        await Upload(b"z").run(c)


async def test_a_connection_has_so_many_uploads_under_way(make_covet):
    covet = make_covet()
    async with covet.connect("a") as c:
        uploads = [Upload(b"x") for _ in range(64)]
        for upload in uploads:
            await upload.ready(c)
        one_more = Upload(b"x")
        refused = [
            await c.error("file_upload_start", one_more.start_data),
            await c.error("file_upload_resume", {"upload_id": one_more.id}),
            (await one_more.put(c, 0))["data"],
        ]
        for error in refused:
            assert (error["error_code"], error["recoverable"], error["details"]) == ("CONFLICT", False, {"reason": "TOO_MANY", "limit": "64"}), error
        # Another connection of the user has its own, and one that ends makes room.
        async with covet.connect("a") as other:
            await one_more.ready(other)
        await uploads[0].put(c, 0)
        await uploads[0].processed(c)
        await one_more.resume(c)


async def test_limits_by_role_and_quotas(make_covet):
    covet = make_covet(
        roles={
            "small": {"grants": [{"action": "file:upload", "pattern": "*"}]},
            "large": {"grants": [{"action": "file:upload", "pattern": "*"}]},
        },
        files={
            "role_limits": {
                "small": {"max_file_bytes": 100, "max_files": 2, "max_total_bytes": 150, "max_uploads": 1, "types": ["text/*"]},
                "large": {"max_file_bytes": 1000, "max_files": 100, "max_total_bytes": 1000, "max_uploads": 100},
            }
        },
    )

    async def refusal(c, **change):
        error = await c.error("file_upload_start", {"filename": "f", "size": 10, "chunk_size": 100, "mimetype": "text/plain"} | change)
        return error["error_code"], error["details"].get("reason")

    async with covet.connect("a", roles=("small",)) as c:
        assert await refusal(c, size=101) == ("INVALID_ARGUMENT", "TOO_LARGE")
        assert await refusal(c, mimetype="image/png") == ("INVALID_ARGUMENT", "TYPE_NOT_ALLOWED")
        under_way = Upload(b"x" * 100, mimetype="text/plain")
        await under_way.ready(c)
        assert await refusal(c) == ("CONFLICT", "TOO_MANY_UPLOADS")
        await under_way.send_all(c, 1)
        await under_way.processed(c)
        assert await refusal(c, size=51) == ("CONFLICT", "QUOTA")
        # A type that nobody announced is found out, and then counts.
        unnamed = Upload(base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"))
        complete = await unnamed.run(c)
        status = await unnamed.processed(c)
        assert (status["processing_status"], status["details"]["reason"]) == ("failed", "TYPE_NOT_ALLOWED")
        assert fetch(covet, complete["url"]).status == 409
        assert await refusal(c) == ("CONFLICT", "TOO_MANY_FILES")
        pb = module("files.v1.files_pb2")

        def delete(file_id):
            with Api(covet.grpc_address("files"), bearer("a", ("small",))) as api:
                api.files("Delete", pb.DeleteRequest(file_id=file_id))

        delete(complete["file_id"])
        # One that was announced binds as well.
        disguised = Upload(unnamed.data, mimetype="text/plain")
        complete = await disguised.run(c)
        status = await disguised.processed(c)
        assert (status["processing_status"], status["details"]["reason"]) == ("failed", "TYPE_NOT_ALLOWED")
        assert status["details"]["detected_type"] == "image/png"
        assert fetch(covet, complete["url"]).status == 409
        delete(complete["file_id"])
        honest = Upload(b"a,b\n1,2\n", mimetype="text/csv")
        complete = await honest.run(c)
        assert (await honest.processed(c))["processing_status"] == "completed"
        assert fetch(covet, complete["url"]).headers["Content-Type"] == "text/csv"
    async with covet.connect("b", roles=("small", "large")) as c:
        assert await refusal(c, size=1001) == ("INVALID_ARGUMENT", "TOO_LARGE")
        upload = Upload(b"z" * 500, mimetype="image/png")
        await upload.run(c)


async def test_abandoned_uploads_expire_and_ids_are_forgotten(make_covet):
    covet = make_covet(files={"upload_expiry": "1s", "remember_uploads": "1s"})
    folder = pathlib.Path(covet.process("files").config["storage"]["data_dir"]) / "files" / "incoming"
    upload = Upload(random_bytes(300), chunk_size=100)
    async with covet.connect("u") as c:
        await upload.ready(c)
        await upload.send_all(c, 2, [0])
        error = (await c.expect("error", original_message_id=upload.id))["data"]
        assert (error["error_code"], error["details"]["reason"]) == ("UPLOAD_FAILED", "EXPIRED")
        for _ in range(200):
            message = await upload.resume(c)
            if message["data"]["error_code"] == "NOT_FOUND":
                break
            assert message["data"]["error_code"] == "UPLOAD_FAILED"
            await asyncio.sleep(0.1)
        assert message["data"]["error_code"] == "NOT_FOUND"
        assert list(folder.iterdir()) == []
        assert (await upload.ready(c))["received"] == []


async def test_files_end_with_their_retention(make_covet):
    covet = make_covet(files={"retention": "1s"})
    async with covet.connect("u") as c:
        complete = await Upload(b"abc").run(c)
        for _ in range(200):
            status = fetch(covet, complete["url"]).status
            if status == 404:
                break
            await asyncio.sleep(0.1)
        assert status == 404
    assert not list((pathlib.Path(covet.process("files").config["storage"]["data_dir"]) / "files" / "kept").iterdir())
