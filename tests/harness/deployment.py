"""Covet as one process or as one process per role, on loopback."""

import signal

from harness import client, credentials
from harness.config import BASE, merged
from harness.ports import free_port
from harness.process import Process

# Each knows those before it.
SERVICES = ("rooms", "streams", "files", "rpc")


class Deployment:
    """`mode` is `all` or `split`. Processes keep their addresses and data over restarts."""

    def __init__(self, mode, folder, overrides=None, base=BASE):
        self.mode = mode
        self.folder = folder
        self.processes = {}
        addresses = {}
        edge = f"127.0.0.1:{free_port()}"
        roles = ("all",) if mode == "all" else (*SERVICES, "edge")
        for role in roles:
            own = {
                "targets": [role],
                "grpc": {"listen": f"127.0.0.1:{free_port()}"},
                "admin": {"listen": f"127.0.0.1:{free_port()}"},
                "storage": {"data_dir": str(folder / "data" / role)},
                "peers": dict(addresses),
                # Links to files lead to this edge.
                "files": {"public_url": f"http://{edge}"},
            }
            if role in ("all", "edge"):
                own["edge"] = {"listen": edge}
            addresses[role] = own["grpc"]["listen"]
            self.processes[role] = Process(role, merged(base, own, overrides), folder)

    def start(self):
        for process in self.processes.values():
            process.start()
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        problems = []
        # The edge first, as an operator would.
        for process in reversed(self.processes.values()):
            if process.running:
                try:
                    status = process.stop()
                except AssertionError as error:
                    problems.append(str(error))
                    continue
                if status not in (0, -signal.SIGKILL):
                    problems.append(f"{process.name} ended with {status}:\n{process.tail()}")
            problems += process.sanitizer_reports()
        if kind is None:
            assert not problems, "\n".join(problems)

    def process(self, role):
        """The process that runs this role."""
        return self.processes["all" if self.mode == "all" else role]

    @property
    def edge(self):
        return self.process("edge")

    @property
    def http_address(self):
        return self.edge.config["edge"]["listen"]

    @property
    def ws_url(self):
        return f"ws://{self.http_address}/ws"

    def grpc_address(self, role="rooms"):
        return self.process(role).config["grpc"]["listen"]

    def connect(self, user="user_123", roles=("admin",), token=None, **options):
        """`async with covet.connect(…) as c`, or await it. Waits for connection_ack."""
        token = token or credentials.token(user, roles)
        return client.Connecting(self.ws_url, token=token, **options)

    def connect_raw(self, **options):
        """As connect, with no credential but what the options say, and no waiting for connection_ack."""
        return client.Connecting(self.ws_url, ack=False, **options)
