"""The same edge over TLS."""

import ssl
import subprocess

import pytest
import websockets

from harness.client import Connecting
from harness import credentials


@pytest.fixture
def certificate(tmp_path):
    """(certificate, key) for localhost, signed by itself."""
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True,
    )
    return files


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_rooms_over_tls(make_covet, certificate, compression):
    cert, key = certificate
    covet = make_covet(edge={"tls": {"cert_file": str(cert), "key_file": str(key)}})
    url = covet.ws_url.replace("ws://", "wss://")
    context = ssl.create_default_context(cafile=str(cert))
    options = {"token": credentials.token(roles=("admin",)), "ssl": context, "compression": compression}
    async with Connecting(url, **options) as one, Connecting(url, **options) as two:
        for client in (one, two):
            await client.join("lobby_1", filter={"event_types": ["t"]})
        payload = ["text that repeats itself " * 2000]
        for i in range(20):
            await one.publish("lobby_1", [i, payload], "t")
        for client in (one, two):
            assert [e["data"]["payload"] for e in await client.events("lobby_1", 20)] == [[i, payload] for i in range(20)]
    # Plain text is no way in.
    with pytest.raises((websockets.InvalidMessage, websockets.InvalidHandshake, ConnectionError, EOFError)):
        await covet.connect()
