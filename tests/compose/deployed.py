"""What only a run of deploy/docker-compose.yml can show. tests/compose/run.sh starts it and these."""

import asyncio
import json
import os
import pathlib
import subprocess
import urllib.request

import grpc
import pytest

from harness.grpc_api import module
from harness.process import TIMEOUT
from harness.uploads import Upload, fetch, random_bytes

pytestmark = pytest.mark.protocol

KNOWN = json.loads(pathlib.Path(os.environ["COVET_TEST_EXTERNAL"]).read_text())
SECRETS = pathlib.Path(KNOWN["secrets"])
ROLES = ("edge", "rooms", "streams", "rpc", "files")
API_KEY = (("x-api-key", (SECRETS / "api_key").read_text().strip()),)


def docker(*arguments):
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=TIMEOUT).stdout


def containers():
    """{service: [what docker inspect tells of each container]}"""
    found = {}
    ids = docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={KNOWN['project']}").split()
    for container in json.loads(docker("inspect", *ids)):
        found.setdefault(container["Config"]["Labels"]["com.docker.compose.service"], []).append(container)
    return found


def address(container):
    return next(network["IPAddress"] for name, network in container["NetworkSettings"]["Networks"].items() if name.endswith("_back"))


def metric(container, name):
    """A metric's sum over its labels, as the container's admin port tells it."""
    with urllib.request.urlopen(f"http://{address(container)}:8002/metrics", timeout=TIMEOUT) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + " ", name + "{")))


def gateway(metadata=API_KEY):
    """Calls rooms by way of the gateway, as grpcurl does."""
    channel = grpc.secure_channel(KNOWN["grpc"], grpc.ssl_channel_credentials((SECRETS / "ca.pem").read_bytes()))
    with channel:
        stub = module("rooms.v1.rooms_pb2_grpc").RoomServiceStub(channel)
        return stub.ListRooms(module("rooms.v1.rooms_pb2").ListRoomsRequest(), timeout=TIMEOUT, metadata=metadata)


def test_only_what_is_meant_to_be_is_published():
    published = {}
    for service, found in containers().items():
        for container in found:
            for port, bindings in container["NetworkSettings"]["Ports"].items():
                for binding in bindings or ():
                    published.setdefault(service, set()).add((port, binding["HostIp"]))
    assert published == {
        "gateway": {("8000/tcp", "127.0.0.1"), ("8001/tcp", "127.0.0.1")},
        "prometheus": {("9090/tcp", "127.0.0.1")},
    }


@pytest.mark.parametrize("role", ROLES)
def test_roles_run_with_little_power(role):
    for container in containers()[role]:
        assert container["Config"]["User"] == "10001:10001"
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"] and not host["Privileged"]
        assert host["CapDrop"] == ["ALL"]
        assert container["State"]["Health"]["Status"] == "healthy"
        status = docker("exec", container["Id"], "cat", "/proc/1/status")
        assert "\nUid:\t10001\t" in status
        assert "\nCapEff:\t0000000000000000\n" in status


@pytest.mark.parametrize("role", ROLES)
def test_roles_take_no_caller_without_a_certificate(role):
    target = f"{address(containers()[role][0])}:8001"
    options = [("grpc.ssl_target_name_override", role)]
    root = grpc.ssl_channel_credentials((SECRETS / "ca.pem").read_bytes())
    for channel in (grpc.insecure_channel(target), grpc.secure_channel(target, root, options)):
        with channel:
            stub = module("rooms.v1.rooms_pb2_grpc").RoomServiceStub(channel)
            with pytest.raises(grpc.RpcError) as refused:
                stub.ListRooms(module("rooms.v1.rooms_pb2").ListRoomsRequest(), timeout=TIMEOUT, metadata=API_KEY)
            assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def test_the_gateway_takes_keys_over_tls_and_nobody_without():
    assert "project_123" in {room.room_id for room in gateway().rooms}
    for metadata in ((), (("x-api-key", "svc_admin.wrong"),)):
        with pytest.raises(grpc.RpcError) as refused:
            gateway(metadata)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    with grpc.insecure_channel(KNOWN["grpc"]) as channel, pytest.raises(grpc.RpcError) as refused:
        module("rooms.v1.rooms_pb2_grpc").RoomServiceStub(channel).ListRooms(module("rooms.v1.rooms_pb2").ListRoomsRequest(), timeout=TIMEOUT, metadata=API_KEY)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("path", ["/covet.rooms.v1.RoomLinkService/Connect", "/covet.rpc.v1.RpcLinkService/Connect", "/grpc.channelz.v1.Channelz/GetServers"])
def test_the_gateway_passes_nothing_on_that_is_between_roles(path):
    credentials_of_roles = grpc.ssl_channel_credentials((SECRETS / "ca.pem").read_bytes())
    with grpc.secure_channel(KNOWN["grpc"], credentials_of_roles) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(path)(b"", timeout=TIMEOUT, metadata=API_KEY)
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_changes_of_the_database_arrive(covet):
    async with covet.connect() as c:
        await c.request("subscribe", {"stream_type": "database_changes", "resource_id": "shop"})
        seen = set()
        while not {("orders", "insert"), ("stock", "update")} <= seen:
            batch = (await c.expect("stream_data"))["data"]["batch"]
            seen |= {(record["table"], record["action"]) for record in batch}


async def test_the_database_is_measured(covet):
    async with covet.connect() as c:
        await c.request("subscribe", {"stream_type": "metrics", "resource_id": "shop"})
        while True:
            record = (await c.expect("stream_data"))["data"]["batch"][-1]
            if "database_size_bytes" in record:
                return


async def test_the_backend_is_called_and_followed(covet):
    async with covet.connect() as c:
        answer = await c.request("rpc_call", {"method": "orders.get_stock", "params": {"sku": "tea"}})
        assert answer["data"]["result"]["quantity"] == "21", answer
        tested = await c.request("rpc_call", {"method": "database.test_connection", "params": {"connection_id": "shop"}})
        assert tested["type"] == "rpc_response", tested
        await c.request("subscribe", {"stream_type": "events", "resource_id": "stock"})
        assert (await c.expect("stream_data"))["data"]["batch"][0]["sku"] == "tea"


async def test_links_to_files_begin_as_deploy_env_says(covet):
    upload = Upload(random_bytes(1_000))
    async with covet.connect() as c:
        url = (await upload.run(c))["url"]
    assert url.startswith(os.environ["PUBLIC_URL"] + "/files/")
    assert (await asyncio.to_thread(fetch, covet, url)).body == upload.data


async def test_prometheus_scrapes_every_role(covet):
    async def targets():
        url = f"http://{KNOWN['prometheus']}/api/v1/targets?state=active"
        answer = json.loads(await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=TIMEOUT).read()))
        return {(t["labels"]["service"], t["health"]) for t in answer["data"]["activeTargets"] if t["labels"]["job"] == "covet"}

    async with asyncio.timeout(TIMEOUT):
        while await targets() != {(role, "up") for role in ROLES}:
            await asyncio.sleep(0.5)


async def test_members_on_both_edges_see_one_order(covet, room):
    """Behind the gateway's one address; run.sh starts two edges."""
    edges = containers()["edge"]
    assert len(edges) == 2
    clients = []
    try:
        # Connections take turns, as the gateway's look-ups do: some are on each edge before long.
        before = [metric(edge, "covet_edge_sessions_opened_total") for edge in edges]
        while True:
            clients.append(await covet.connect(f"user_{len(clients)}"))
            await clients[-1].join(room, filter={"event_types": ["n"]})
            on_each = [metric(edge, "covet_edge_sessions_opened_total") - past for edge, past in zip(edges, before)]
            if min(on_each) >= 2:
                break
            assert len(clients) < 60, f"all connections went to one edge: {on_each}"

        async def write(client, i):
            for n in range(20):
                await client.publish(room, [i, n], "n")

        await asyncio.gather(*(write(client, i) for i, client in enumerate(clients)))
        total = 20 * len(clients)
        seen = [[(e["data"]["offset"], e["data"]["payload"]) for e in await client.events(room, total)] for client in clients]
        assert all(events == seen[0] for events in seen[1:])
        assert [offset for offset, _ in seen[0]] == list(range(1, total + 1))
    finally:
        for client in clients:
            await client.close()


def test_a_token_is_made_inside(covet):
    token = docker("exec", containers()["rooms"][0]["Id"], "covet-token", "--user", "inside", "--roles", "admin").strip()

    async def whoami():
        async with covet.connect(token=token) as c:
            return c.ack["data"]["user_id"]

    assert asyncio.run(whoami()) == "inside"
