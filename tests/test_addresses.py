"""Which addresses may connect, and how the edge learns a client's own behind proxies."""

import pytest
import websockets

from harness import credentials
from harness.raw import RawConnection


async def test_blocked_networks(make_covet):
    covet = make_covet(edge={"blocked_networks": ["127.0.0.0/8"]})
    with pytest.raises(websockets.InvalidStatus) as refused:
        await covet.connect()
    assert refused.value.response.status_code == 403
    assert covet.edge.wait_log("connection_refused")["reason"] == "blocked"
    covet.edge.config["edge"]["blocked_networks"] = ["192.0.2.0/24"]
    covet.edge.reload()
    async with covet.connect():
        pass


async def test_a_blocked_address_behind_a_trusted_proxy(make_covet):
    covet = make_covet(edge={"trusted_proxies": ["127.0.0.1"], "blocked_networks": ["192.0.2.0/24"]})
    async with covet.connect(headers={"X-Forwarded-For": "198.51.100.7"}):
        assert covet.edge.wait_log("connected")["address"] == "198.51.100.7"
    with pytest.raises(websockets.InvalidStatus) as refused:
        await covet.connect(headers={"X-Forwarded-For": "192.0.2.9"})
    assert refused.value.response.status_code == 403
    # What the client itself wrote before the proxy is not believed.
    async with covet.connect(headers={"X-Forwarded-For": "192.0.2.9, 198.51.100.8"}):
        assert covet.edge.wait_log("connected", address="198.51.100.8")


async def test_an_untrusted_proxy_is_not_believed(make_covet):
    covet = make_covet(edge={"blocked_networks": ["192.0.2.0/24"]})
    async with covet.connect(headers={"X-Forwarded-For": "192.0.2.9"}):
        assert covet.edge.wait_log("connected")["address"] == "127.0.0.1"


def test_the_proxy_protocol(make_covet):
    covet = make_covet(edge={"proxy_protocol": True, "blocked_networks": ["192.0.2.0/24"]})
    target = f"/ws?token={credentials.token()}"
    with RawConnection(covet.http_address) as c:
        c.write(b"PROXY TCP4 198.51.100.7 203.0.113.1 51234 443\r\n")
        assert c.upgrade(target)[0] == 101
        assert c.read_message()["type"] == "connection_ack"
        assert covet.edge.wait_log("connected")["address"] == "198.51.100.7"
    with RawConnection(covet.http_address) as c:
        c.write(b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11, 0, 12]) + bytes([198, 51, 100, 8, 203, 0, 113, 1, 0, 80, 1, 187]))
        assert c.upgrade(target)[0] == 101
        assert covet.edge.wait_log("connected", address="198.51.100.8")
    with RawConnection(covet.http_address) as c:
        c.write(b"PROXY TCP4 192.0.2.9 203.0.113.1 51234 443\r\n")
        assert c.upgrade(target)[0] == 403
    # Without it nobody gets an answer.
    with RawConnection(covet.http_address) as c:
        assert c.upgrade(target)[0] is None
