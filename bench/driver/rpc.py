"""RPC through WebSocket, edge and rpc to a C++ echo backend and back, beside the bare gRPC call."""

import json
import secrets
import subprocess
import sys
from contextlib import ExitStack

import yaml
from harness.ports import free_port

from driver.processes import BenchError, Server, find_program, fresh_dir

KEY_ID, ROLE = "bench", "bench"
RUN_LIMIT_SECONDS = 60
# Name, options of covet-rpc-load.
SHAPES = (
    ("1 in flight", ("--in_flight=1",)),
    ("8 in flight", ("--in_flight=8",)),
    ("64 in flight", ("--in_flight=64",)),
    ("2,000/s", ("--rate=2000",)),
)


class Deployment:
    """The echo backend and Covet: one process, or one each for rooms, rpc and edge."""

    def __init__(self, build_dir, work_dir, threads, split):
        self._programs = {name: find_program(build_dir, name) for name in ("covetd", "covet-rpc-echo", "covet-rpc-load")}
        for name, path in self._programs.items():
            if path is None:
                raise BenchError(f"no {name} in {build_dir}")
        self._work_dir = work_dir
        self._threads = threads
        self._split = split
        self._secret = secrets.token_hex(32)
        self._stack = ExitStack()
        self._pids = {}

    def __enter__(self):
        try:
            port = free_port()
            self._backend = f"127.0.0.1:{port}"
            server = Server([self._programs["covet-rpc-echo"], str(port)], fresh_dir(self._work_dir / "backend"), port)
            self._pids["backend"] = self._stack.enter_context(server).pid
            peers = {"cluster_key": {"value": secrets.token_hex(16)}}
            for role in ("rooms", "rpc", "edge") if self._split else ("all",):
                peers[role] = self._start(role, peers)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exc):
        self._stack.close()

    def _start(self, role, peers):
        folder = fresh_dir(self._work_dir / role)
        port, grpc_port, admin_port = free_port(), free_port(), free_port()
        config = {
            "edge": {"listen": f"127.0.0.1:{port}", "threads": self._threads, "drain_window": "0s"},
            "grpc": {"listen": f"127.0.0.1:{grpc_port}"},
            "admin": {"listen": f"127.0.0.1:{admin_port}"},
            "limits": {"unlimited": True},
            "auth": {"jwt": {"keys": [{"kid": KEY_ID, "algorithm": "HS256", "secret": {"value": self._secret}}]}},
            "roles": {ROLE: {"grants": [{"action": "rpc:call", "pattern": "*"}]}},
            "storage": {"data_dir": str((folder / "data").resolve())},
            "peers": {name: address for name, address in peers.items() if name in ("cluster_key", "rooms", "rpc")},
            "backends": {"bench": {"addresses": [self._backend], "services": [{"service": "bench.v1.EchoService", "prefix": "bench"}]}},
        }
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        listens = grpc_port if role in ("rooms", "rpc") else port
        server = Server([self._programs["covetd"], f"--config={path}", f"--target={role}"], folder, listens,
                        ready_url=f"http://127.0.0.1:{admin_port}/readyz")
        self._pids["covetd" if role == "all" else role] = self._stack.enter_context(server).pid
        self._address = f"127.0.0.1:{port}"
        return f"127.0.0.1:{grpc_port}"

    def measure(self, over, options):
        out = self._work_dir / "load.json"
        address = self._backend if over == "grpc" else self._address
        watched = [name for name in self._pids if over == "websocket" or name == "backend"]
        command = [self._programs["covet-rpc-load"], f"--over={over}", f"--address={address}", f"--json={out}",
                   f"--jwt_secret={self._secret}", f"--jwt_key_id={KEY_ID}", f"--jwt_roles={ROLE}",
                   "--pid=" + ",".join(f"{name}:{self._pids[name]}" for name in watched), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_LIMIT_SECONDS, check=False)
        if done.returncode != 0:
            raise BenchError(f"covet-rpc-load: {done.stderr.strip()}; see {self._work_dir}")
        if done.stderr:
            print(f"bench: rpc: {done.stderr.strip()[:300]}", file=sys.stderr)
        return json.loads(out.read_text())


def run(build_dir, work_dir, threads, rounds, load_options):
    """By deployment and shape, a list of rounds: {"grpc": figures, "websocket": figures}, bare and through Covet in turn."""
    results = {}
    for name, split in (("one process", False), ("a process a role", True)):
        with Deployment(build_dir, work_dir / name.replace(" ", "_"), threads, split) as deployment:
            for _ in range(rounds):
                for shape, options in SHAPES:
                    print(f"bench: rpc, {name}: {shape}", file=sys.stderr)
                    pair = {over: deployment.measure(over, [*options, *load_options]) for over in ("grpc", "websocket")}
                    results.setdefault(name, {}).setdefault(shape, []).append(pair)
    return results
