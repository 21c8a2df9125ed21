"""The example backend (deploy/examples/backend) as a process of a test's own, on loopback."""

import pathlib
import select
import subprocess
import sys

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from harness.ports import free_port
from harness.process import TIMEOUT

SERVER = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "examples" / "backend" / "server.py"


class ExampleBackend:
    """Keeps its port over restarts."""

    def __init__(self):
        self.port = free_port()
        self._process = None
        self._channel = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self._process.pid

    def config(self, **more):
        """Its entry in `backends`."""
        services = [
            {"service": "shop.v1.Orders", "prefix": "orders", "idempotent_methods": ["GetOrder", "GetStock"]},
            {"service": "shop.v1.Lab", "prefix": "lab"},
        ]
        return {"addresses": [self.address], "services": services, **more}

    def start(self, *arguments):
        """Starts it, e.g. with `--next` or `--no-reflection`; returns when it serves."""
        assert self._process is None
        command = [sys.executable, SERVER, "--port", str(self.port), *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        readable, _, _ = select.select([self._process.stdout], [], [], 3 * TIMEOUT)
        line = self._process.stdout.readline() if readable else ""
        assert line, f"the example backend has not started: status {self._process.poll()}"
        return self

    def stop(self):
        """As SIGTERM ends it."""
        self._process.terminate()
        self._ended()

    def kill(self):
        self._process.kill()
        self._ended()

    def _ended(self):
        if self._channel:
            self._channel.close()
            self._channel = None
        self._process.wait(3 * TIMEOUT)
        self._process.stdout.close()
        self._process = None

    def close(self):
        if self._process is not None:
            self.kill()

    def call(self, method, timeout=TIMEOUT, **request):
        """Calls it directly: `call("Lab/GetCounters")`. Returns the answer as a dict with the proto's field names."""
        if self._channel is None:
            self._channel = grpc.insecure_channel(self.address)
        service, _, name = method.partition("/")
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(self._channel))
        found = pool.FindServiceByName(f"shop.v1.{service}").methods_by_name[name]
        message = json_format.ParseDict(request, GetMessageClass(found.input_type)())
        stub = self._channel.unary_unary(
            f"/shop.v1.{method}",
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=GetMessageClass(found.output_type).FromString,
        )
        return json_format.MessageToDict(stub(message, timeout=timeout), preserving_proto_field_name=True)
