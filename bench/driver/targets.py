"""The servers that are compared, and how each is started and spoken to."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from harness.ports import free_port

from driver import covetd
from driver.processes import BenchError, Server, fresh_dir

PEERS = Path("bench/peers")
# What an event of Covet measures if none has been captured.
DEFAULT_EVENT_BYTES = 480


@dataclass(frozen=True)
class Running:
    port: int
    pid: int
    log_path: Path


class Target:
    """A kind of server: `start` gives a running one as a context, `load_options` how covet-load speaks to it."""

    def __init__(self, name, work_dir):
        self.name = name
        self.work_dir = work_dir / name

    def start(self):
        raise NotImplementedError

    def load_options(self):
        raise NotImplementedError


class Covet(Target):
    def __init__(self, work_dir, plan):
        super().__init__("covet", work_dir)
        plan.program("covetd")
        self._plan = plan

    @contextlib.contextmanager
    def start(self):
        grants = [("room:read", "bench_*"), ("room:write", "bench_*")]
        config = {"rooms": {"patterns": [{"pattern": "bench_*"}]}}
        with covetd.deployment(self._plan, fresh_dir(self.work_dir), grants, config) as deployment:
            port = int(deployment.http_address.rpartition(":")[2])
            yield Running(port=port, pid=deployment.edge.pid, log_path=self.work_dir)

    def load_options(self):
        return ["--protocol=covet", *covetd.token_options()]


class Floor(Target):
    def __init__(self, work_dir, plan, threads):
        super().__init__(f"floor-{threads}", work_dir)
        self._program = plan.program("covet-floor")
        self._threads = threads
        self.event_bytes = DEFAULT_EVENT_BYTES

    def start(self):
        fresh_dir(self.work_dir)
        port = free_port()
        return Server([self._program, f"--port={port}", f"--threads={self._threads}",
                       f"--event_bytes={self.event_bytes}"], self.work_dir, port)

    def load_options(self):
        return ["--protocol=plain"]


class Peer(Target):
    def __init__(self, work_dir, name, script, protocol):
        super().__init__(name, work_dir)
        if not (PEERS / "node_modules" / name).is_dir():
            raise BenchError(f"npm's {name} is not installed in {PEERS}")
        self._script = script
        self._protocol = protocol

    def start(self):
        fresh_dir(self.work_dir)
        port = free_port()
        return Server(["node", PEERS / self._script, str(port)], self.work_dir, port)

    def load_options(self):
        return [f"--protocol={self._protocol}"]


def make_targets(names, work_dir, plan):
    """The targets asked for, by name. Peers that npm could not install are left out, and said so."""
    makers = {
        "covet": lambda: Covet(work_dir, plan),
        f"floor-{plan.threads}": lambda: Floor(work_dir, plan, plan.threads),
        "floor-1": lambda: Floor(work_dir, plan, 1),
        "ws": lambda: Peer(work_dir, "ws", "ws_server.js", "plain"),
        "socket.io": lambda: Peer(work_dir, "socket.io", "socketio_server.js", "socketio"),
    }
    targets = {}
    for name in names:
        if name not in makers:
            raise BenchError(f"unknown target {name}; there are {', '.join(makers)}")
        try:
            targets[name] = makers[name]()
        except BenchError as error:
            if name not in ("ws", "socket.io"):
                raise
            print(f"bench: left out: {error}")
    return targets
