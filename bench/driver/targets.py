"""The servers that are compared, and how each is started and spoken to."""

import secrets
from pathlib import Path

from harness.ports import free_port

from driver.processes import BenchError, Server, find_program, fresh_dir

PEERS = Path("bench/peers")
# What an event of Covet measures if none has been captured.
DEFAULT_EVENT_BYTES = 480
JWT_KEY_ID = "bench"
ROLE = "bench"

COVET_CONFIG = """\
edge:
  listen: 127.0.0.1:{port}
  threads: {threads}
  drain_window: 0s
grpc:
  listen: 127.0.0.1:{grpc_port}
admin:
  listen: 127.0.0.1:{admin_port}
limits:
  unlimited: true
auth:
  jwt:
    keys:
      - kid: {key_id}
        algorithm: HS256
        secret:
          value: {secret}
roles:
  {role}:
    grants:
      - {{action: "room:read", pattern: "bench_*"}}
      - {{action: "room:write", pattern: "bench_*"}}
rooms:
  patterns:
    - pattern: "bench_*"
storage:
  data_dir: {data_dir}
"""


class Target:
    """A kind of server: `start` gives a running one, `load_options` how covet-load speaks to it."""

    def __init__(self, name, work_dir):
        self.name = name
        self.work_dir = work_dir / name

    def start(self):
        raise NotImplementedError

    def load_options(self):
        raise NotImplementedError


class Covet(Target):
    def __init__(self, work_dir, build_dir, threads, settings):
        super().__init__("covet", work_dir)
        self._program = find_program(build_dir, "covetd")
        if self._program is None:
            raise BenchError(f"no covetd in {build_dir}; --targets leaves it out")
        self._secret = secrets.token_hex(32)
        self._threads = threads
        self._settings = settings

    def start(self):
        fresh_dir(self.work_dir)
        config = self.work_dir / "config.yaml"
        port, admin_port = free_port(), free_port()
        config.write_text(COVET_CONFIG.format(
            port=port, grpc_port=free_port(), admin_port=admin_port, threads=self._threads, key_id=JWT_KEY_ID, secret=self._secret, role=ROLE,
            data_dir=(self.work_dir / "data").resolve()))
        command = [self._program, f"--config={config}", "--target=all"]
        for setting in self._settings:
            command += ["--set", setting]
        return Server(command, self.work_dir, port, ready_url=f"http://127.0.0.1:{admin_port}/readyz")

    def load_options(self):
        return ["--protocol=covet", f"--jwt_secret={self._secret}", f"--jwt_key_id={JWT_KEY_ID}",
                f"--jwt_roles={ROLE}"]


class Floor(Target):
    def __init__(self, work_dir, build_dir, threads):
        super().__init__(f"floor-{threads}", work_dir)
        self._program = find_program(build_dir, "covet-floor")
        if self._program is None:
            raise BenchError(f"no covet-floor in {build_dir}")
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


def make_targets(names, work_dir, build_dir, threads, settings):
    """The targets asked for, by name. Peers that npm could not install are left out, and said so."""
    makers = {
        "covet": lambda: Covet(work_dir, build_dir, threads, settings),
        f"floor-{threads}": lambda: Floor(work_dir, build_dir, threads),
        "floor-1": lambda: Floor(work_dir, build_dir, 1),
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
