"""Uploads and downloads."""

import asyncio
import base64
import hashlib
import re

import pytest

from behaviours import entry
from behaviours.common import connect
from harness.client_agent import AgentError
from harness.process import TIMEOUT
from harness.proxy import CLIENT, SERVER, Proxy
from harness.uploads import Upload, fetch, random_bytes

CHUNK = 20_000
WINDOW = 64  # The widest that a server offers.


def _upload(data, name="u", **options):
    """The arguments of the agents' `upload`."""
    return {"as": name, "base64": base64.b64encode(data).decode(), "filename": "data.bin", "chunk_size": CHUNK, **options}


async def _counted(covet, stored):
    """Once the server has counted so many chunks that it has stored: how many it has got that it had."""
    def outcome(name):
        text = covet.process("files").admin("/metrics")[1]
        return int(float(re.search(rf'^covet_files_chunks_total{{.*outcome="{name}".*}} (\S+)$', text, re.MULTILINE)[1]))

    async with asyncio.timeout(2 * TIMEOUT):
        # Its metrics are refreshed now and then.
        while await asyncio.to_thread(outcome, "stored") < stored:
            await asyncio.sleep(0.05)
    return await asyncio.to_thread(outcome, "repeated")


async def _received(covet, user, id):
    """How many chunks of an upload are on the server's disk."""
    async with covet.connect(user) as c:
        ready = await Upload(b"", id=id).resume(c)
        return sum(last - first + 1 for first, last in ready["data"]["received"])


async def _progressed(a, least, name="u"):
    """Until so many bytes are kept."""
    await a.until(lambda: any(told["event"] == "progress" and told["of"] == name and told["item"]["sent"] >= least for told in a.events), f"{least} bytes")


async def upload_sources(covet, agent):
    data = random_bytes(3 * CHUNK + 123)
    async with agent() as a:
        await connect(a, covet.ws_url)
        for source in entry("upload_sources")["sources"][agent.platform]:
            for size, content in ((len(data), data), (0, b"")):
                told = {"size": size} if source in entry("upload_sources")["sizeless"] else {}
                result = await a.do("upload", **_upload(content, f"{source}_{size}", source=source, **told))
                assert fetch(covet, result["url"]).body == content, (source, size)


async def upload_told(covet, agent):
    data = random_bytes(10 * CHUNK + 1)
    async with agent() as a:
        await connect(a, covet.ws_url)
        result = await a.do("upload", **_upload(data))
        assert result["processing_status"] == "queued" and fetch(covet, result["url"]).body == data
        await _progressed(a, len(data))
        progress = [told["item"] for told in a.events if told["event"] == "progress"]
        assert [each["sent"] for each in progress] == sorted(each["sent"] for each in progress)
        assert progress[0] == {"sent": 0, "total": len(data)} and progress[-1] == {"sent": len(data), "total": len(data)}
        await a.until(lambda: any(told["event"] == "status" and told["item"]["processing_status"] == "completed" for told in a.events), "completed")
        statuses = [told["item"] for told in a.events if told["event"] == "status"]
        assert statuses[0]["processing_status"] == "queued"
        assert statuses[-1]["details"]["sha256"] == hashlib.sha256(data).hexdigest()


async def upload_paused(covet, agent, user):
    data = random_bytes(10 * CHUNK)
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url, user)
        proxy.stall()
        upload = a.start("upload", **_upload(data, upload_id="paused"))
        await a.do("pause_upload", **{"as": "u"})
        proxy.go()
        await a.take("progress")
        # Were a chunk on its way, it would be there before this call.
        await a.do("call", method="system.ping")
        assert await _received(covet, user, "paused") == 0
        await a.do("resume_upload", **{"as": "u"})
        assert fetch(covet, (await upload)["url"]).body == data


async def upload_cancelled(covet, agent):
    data = random_bytes(50 * CHUNK)
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        proxy.stall()
        upload = a.start("upload", **_upload(data))
        await a.do("pause_upload", **{"as": "u"})
        proxy.go()
        await a.take("progress")
        await a.do("cancel_upload", **{"as": "u"})
        with pytest.raises(AgentError) as ended:
            await upload
        assert (ended.value.type, ended.value.reason) == ("EndedError", "cancelled")
        # One that is cancelled while there is no connection is cancelled on the next.
        proxy.stall()
        upload = a.start("upload", **_upload(data, "v", upload_id="cancelled_while_away_" + agent.platform + covet.mode))
        await a.do("pause_upload", **{"as": "v"})
        proxy.go()
        await a.take("progress", of="v")
        proxy.refuse()
        proxy.cut()
        cancelling = a.start("cancel_upload", **{"as": "v"})
        with pytest.raises(AgentError) as ended:
            await upload
        assert ended.value.reason == "cancelled"
        proxy.refuse(False)
        await cancelling
        with pytest.raises(AgentError) as gone:
            await a.do("upload", **_upload(data, "w", upload_id="cancelled_while_away_" + agent.platform + covet.mode))
        assert (gone.value.type, gone.value.code) == ("ServerError", "CANCELLED")


async def upload_aborted(covet, agent, room):
    data = random_bytes(50 * CHUNK)
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        proxy.stall()
        upload = a.start("upload", **_upload(data, upload_id=room))
        await a.do("pause_upload", **{"as": "u"})
        proxy.go()
        await a.take("progress")
        await a.do("abort_upload", **{"as": "u"})
        with pytest.raises(AgentError) as ended:
            await upload
        if agent.platform == "python":
            assert ended.value.type == "Cancelled"
        else:
            assert (ended.value.type, ended.value.reason) == ("EndedError", "cancelled")
        with pytest.raises(AgentError) as gone:
            await a.do("upload", **_upload(data, "v", upload_id=room))
        assert (gone.value.type, gone.value.code) == ("ServerError", "CANCELLED")


async def upload_never_begun(covet, agent, room, user):
    data = random_bytes(3 * CHUNK)
    cancelled = [f"{room}_away"]
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url, user)
        proxy.refuse()
        proxy.cut()
        await a.take("disconnected")
        upload = a.start("upload", **_upload(data, upload_id=cancelled[0]))
        await a.do("session")
        cancelling = a.start("cancel_upload", **{"as": "u"})
        with pytest.raises(AgentError) as ended:
            await upload
        assert (ended.value.type, ended.value.reason) == ("EndedError", "cancelled")
        proxy.refuse(False)
        await cancelling
        if agent.platform != "python":  # Python has no such signals.
            cancelled.append(f"{room}_aborted")
            with pytest.raises(AgentError) as ended:
                await a.do("upload", **_upload(data, "v", upload_id=cancelled[1], aborted=True))
            assert (ended.value.type, ended.value.reason) == ("EndedError", "cancelled")
        # Were a start on its way, one upload more would be begun before this one.
        await a.do("upload", **_upload(data, "w"))
        async with covet.connect(user) as c:
            for id in cancelled:
                assert (await Upload(b"", id=id).resume(c))["data"].get("error_code") == "NOT_FOUND", id


async def upload_over_cuts(make_covet, agent):
    window = 4
    covet = make_covet(files={"window_bytes": window * CHUNK})
    data = random_bytes(200 * CHUNK)
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        upload = a.start("upload", **_upload(data))
        for cut in (1, 2, 3):
            proxy.cut_after(CLIENT, 50)
            await proxy.until(lambda: proxy.cuts == cut)
        assert fetch(covet, (await upload)["url"]).body == data
        # Only what was on its way when the connection broke may have come before.
        assert await _counted(covet, 200) <= 3 * window


async def upload_over_a_killed_server(make_covet, agent):
    covet = make_covet()
    data = random_bytes(200 * CHUNK)
    async with agent() as a:
        await connect(a, covet.ws_url)
        upload = a.start("upload", **_upload(data))
        for least in (20, 120):
            await _progressed(a, least * CHUNK)
            await asyncio.to_thread(covet.edge.kill)
            await asyncio.to_thread(covet.edge.start)
        assert fetch(covet, (await upload)["url"]).body == data


async def upload_over_a_restarted_service(make_covet, agent):
    covet = make_covet("split")
    files = covet.process("files")
    data = random_bytes(200 * CHUNK)
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        upload = a.start("upload", **_upload(data))
        await _progressed(a, 20 * CHUNK)
        await asyncio.to_thread(files.kill)
        await asyncio.to_thread(files.start)
        assert fetch(covet, (await upload)["url"]).body == data
        assert proxy.accepted == 1


async def upload_refused_late(make_covet, agent):
    covet = make_covet("split")
    files = covet.process("files")
    data = random_bytes(3 * CHUNK)
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        await asyncio.to_thread(files.kill)
        proxy.freeze(SERVER)
        since = len(covet.edge.lines)
        upload = a.start("upload", **_upload(data))
        # The answers of the second and third come after the third has been sent: one finds its asker, the other nobody.
        for _ in range(3):
            await asyncio.to_thread(covet.edge.wait_log, "request", type="file_upload_start", since=since)
            since = len(covet.edge.lines)
        proxy.go()
        await asyncio.to_thread(files.start)
        assert fetch(covet, (await upload)["url"]).body == data
        assert not a.told("error")


async def upload_continued(make_covet, agent):
    covet = make_covet()
    data = random_bytes(200 * CHUNK)
    async with Proxy(covet.http_address) as proxy:
        async with agent() as first:
            await connect(first, proxy.ws_url)
            proxy.refuse()
            proxy.cut_after(CLIENT, 100)
            upload = first.start("upload", **_upload(data, upload_id="mine"))
            await first.take("disconnected")
            await first.do("close")
            with pytest.raises(AgentError) as ended:
                await upload
            assert (ended.value.type, ended.value.reason) == ("EndedError", "closed")
        # Those that were on their way last may or may not be there.
        received = await _received(covet, "user_123", "mine")
        assert 100 - WINDOW <= received < 100
        proxy.refuse(False)
        async with agent() as second:
            await connect(second, proxy.ws_url)
            result = await second.do("upload", **_upload(data, upload_id="mine"))
            assert fetch(covet, result["url"]).body == data
            assert (await second.items("progress"))[0]["sent"] >= received * CHUNK
        assert await _counted(covet, 200) == 0


async def upload_again(covet, agent, room):
    data = random_bytes(5 * CHUNK)
    async with agent() as a:
        await connect(a, covet.ws_url)
        short = base64.b64encode(data[: 3 * CHUNK]).decode()
        result = await a.do("upload_again", first=short, size=len(data), **_upload(data, upload_id=room))
        assert fetch(covet, result["url"]).body == data


async def upload_source_fails(covet, agent):
    data = random_bytes(5 * CHUNK)
    async with agent() as a:
        session = (await connect(a, covet.ws_url))["session_id"]
        for size in (len(data) + 1, len(data) - 1):
            with pytest.raises(AgentError) as failed:
                await a.do("upload", **_upload(data, f"s{size}", source="iterator", size=size))
            assert failed.value.type == "SourceError"
        with pytest.raises(AgentError):
            await a.do("upload", **_upload(data, "s", source="iterator"))
        for source in entry("upload_source_fails")["texts"][agent.platform]:
            with pytest.raises(AgentError) as failed:
                await a.do("upload", **_upload(bytes(CHUNK), source, source=source, size=CHUNK))
            assert failed.value.type == "SourceError", source
        assert (await a.do("session"))["session_id"] == session


async def download(covet, agent):
    data = random_bytes(100_000)
    # The edge lets pages of its own origin alone read files.
    async with agent(origin=f"http://{covet.http_address}") as a:
        await connect(a, covet.ws_url)
        result = await a.do("upload", **_upload(data))
        whole = base64.b64encode(data).decode()
        assert await a.do("download", file=result["file_id"]) == whole
        assert await a.do("download", file=result["url"]) == whole
        assert await a.do("download", file=result["file_id"], offset=99_000) == base64.b64encode(data[99_000:]).decode()
        assert await a.do("download", file=result["file_id"], offset=100_000) == ""
        with pytest.raises(AgentError) as missing:
            await a.do("download", file="file_none")
        assert (missing.value.type, missing.value.code) == ("RpcError", "NOT_FOUND")
        with pytest.raises(AgentError) as forged:
            await a.do("download", file=result["url"][:-3] + "AAA")
        assert (forged.value.type, forged.value.status) == ("DownloadError", 403)


async def download_over_cuts(covet, agent, user):
    data, head, passing = random_bytes(1_000_000), 4096, 500_000
    async with covet.connect(user) as c:
        url = (await Upload(data, chunk_size=500_000, binary=True).run(c))["url"]
    async with Proxy(covet.http_address) as proxy, agent(origin=f"http://{proxy.address}") as a:
        await connect(a, covet.ws_url, user)
        proxy.stall_after_bytes(SERVER, passing)
        download = a.start("download", file=url.replace(covet.http_address, proxy.address), digest=True)
        # Everything that has passed is with the reader, the answer's head aside, when the connection breaks.
        await a.until(lambda: any(told["item"]["received"] > passing - head for told in a.told("download_progress")), "half of it")
        proxy.cut()
        proxy.go()
        assert await download == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        assert proxy.accepted == 2
        assert len(data) < proxy.bytes[SERVER] < len(data) + 2 * head
        received = [told["item"]["received"] for told in a.told("download_progress")]
        assert received == sorted(received)


async def download_aborted(covet, agent, user):
    data = random_bytes(24_000_000)
    async with covet.connect(user) as c:
        url = (await Upload(data, chunk_size=500_000, binary=True).run(c))["url"]
    async with Proxy(covet.http_address, narrow=True) as proxy, agent(origin=f"http://{proxy.address}") as a:
        session = (await connect(a, covet.ws_url, user))["session_id"]
        link = url.replace(covet.http_address, proxy.address)
        # While bytes come, whose connection ends with it; and while none do.
        for stalls in (False, True):
            if stalls:
                proxy.stall()
            await a.do("hold")
            download = a.start("download", **{"as": "d"}, file=link, digest=True)
            await (proxy.until(lambda: proxy.accepted > 1) if stalls else a.take("download_progress"))
            await a.do("abort_download", **{"as": "d"})
            await a.do("release")
            with pytest.raises(AgentError) as aborted:
                await download
            assert aborted.value.type == "Cancelled"
            if not stalls:
                await proxy.until(lambda: not proxy.connections)
        assert (await a.do("session"))["session_id"] == session


async def download_aborted_while_away(covet, agent):
    async with Proxy(covet.http_address) as proxy, agent() as a:
        await connect(a, proxy.ws_url)
        proxy.refuse()
        proxy.cut()
        await a.take("disconnected")
        download = a.start("download", **{"as": "d"}, file="file_none")
        await a.do("abort_download", **{"as": "d"})
        with pytest.raises(AgentError) as aborted:
            await download
        assert aborted.value.type == "Cancelled"


async def digests(agent):
    async with agent() as a:
        for length in (0, 55, 56, 63, 64, 119):
            platform, library = await a.do("sha256_twice", length=length)
            assert library == platform == hashlib.sha256(bytes(range(length))).hexdigest()


async def download_waits_for_its_link(make_covet, agent):
    covet = make_covet("split")
    files = covet.process("files")
    data = random_bytes(100_000)
    whole = base64.b64encode(data).decode()
    async with Proxy(covet.http_address) as proxy, agent(origin=f"http://{covet.http_address}") as a:
        await connect(a, proxy.ws_url)
        file = (await a.do("upload", **_upload(data)))["file_id"]
        # The request arrives; nothing comes back by that connection.
        proxy.cut_after(CLIENT, 1)
        assert await a.do("download", file=file) == whole
        assert proxy.cuts == 1
        await asyncio.to_thread(files.kill)
        download = a.start("download", file=file)
        # Asked after it, and refused.
        with pytest.raises(AgentError) as away:
            await a.do("call", method="files.get", params={"file_id": file})
        assert away.value.code == "UNAVAILABLE"
        await asyncio.to_thread(files.start)
        assert await download == whole
