"""RPC through WebSocket, edge and rpc to a C++ echo backend and back, beside the bare gRPC call."""

import json
import subprocess
import sys

from harness.ports import free_port

from driver import covetd
from driver.processes import BenchError, Server

RUN_LIMIT_SECONDS = 60
# Name, options of covet-rpc-load.
SHAPES = (
    ("1 in flight", ("--in_flight=1",)),
    ("8 in flight", ("--in_flight=8",)),
    ("64 in flight", ("--in_flight=64",)),
    ("2,000/s", ("--rate=2000",)),
)
MODES = (("one process", "all"), ("a process a role", "split"))


def _measure(plan, folder, over, address, pids, options):
    out = folder / "load.json"
    command = [plan.program("covet-rpc-load"), f"--over={over}", f"--address={address}", f"--json={out}", *covetd.token_options(),
               "--pid=" + ",".join(f"{name}:{pid}" for name, pid in pids.items()), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_LIMIT_SECONDS, check=False)
    if done.returncode != 0:
        raise BenchError(f"covet-rpc-load: {done.stderr.strip()}; see {folder}")
    if done.stderr:
        print(f"bench: rpc: {done.stderr.strip()[:300]}", file=sys.stderr)
    return json.loads(out.read_text())


def run(plan):
    """By deployment and shape, a list of rounds: {"grpc": figures, "websocket": figures}, bare and through Covet in turn."""
    results = {}
    times = ["--warmup=0.5s", f"--duration={1 if plan.quick else 2}s"]
    for name, mode in MODES:
        folder, port = plan.folder("rpc", mode), free_port()
        backend = f"127.0.0.1:{port}"
        config = {"backends": {"bench": {"addresses": [backend], "services": [{"service": "bench.v1.EchoService", "prefix": "bench"}]}}}
        with (Server([plan.program("covet-rpc-echo"), str(port)], folder, port) as server,
              covetd.deployment(plan, folder, [("rpc:call", "*")], config, mode) as covet):
            pids = {"backend": server.pid} | {role: covet.process(role).pid for role in ("rpc", "edge")}
            if mode == "all":
                pids = {"backend": server.pid, "covetd": covet.edge.pid}
            for _ in range(plan.rounds):
                for shape, options in SHAPES:
                    print(f"bench: rpc, {name}: {shape}", file=sys.stderr)
                    options = [*options, *times]
                    results.setdefault(name, {}).setdefault(shape, []).append({
                        "grpc": _measure(plan, folder, "grpc", backend, {"backend": server.pid}, options),
                        "websocket": _measure(plan, folder, "websocket", covet.http_address, pids, options),
                    })
    return results
