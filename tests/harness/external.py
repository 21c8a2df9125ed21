"""A deployment that others started, known by a file that COVET_TEST_EXTERNAL names: tests/compose/run.sh writes one."""

import asyncio
import json
import pathlib
import ssl
import threading

import pytest

from harness import client, credentials
from harness.process import TIMEOUT


class TlsProxy:
    """Plain text here, mutual TLS there, so that callers need not know of certificates. `address` is its own."""

    def __init__(self, target, context):
        self._target = target
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(TIMEOUT)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _end(self):
        self._server.close()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader, writer):
        host, port = self._target.rsplit(":", 1)
        try:
            there = await asyncio.open_connection(host, int(port), ssl=self._context)
        except OSError:
            return writer.close()
        await asyncio.gather(self._copy(reader, there[1]), self._copy(there[0], writer))

    @staticmethod
    async def _copy(reader, writer):
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()


class External:
    """What tests need of a Deployment, as far as it can be had from outside."""

    mode = "external"

    def __init__(self, file):
        known = json.loads(pathlib.Path(file).read_text())
        self.http_address = known["http"]
        self.ws_url = f"ws://{self.http_address}/ws"
        secrets = pathlib.Path(known["secrets"])
        context = ssl.create_default_context(cafile=secrets / "ca.pem")
        # Addresses of containers are in no certificate; the authority still has to be the right one.
        context.check_hostname = False
        context.load_cert_chain(secrets / "gateway.pem", secrets / "gateway.key")
        context.set_alpn_protocols(["h2"])
        self._proxies = {role: TlsProxy(address, context) for role, address in known["roles"].items()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for proxy in self._proxies.values():
            proxy.close()

    def grpc_address(self, role="rooms"):
        return self._proxies[role].address

    def process(self, role):
        pytest.skip(f"needs the process of {role} itself")

    @property
    def edge(self):
        return self.process("edge")

    def connect(self, user="user_123", roles=("admin",), token=None, **options):
        token = token or credentials.token(user, roles)
        return client.Connecting(self.ws_url, token=token, **options)

    def connect_raw(self, **options):
        return client.Connecting(self.ws_url, ack=False, **options)
