"""Downloads over HTTP: links, ranges, conditions, large files, slow readers."""

import hashlib
import pathlib
import socket
import sqlite3
import subprocess
import time
import urllib.parse

import grpc
import pytest

from harness.grpc_api import Api, bearer, error_info, module
from harness.process import TIMEOUT
from harness.uploads import Upload, fetch, random_bytes, sha256

GIB = 1 << 30


@pytest.fixture
def pb():
    return module("files.v1.files_pb2")


async def uploaded(covet, user, data, **start):
    """Uploads a file; returns (file id, url)."""
    async with covet.connect(user) as c:
        upload = Upload(data, chunk_size=200_000, **start)
        complete = await upload.run(c)
        await upload.processed(c)
        return complete["file_id"], complete["url"]


def curl(covet, url, *options):
    """(head, body) of what curl gets."""
    parts = urllib.parse.urlsplit(url)
    result = subprocess.run(
        ["curl", "-sS", "-i", "--max-time", str(TIMEOUT), *options, f"http://{covet.http_address}{parts.path}?{parts.query}"],
        capture_output=True,
        check=True,
    )
    head, _, body = result.stdout.partition(b"\r\n\r\n")
    return head.decode(), body


@pytest.mark.protocol
async def test_head_ranges_and_conditions(covet, user):
    data = random_bytes(700_000)
    _, url = await uploaded(covet, user, data, filename="Übung 1.bin", mimetype="application/x-test")
    whole = fetch(covet, url)
    assert whole.status == 200 and whole.body == data
    headers = whole.headers
    assert headers["ETag"] == f'"{sha256(data)}"'
    assert headers["Content-Length"] == str(len(data))
    assert headers["Content-Type"] == "application/x-test"
    assert headers["Content-Disposition"] == "attachment; filename=\"_bung 1.bin\"; filename*=UTF-8''%C3%9Cbung%201.bin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["Accept-Ranges"] == "bytes"
    head = fetch(covet, url, "HEAD")
    assert head.status == 200 and head.body == b"" and head.headers["Content-Length"] == str(len(data))
    for header, first, last in (("bytes=0-0", 0, 0), ("bytes=300000-499999", 300_000, 499_999), ("bytes=-7", 699_993, 699_999), ("bytes=699999-", 699_999, 699_999)):
        part = fetch(covet, url, headers={"Range": header})
        assert part.status == 206 and part.body == data[first : last + 1], header
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/700000"
    assert fetch(covet, url, headers={"Range": "bytes=0-1,5-6"}).body == data
    beyond = fetch(covet, url, headers={"Range": "bytes=700000-"})
    assert beyond.status == 416 and beyond.headers["Content-Range"] == "bytes */700000"
    for name, value, status in (
        ("If-None-Match", headers["ETag"], 304),
        ("If-None-Match", '"other"', 200),
        ("If-Modified-Since", headers["Last-Modified"], 304),
        ("If-Modified-Since", "Wed, 10 Sep 2025 12:00:00 GMT", 200),
        ("If-Match", '"other"', 412),
        ("If-Unmodified-Since", "Wed, 10 Sep 2025 12:00:00 GMT", 412),
    ):
        response = fetch(covet, url, headers={name: value})
        assert response.status == status, name
        assert response.body == (data if status == 200 else b"")
    assert fetch(covet, url, headers={"Range": "bytes=0-1", "If-Range": headers["ETag"]}).status == 206
    assert fetch(covet, url, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).status == 200


async def test_curl_agrees(covet, user):
    data = random_bytes(300_000)
    _, url = await uploaded(covet, user, data)
    head, body = curl(covet, url, "-r", "100-199")
    assert head.startswith("HTTP/1.1 206") and body == data[100:200]
    etag = next(line.split(": ", 1)[1] for line in head.splitlines() if line.lower().startswith("etag"))
    head, body = curl(covet, url, "-H", f"If-None-Match: {etag}")
    assert head.startswith("HTTP/1.1 304") and body == b"" and "content-length" not in head.lower()
    head, body = curl(covet, url)
    assert body == data


@pytest.mark.protocol
async def test_a_link_holds_for_its_file_and_its_time_only(covet, user):
    _, url = await uploaded(covet, user, b"one")
    other_id, _ = await uploaded(covet, user, b"two")
    base, query = url.split("?")
    fields = dict(urllib.parse.parse_qsl(query))
    later = str(int(fields["expires"]) + 1)

    def status(base=base, **changes):
        return fetch(covet, base + "?" + urllib.parse.urlencode(fields | changes)).status

    assert status() == 200
    assert status(expires=later) == 403
    assert status(expires="0") == 403
    assert status(expires="x") == 403
    assert status(signature="A" * 43) == 403
    assert status(signature="ü") == 403
    assert status(signature="") == 403
    assert status(base=base.rsplit("/", 1)[0] + "/" + other_id) == 403
    assert fetch(covet, base).status == 403
    assert fetch(covet, base.rsplit("/", 1)[0] + "/../etc/passwd?" + query).status == 404
    assert fetch(covet, url, "POST").status == 405


async def test_links_end_and_get_makes_fresh_ones(make_covet, pb):
    covet = make_covet("split", files={"url_ttl": "1s", "public_url": "https://files.example.com/"})
    file_id, url = await uploaded(covet, "u", b"abc")
    assert url.startswith(f"https://files.example.com/files/{file_id}?")
    deadline = time.monotonic() + TIMEOUT
    while fetch(covet, url).status != 403:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with Api(covet.grpc_address("files"), bearer("u")) as api:
        for _ in range(100):
            # A link is valid to the end of a second: it may be over as soon as it is made.
            response = fetch(covet, api.files("Get", pb.GetRequest(file_id=file_id)).url)
            if response.status == 200:
                break
        assert response.body == b"abc"
    # The key is kept.
    covet.process("files").stop()
    covet.process("files").start()
    with Api(covet.grpc_address("files"), bearer("u")) as api:
        for _ in range(100):
            response = fetch(covet, api.files("Get", pb.GetRequest(file_id=file_id)).url)
            if response.status == 200:
                break
        assert response.status == 200


def stretch(covet, file_id, size):
    """Makes a kept file so large, without anything in it."""
    process = covet.process("files")
    process.stop()
    folder = pathlib.Path(process.config["storage"]["data_dir"]) / "files"
    with open(folder / "kept" / file_id, "r+b") as file:
        file.truncate(size)
    database = sqlite3.connect(folder / "metadata.sqlite")
    database.execute("UPDATE files SET size = ? WHERE file_id = CAST(? AS BLOB)", (size, file_id))
    database.commit()
    database.close()
    process.start()


async def test_many_gigabytes_without_holding_them(make_covet):
    covet = make_covet("split")
    file_id, url = await uploaded(covet, "u", b"abc")
    stretch(covet, file_id, 6 * GIB)
    before = {role: covet.process(role).rss_bytes() for role in ("edge", "files")}
    tail = fetch(covet, url, headers={"Range": f"bytes={6 * GIB - 4}-"})
    assert tail.status == 206 and tail.body == bytes(4)
    parts = urllib.parse.urlsplit(url)
    host, port = covet.http_address.rsplit(":", 1)
    peak = dict(before)
    received = 0
    with socket.create_connection((host, int(port)), timeout=TIMEOUT) as connection:
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-{2 * GIB - 1}\r\nConnection: close\r\n\r\n".encode())
        buffer = bytearray(1 << 20)
        looks = 0
        while size := connection.recv_into(buffer):
            received += size
            if received >> 27 > looks:
                looks = received >> 27
                peak = {role: max(peak[role], covet.process(role).rss_bytes()) for role in peak}
    assert received > 2 * GIB
    grown = {role: peak[role] - before[role] for role in peak}
    print(f"memory grown during 2 GiB: {grown}")
    assert all(bytes_ < 64 << 20 for bytes_ in grown.values()), grown


async def test_a_slow_reader_holds_a_bounded_window_and_slows_nobody(make_covet):
    covet = make_covet("split")
    file_id, url = await uploaded(covet, "u", random_bytes(3_000_000))
    stretch(covet, file_id, GIB)
    before = {role: covet.process(role).rss_bytes() for role in ("edge", "files")}
    parts = urllib.parse.urlsplit(url)
    host, port = covet.http_address.rsplit(":", 1)
    slow = []
    for _ in range(20):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.settimeout(TIMEOUT)
        connection.connect((host, int(port)))
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        slow.append(connection)
    # Meanwhile others are served.
    assert len(fetch(covet, url, headers={"Range": "bytes=0-9999999"}).body) == 10_000_000
    grown = {role: covet.process(role).rss_bytes() - before[role] for role in before}
    print(f"memory grown by 20 slow readers: {grown}")
    assert all(bytes_ < 20 * (8 << 20) for bytes_ in grown.values()), grown
    for connection in slow:
        connection.close()
    deadline = time.monotonic() + TIMEOUT
    while "covet_edge_downloads 0" not in covet.edge.admin("/metrics")[1]:
        assert time.monotonic() < deadline, "downloads are still open"
        time.sleep(0.05)


async def test_a_drain_gives_downloads_time(make_covet):
    """Five seconds, though no WebSocket is open: one that is read ends whole, one that is not is broken off."""
    covet = make_covet("split")
    file_id, url = await uploaded(covet, "u", b"abc")
    size = 64 << 20
    stretch(covet, file_id, size)
    parts = urllib.parse.urlsplit(url)
    host, port = covet.http_address.rsplit(":", 1)

    def begin():
        connection = socket.create_connection((host, int(port)), timeout=TIMEOUT)
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        return connection, len(body)

    def rest(connection):
        received = 0
        try:
            while size := len(connection.recv(1 << 20)):
                received += size
        except ConnectionResetError:
            pass
        return received

    read, got = begin()
    stuck, got_of_stuck = begin()
    with read, stuck:
        covet.edge.terminate()
        covet.edge.wait_log("draining")
        deadline = time.monotonic() + TIMEOUT
        while fetch(covet, url).status != 503:
            assert time.monotonic() < deadline, "downloads still begin"
        assert got + rest(read) == size
        assert covet.edge.wait() == 0
        assert got_of_stuck + rest(stuck) < size


async def test_keep_alive_over_downloads(covet, user):
    data = random_bytes(100_000)
    _, url = await uploaded(covet, user, data)
    parts = urllib.parse.urlsplit(url)
    host, port = covet.http_address.rsplit(":", 1)
    request = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), timeout=TIMEOUT) as connection:
        connection.sendall(request * 3)
        received = b""
        while received.count(b"HTTP/1.1 200") < 3 or not received.endswith(data):
            piece = connection.recv(1 << 16)
            assert piece
            received += piece
        assert received.count(data) == 3


async def test_the_grpc_api(covet, user, pb):
    data = random_bytes(1_000_000)

    def messages():
        yield pb.UploadRequest(start=pb.StartUpload(upload_id="g", filename="g.bin", size=len(data), chunk_size=300_000), tag=1)
        for index in range(4):
            piece = data[index * 300_000 : (index + 1) * 300_000]
            yield pb.UploadRequest(chunk=pb.Chunk(chunk_index=index, data=piece, checksum=hashlib.sha256(piece).digest()), tag=2 + index)

    with Api(covet.grpc_address("files"), bearer(user)) as api, Api(covet.grpc_address("files"), bearer("other", ("member",))) as other:
        answers = list(api.files("Upload", messages(), stream=True))
        kinds = [answer.WhichOneof("kind") for answer in answers]
        assert kinds[0] == "ready" and answers[0].tag == 1
        assert sorted(answer.tag for answer in answers if answer.WhichOneof("kind") == "chunk_ack") == [2, 3, 4, 5]
        assert kinds[-3:] == ["completed", "status", "status"]
        file = next(answer.completed for answer in answers if answer.WhichOneof("kind") == "completed")
        assert (file.user_id, file.size, file.sha256) == (user, len(data), sha256(data))
        info = api.files("GetUpload", pb.GetUploadRequest(upload_id="g"))
        assert info.state == pb.UPLOAD_STATE_COMPLETED and info.file_id == file.file_id
        got = api.files("Get", pb.GetRequest(file_id=file.file_id))
        assert got.details.structured["sha256"] == sha256(data)
        parts = list(api.files("Download", pb.DownloadRequest(file_id=file.file_id, offset=10, length=500_000), stream=True))
        assert parts[0].file.file_id == file.file_id
        assert b"".join(part.data for part in parts) == data[10:500_010]
        assert b"".join(part.data for part in api.files("Download", pb.DownloadRequest(file_id=file.file_id), stream=True)) == data
        for _ in range(2):
            list(api.files("Upload", iter([pb.UploadRequest(start=pb.StartUpload(upload_id=f"e{_}", filename="e", size=0, chunk_size=1))]), stream=True))
        page = api.files("List", pb.ListRequest(page_size=2))
        assert len(page.files) == 2 and page.next_page_token
        rest = api.files("List", pb.ListRequest(page_size=2, page_token=page.next_page_token))
        assert [f.file_id for f in rest.files] == [file.file_id] and not rest.next_page_token

        def code(call, method, request, stream=False):
            with pytest.raises(grpc.RpcError) as error:
                result = call.files(method, request, stream)
                if stream:
                    list(result)
            return error.value.code(), error_info(error.value).reason

        assert code(other, "Get", pb.GetRequest(file_id=file.file_id)) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
        assert code(other, "Get", pb.GetRequest(file_id="file_none"))[0] == grpc.StatusCode.PERMISSION_DENIED
        assert code(other, "Download", pb.DownloadRequest(file_id=file.file_id), True)[0] == grpc.StatusCode.PERMISSION_DENIED
        assert code(other, "Delete", pb.DeleteRequest(file_id=file.file_id))[0] == grpc.StatusCode.PERMISSION_DENIED
        assert not other.files("List", pb.ListRequest(user_id=user)).files
        assert code(api, "Get", pb.GetRequest(file_id="file_none"))[0] == grpc.StatusCode.NOT_FOUND
        assert code(api, "List", pb.ListRequest(page_token="x"))[0] == grpc.StatusCode.INVALID_ARGUMENT
        assert code(api, "Download", pb.DownloadRequest(file_id=file.file_id, offset=len(data) + 1), True)[0] == grpc.StatusCode.INVALID_ARGUMENT
        assert code(api, "Upload", iter([pb.UploadRequest(chunk=pb.Chunk())]), True)[0] == grpc.StatusCode.INVALID_ARGUMENT
        assert code(api, "Upload", iter([pb.UploadRequest(resume=pb.ResumeUpload(upload_id="none"))]), True)[0] == grpc.StatusCode.NOT_FOUND
        api.files("Delete", pb.DeleteRequest(file_id=file.file_id))
        assert code(api, "Get", pb.GetRequest(file_id=file.file_id))[0] == grpc.StatusCode.NOT_FOUND
        assert fetch(covet, file.url).status == 404
        # A link shown by somebody who is no edge proves nothing.
        link = pb.LinkProof(expires=2**40, signature="x")
        assert code(other, "Get", pb.GetRequest(file_id="file_none", link=link))[0] == grpc.StatusCode.PERMISSION_DENIED
