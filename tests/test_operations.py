"""What operators see: health, metrics, logs, reload, drain, configuration errors."""

import asyncio
import json
import os
import pathlib
import socket
import subprocess

import pytest
import websockets
import yaml
from grpc_tools import protoc
from prometheus_client.parser import text_string_to_metric_families

from harness import credentials
from harness.grpc_api import Api
from harness.process import TIMEOUT


def test_health_and_readiness(covet):
    for process in covet.processes.values():
        assert process.admin("/healthz")[0] == 200
        assert process.admin("/readyz")[0] == 200
        assert process.admin("/nothing")[0] == 404


async def test_metrics_follow_the_conventions(covet, room):
    async with covet.connect() as c:
        await c.join(room)
        await c.publish(room, 1)
        await c.event(room)
        for process in covet.processes.values():
            status, text = process.admin("/metrics")
            assert status == 200
            families = list(text_string_to_metric_families(text))
            assert families
            for family in families:
                assert family.type != "summary", family.name
                if family.name.startswith("covet_"):
                    assert family.documentation, family.name
                    # The parser takes a counter's _total away.
                    units = ("_seconds", "_bytes")
                    if family.type == "histogram":
                        assert family.name.endswith(units), family.name
                for sample in family.samples:
                    for label, value in sample.labels.items():
                        assert label not in ("user_id", "room_id", "session_id", "stream", "resource_id"), sample
                        assert value not in (room, c.session_id, "user_123"), sample
        edge = covet.edge.admin("/metrics")[1]
        assert "covet_" in edge


async def test_logs_are_json_with_correlation_and_without_secrets(make_covet):
    for mode in ("all", "split"):
        covet = make_covet(mode)
        token = credentials.token("user_logs")
        async with covet.connect(token=token) as c, covet.connect_raw(api_key=credentials.API_KEY) as by_key:
            await by_key.expect("connection_ack")
            await c.join("lobby_logs")
            await c.send("room_message", {"room_id": "lobby_logs", "event_type": "t", "payload": "secret-payload"}, metadata={"correlation_id": "corr-logs"})
            await c.event("lobby_logs")
            await c.request("auth_refresh", {"token": credentials.token("user_logs", ttl=7200)})
            covet.edge.wait_log("connected", audit=True, session_id=c.session_id)
            covet.process("rooms").wait_log("room_joined", audit=True, session_id=c.session_id, room_id="lobby_logs")
        async with covet.connect_raw(token=token[:-2]) as bad:
            await bad.closed()
        covet.edge.wait_log("connection_refused", audit=True)
        with Api(covet.grpc_address()) as api:
            api.rooms("ListRooms")
        covet.__exit__(None, None, None)
        everything = []
        for process in covet.processes.values():
            for line in process.lines:
                record = json.loads(line)
                assert {"ts", "level", "event"} <= record.keys(), line
                everything.append((process.name, line, record))
        text = "\n".join(line for _, line, _ in everything)
        secrets = (token, token.split(".")[2], token[:-2], credentials.SECRET, credentials.API_KEY, credentials.API_KEY.split(".")[1], credentials.CLUSTER_KEY, "secret-payload")
        for secret in secrets:
            assert secret not in text
        traced = {name for name, _, record in everything if record.get("correlation_id") == "corr-logs"}
        assert covet.process("edge").name in traced
        assert covet.process("rooms").name in traced


async def test_reload_changes_what_can_change(make_covet):
    covet = make_covet()
    new_secret = "another secret, which is also long enough for HS256"
    async with covet.connect("m", roles=["member"]) as c:
        await c.join("lobby_1")
        assert (await c.error("join_room", {"room_id": "hall_1"}))["error_code"] == "PERMISSION_DENIED"
        config = covet.edge.config
        config["roles"]["member"]["grants"] += [{"action": "room:read", "pattern": "hall_*"}]
        config["rooms"]["patterns"] += [{"pattern": "hall_*"}]
        config["auth"]["jwt"]["keys"] += [{"kid": "new", "algorithm": "HS256", "secret": {"value": new_secret}}]
        config["limits"]["messages"] = "3/min"
        covet.edge.reload()
        await c.join("hall_1")
        async with covet.connect(token=credentials.token(secret=new_secret, kid="new")) as other:
            for _ in range(3):
                await other.join("lobby_1")
            assert (await other.error("join_room", {"room_id": "lobby_1"}))["error_code"] == "RATE_LIMITED"
        # A key that is taken away no longer opens the door.
        config["auth"]["jwt"]["keys"] = config["auth"]["jwt"]["keys"][1:]
        covet.edge.reload()
        async with covet.connect_raw(token=credentials.token()) as refused:
            assert (await refused.closed())[0] == 4501


async def test_sessions_of_a_key_that_is_taken_back_end(make_covet):
    covet = make_covet()
    async with covet.connect() as user, covet.connect_raw(api_key=credentials.API_KEY) as service:
        await service.expect("connection_ack")
        covet.edge.config["limits"]["messages"] = "1000/min"
        covet.edge.reload()
        assert (await service.request("heartbeat", {"sequence": 1}))["type"] == "heartbeat"
        covet.edge.config["auth"]["api_keys"][0]["disabled"] = True
        covet.edge.reload()
        assert (await service.expect("error"))["data"]["error_code"] == "AUTH_FAILED"
        assert (await service.closed())[0] == 4504
        assert (await user.request("heartbeat", {"sequence": 1}))["type"] == "heartbeat"


async def test_sessions_of_a_key_go_by_its_present_roles(make_covet):
    covet = make_covet()
    async with covet.connect_raw(api_key=credentials.API_KEY) as service:
        await service.expect("connection_ack")
        await service.join("lobby_1")
        await service.join("project_123")
        await service.publish("project_123", 1)
        covet.edge.config["auth"]["api_keys"][0]["roles"] = ["viewer"]
        covet.edge.reload()
        await service.expect("room_left", room_id="project_123", reason="permission_revoked")
        refused = await service.error("room_message", {"room_id": "lobby_1", "event_type": "t", "payload": 1})
        assert refused["error_code"] == "PERMISSION_DENIED"


@pytest.mark.parametrize("bad", [{"nonsense": 1}, {"auth": {"jwt": {"keys": [{"kid": "a", "secret": {"file": "/"}}]}}}])
async def test_a_bad_reload_changes_nothing(make_covet, bad):
    covet = make_covet()
    covet.edge.config.update(bad)
    since = len(covet.edge.lines)
    covet.edge.write_config()
    import signal

    os.kill(covet.edge.pid, signal.SIGHUP)
    while not any('"error"' in line or '"warning"' in line for line in covet.edge.lines[since:]):
        await asyncio.sleep(0.02)
    async with covet.connect() as c:
        await c.join("lobby_1")


async def test_a_drain_spreads_its_closes(make_covet):
    covet = make_covet(edge={"drain_window": "1s"})
    clients = [await covet.connect(f"u{i}") for i in range(30)]
    for client in clients:
        await client.join("lobby_drain")
    acknowledged = []

    async def publish(client):
        for i in range(100_000):
            reply = await client.request("room_message", {"room_id": "lobby_drain", "event_type": "t", "payload": i})
            if reply["type"] != "room_message_ack":
                assert reply["data"]["error_code"] == "UNAVAILABLE", reply
                return
            acknowledged.append(reply["data"]["offset"])

    publishers = [asyncio.create_task(publish(client)) for client in clients[:3]]
    while len(acknowledged) < 20:
        await asyncio.sleep(0.01)
    covet.edge.terminate()
    closes = [await client.closed() for client in clients]
    await asyncio.gather(*publishers, return_exceptions=True)
    assert {code for code, _ in closes} == {1001}
    waits = [int(reason.split("reconnect_after_ms=")[1].split()[0]) for _, reason in closes]
    assert all(0 <= wait <= 1000 for wait in waits)
    assert len(set(waits)) > 5
    assert covet.edge.wait() == 0
    # What was acknowledged is there after a restart.
    covet.edge.start()
    with Api(covet.grpc_address()) as api:
        assert api.rooms("GetRoom", room_id="lobby_drain").last_offset >= max(acknowledged)


async def test_while_draining_nobody_new_comes_in(make_covet):
    covet = make_covet(edge={"drain_window": "300s"})
    clients = [await covet.connect(f"u{i}") for i in range(4)]
    covet.edge.terminate()
    while covet.edge.admin("/readyz")[0] == 200:
        await asyncio.sleep(0.01)
    # /readyz tells balancers first; then the door is shut.
    with pytest.raises((websockets.InvalidHandshake, OSError)):
        while True:
            clients.append(await covet.connect("late"))
    # A second SIGTERM ends at once.
    covet.edge.terminate()
    covet.edge.wait()
    for client in clients:
        await client.closed()


def run_covetd(*arguments):
    return subprocess.run([os.environ["COVETD"], *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def test_a_process_is_asked_for_its_health(make_covet):
    covet = make_covet()
    path = str(covet.edge.config_file)
    assert run_covetd("--config", path, "--healthcheck").returncode == 0
    covet.edge.stop()
    assert run_covetd("--config", path, "--healthcheck").returncode == 1


def test_configuration_is_checked(make_covet):
    covet = make_covet()
    path = str(covet.edge.config_file)
    assert run_covetd("--config", path, "--check-config").returncode == 0
    printed = run_covetd("--config", path, "--print-config")
    assert printed.returncode == 0
    assert "heartbeat_interval" in printed.stdout
    for secret in (credentials.SECRET, credentials.CLUSTER_KEY):
        assert secret not in printed.stdout + printed.stderr
    bad = covet.folder / "bad.yaml"
    bad.write_text(covet.edge.config_file.read_text() + "\nnonsense_key: 1\n")
    refused = run_covetd("--config", str(bad), "--check-config")
    assert refused.returncode != 0
    line = len(bad.read_text().splitlines())
    assert "nonsense_key" in refused.stderr + refused.stdout
    assert f"{bad}:{line}" in refused.stderr + refused.stdout
    assert run_covetd("--config", path, "--set", "edge.threads=many", "--check-config").returncode != 0


def test_descriptor_sets_are_checked(make_covet):
    """That they are there and whole, and hold what the configuration names: each problem with its file and line."""
    covet = make_covet()
    whole = covet.folder / "shop.protoset"
    shop = pathlib.Path(__file__).resolve().parents[1] / "deploy/examples/backend"
    includes = [shop, pathlib.Path(protoc.__file__).parent / "_proto"]
    assert protoc.main(["protoc", *(f"-I{path}" for path in includes), "--include_imports", f"--descriptor_set_out={whole}", "shop/v1/shop.proto"]) == 0
    broken = covet.folder / "broken.protoset"
    broken.write_bytes(whole.read_bytes()[:1000])
    streams = {"resources": [{"type": "events", "id": "stock", "backend_stream": {"backend": "shop", "method": "orders.watch_stock"}}]}

    def check(descriptor_set=whole, services=(), **more):
        orders = {"service": "shop.v1.Orders", "prefix": "orders", "idempotent_methods": ["GetStock"]}
        shop = {"addresses": ["127.0.0.1:1"], "descriptor_set": str(descriptor_set), "services": [orders, *services]}
        config = {**covet.edge.config, "backends": {"shop": shop}, **more}
        path = covet.folder / "checked.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        result = run_covetd("--config", str(path), "--check-config")
        told = []
        for line in result.stderr.splitlines():
            place, what = line.split(": ", 1)
            assert place.startswith(f"{path}:"), line
            told.append((path.read_text().splitlines()[int(place.split(":")[1]) - 1].strip(), what))
        assert (result.returncode == 0) == (not told), result.stderr
        return told

    assert check(streams=streams) == []
    [(line, what)] = check(descriptor_set=covet.folder / "nowhere.protoset")
    assert line.startswith("descriptor_set:") and "cannot read" in what and "nowhere.protoset" in what
    [(line, what)] = check(descriptor_set=broken)
    assert line.startswith("descriptor_set:") and "backends.shop.descriptor_set" in what
    [(line, what)] = check(services=[{"service": "shop.v1.Nothing"}])
    assert line == "services:" and "lacks shop.v1.Nothing" in what
    [(line, what)] = check(services=[{"service": "shop.v1.Lab", "idempotent_methods": ["Guess"]}])
    assert line == "services:" and "lacks shop.v1.Lab/Guess" in what
    streams["resources"][0]["backend_stream"]["method"] = "orders.get_stock"
    [(line, what)] = check(streams=streams)
    assert line == "method: orders.get_stock" and "no server-streaming method" in what
    # An edge alone needs none of them.
    edge = {"targets": ["edge"], "peers": {**covet.edge.config["peers"], "rooms": "127.0.0.1:1"}}
    assert check(descriptor_set=broken, **edge) == []


def test_two_processes_do_not_share_a_data_directory(make_covet):
    covet = make_covet()
    second = run_covetd(
        "--config", str(covet.edge.config_file),
        "--set", "edge.listen=127.0.0.1:0", "--set", "grpc.listen=127.0.0.1:0", "--set", "admin.listen=127.0.0.1:0",
    )
    assert second.returncode not in (0, None)
    covet.edge.wait_ready()


def test_a_service_manager_is_told(make_covet, monkeypatch):
    name = f"covet-test-manager-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name)
        manager.settimeout(TIMEOUT)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        covet = make_covet()
        assert manager.recv(64) == b"READY=1"
        assert covet.edge.stop() == 0
        assert manager.recv(64) == b"STOPPING=1"
