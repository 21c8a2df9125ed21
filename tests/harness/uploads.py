"""Uploads as a client does them, and downloads over HTTP."""

import base64
import hashlib
import http.client
import json
import os
import urllib.parse
import uuid

from harness.process import TIMEOUT


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Upload:
    """One file on its way over one connection after another."""

    def __init__(self, data, chunk_size=64_000, id=None, binary=False, **start):
        self.data = data
        self.chunk_size = chunk_size
        self.id = id or str(uuid.uuid4())
        self.binary = binary
        self.start_data = {"filename": "data.bin", "size": len(data), "chunk_size": chunk_size} | start
        self.total = -(-len(data) // chunk_size)

    def chunk(self, index):
        return self.data[index * self.chunk_size : (index + 1) * self.chunk_size]

    async def start(self, client):
        """Sends the start and returns whatever answers."""
        return await client.request("file_upload_start", self.start_data, id=self.id)

    async def ready(self, client):
        message = await self.start(client)
        assert message["type"] == "file_upload_ready", message
        return message["data"]

    async def resume(self, client):
        """Goes on over another connection, and returns whatever answers."""
        return await client.request("file_upload_resume", {"upload_id": self.id})

    async def send(self, client, index, data=None, id=None, **changes):
        """Sends one chunk and returns the message's id."""
        data = self.chunk(index) if data is None else data
        fields = {"upload_id": self.id, "chunk_index": index, "total_chunks": self.total, "checksum": sha256(data)} | changes
        if self.binary:
            return await send_binary_chunk(client, fields, data, id)
        return await client.send("file_chunk", {"data": base64.b64encode(data).decode()} | fields, id=id)

    async def put(self, client, index, **options):
        """Sends one chunk and returns whatever answers it."""
        return await client.reply(await self.send(client, index, **options))

    async def send_all(self, client, window, indexes=None):
        """Sends chunks, as many in flight as the window allows, until each is acknowledged."""
        waiting = []
        for index in range(self.total) if indexes is None else indexes:
            if len(waiting) >= window:
                await self._acknowledged(client, *waiting.pop(0))
            waiting.append((await self.send(client, index), index))
        for id, index in waiting:
            await self._acknowledged(client, id, index)

    async def _acknowledged(self, client, id, index):
        message = await client.reply(id)
        assert message["type"] == "file_chunk_ack", message
        assert message["data"]["chunk_index"] == index
        assert message["data"]["total_chunks"] == self.total

    async def complete(self, client, timeout=TIMEOUT):
        """Takes file_upload_complete and returns its data."""
        return (await client.expect("file_upload_complete", upload_id=self.id, timeout=timeout))["data"]

    async def processed(self, client, timeout=TIMEOUT):
        """Takes the last file_status and returns its data."""
        wanted = ("completed", "failed")
        message = await client.take(
            lambda m: m["type"] == "file_status" and m["data"]["upload_id"] == self.id and m["data"]["processing_status"] in wanted,
            "the last file_status",
            timeout,
        )
        return message["data"]

    async def run(self, client):
        """All of it; returns the data of file_upload_complete."""
        ready = await self.ready(client)
        await self.send_all(client, ready["window"])
        return await self.complete(client)


async def send_binary_chunk(client, fields, data, id=None):
    id = id or f"b{uuid.uuid4().hex[:12]}"
    envelope = json.dumps({"type": "file_chunk", "id": id, "data": fields}).encode()
    await client.ws.send(len(envelope).to_bytes(4, "big") + envelope + data)
    return id


def random_bytes(size):
    return os.urandom(size)


class Response:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = response.headers
        self.body = body


def fetch(covet, url, method="GET", headers=None):
    """Requests a file's link from this deployment's edge, whatever host the link names."""
    parts = urllib.parse.urlsplit(url)
    host, port = covet.http_address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", headers=headers or {})
        response = connection.getresponse()
        return Response(response, response.read())
    finally:
        connection.close()
