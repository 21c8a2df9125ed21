"""Roles in processes of their own that show each other certificates, as deploy/docker-compose.yml has them."""

import pathlib
import subprocess

import grpc
import pytest

from harness.config import merged
from harness.deployment import Deployment
from harness.grpc_api import bearer, module
from harness.ports import free_port
from harness.process import TIMEOUT, Process

CERTS = pathlib.Path(__file__).resolve().parents[1] / "deploy" / "certs.sh"


def make_certificates(folder):
    """An authority and what it vouches for, by the command that the deployment uses."""
    subprocess.run([CERTS, folder], check=True, capture_output=True, timeout=TIMEOUT)
    return folder


def tls(folder, name, authority=None):
    return {"cert_file": str(folder / f"{name}.pem"), "key_file": str(folder / f"{name}.key"), "ca_file": str((authority or folder) / "ca.pem")}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Certificates of the same names from an authority that nobody here knows."""
    return make_certificates(tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="module")
def covet(certificates, tmp_path_factory):
    deployment = Deployment("split", tmp_path_factory.mktemp("mutual_tls"))
    for role, process in deployment.processes.items():
        process.config["grpc"]["tls"] = tls(certificates, role)
    with deployment:
        yield deployment


def list_rooms(address, credentials):
    """ListRooms with an admin's token over a channel of its own."""
    pb = module("rooms.v1.rooms_pb2")
    channel = grpc.insecure_channel(address) if credentials is None else grpc.secure_channel(address, credentials)
    with channel:
        stub = module("rooms.v1.rooms_pb2_grpc").RoomServiceStub(channel)
        return stub.ListRooms(pb.ListRoomsRequest(), timeout=TIMEOUT, metadata=bearer())


def channel_credentials(authority, certificate=None):
    """For a caller that trusts this authority, and shows `<folder>/rpc.pem` of the other, if any."""
    chain = [(certificate / name).read_bytes() for name in ("rpc.key", "rpc.pem")] if certificate else [None, None]
    return grpc.ssl_channel_credentials((authority / "ca.pem").read_bytes(), *chain)


async def test_everything_works_over_it(covet, room):
    async with covet.connect() as c:
        await c.join(room)
        await c.publish(room, "over TLS")
        assert (await c.event(room))["data"]["payload"] == "over TLS"
        for method, params in (("rooms.get_room", {"room_id": room}), ("streams.list_resources", {}), ("files.list", {})):
            answer = await c.request("rpc_call", {"method": method, "params": params})
            assert answer["type"] == "rpc_response", answer
        await c.request("subscribe", {"stream_type": "metrics", "resource_id": "db_conn_123"})
        await c.expect("stream_data")


def test_a_caller_with_a_certificate_still_needs_a_token(covet, certificates):
    address = covet.grpc_address("rooms")
    assert list_rooms(address, channel_credentials(certificates, certificates)).rooms
    with grpc.secure_channel(address, channel_credentials(certificates, certificates)) as channel:
        stub = module("rooms.v1.rooms_pb2_grpc").RoomServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.ListRooms(module("rooms.v1.rooms_pb2").ListRoomsRequest(), timeout=TIMEOUT)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("role", ["rooms", "streams", "rpc", "files", "edge"])
def test_no_role_takes_callers_without_a_certificate_of_its_authority(covet, certificates, foreign, role):
    address = covet.grpc_address(role)
    for credentials in (None, channel_credentials(certificates), channel_credentials(certificates, foreign)):
        with pytest.raises(grpc.RpcError) as refused:
            list_rooms(address, credentials)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE, refused.value


@pytest.mark.parametrize("wrong", ["none", "certificate", "authority"])
def test_an_edge_that_knows_the_cluster_key_gets_no_link_without_the_right_certificates(covet, certificates, foreign, tmp_path, wrong):
    own = {
        "none": {},
        "certificate": tls(foreign, "edge", authority=certificates),
        "authority": tls(certificates, "edge", authority=foreign),
    }[wrong]
    listeners = {name: {"listen": f"127.0.0.1:{free_port()}"} for name in ("edge", "grpc", "admin")}
    edge = Process("impostor", merged(covet.edge.config, listeners, {"storage": {"data_dir": str(tmp_path / "data")}}), tmp_path)
    edge.config["grpc"]["tls"] = own
    edge.start(wait=False)
    try:
        edge.wait_log("started")
        edge.wait_log("link_down", link="rooms", code=14)
        status, text = edge.admin("/readyz")
        assert (status, text) == (503, "not ready: edge\n")
    finally:
        edge.stop()
