"""gRPC stubs made from proto/ at test time, and calls with credentials."""

import functools
import importlib
import pathlib
import sys
import tempfile

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_tools import protoc

from harness import credentials
from harness.process import TIMEOUT

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


@functools.cache
def _generated():
    folder = tempfile.mkdtemp(prefix="covet-stubs-")
    well_known = pathlib.Path(importlib.import_module("grpc_tools").__file__).parent / "_proto"
    google = pathlib.Path(error_details_pb2.__file__).parents[2]
    files = [str(path.relative_to(PROTO)) for path in sorted(PROTO.rglob("*.proto"))]
    status = protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", f"-I{google}", f"--python_out={folder}", f"--grpc_python_out={folder}", *files])
    assert status == 0, "protoc failed"
    sys.path.insert(0, folder)
    return folder


def module(name):
    """A generated module, e.g. `rooms.v1.rooms_pb2`."""
    _generated()
    return importlib.import_module(f"covet.{name}")


def bearer(user="user_123", roles=("admin",), **options):
    return (("authorization", "Bearer " + credentials.token(user, roles, **options)),)


class Api:
    """A channel to one process. Calls carry an admin's token unless `metadata` says otherwise."""

    def __init__(self, address, metadata=None):
        self.address = address
        self.channel = grpc.insecure_channel(address)
        self.metadata = bearer() if metadata is None else metadata

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def _call(self, package, service, method, request, stream=False, timeout=TIMEOUT):
        stub = getattr(module(f"{package}_pb2_grpc"), service + "Stub")(self.channel)
        call = getattr(stub, method)
        # A stream lives as long as a test, no longer.
        return call(request, timeout=5 * TIMEOUT if stream else timeout, metadata=self.metadata)

    def rooms(self, method, stream=False, **fields):
        """Calls covet.rooms.v1.RoomService; the request type is `<method>Request`."""
        pb = module("rooms.v1.rooms_pb2")
        return self._call("rooms.v1.rooms", "RoomService", method, getattr(pb, method + "Request")(**fields), stream)

    def streams(self, method, stream=False, **fields):
        """Calls covet.streams.v1.StreamService; the request type is `<method>Request`."""
        pb = module("streams.v1.streams_pb2")
        return self._call("streams.v1.streams", "StreamService", method, getattr(pb, method + "Request")(**fields), stream)

    def files(self, method, request, stream=False):
        """Calls covet.files.v1.FileService; `request` is an iterator for Upload."""
        return self._call("files.v1.files", "FileService", method, request, stream)

    def notify(self, **fields):
        pb = module("rooms.v1.notifications_pb2")
        return self._call("rooms.v1.notifications", "NotificationService", "SendNotification", pb.SendNotificationRequest(**fields))


def error_info(error):
    """The google.rpc.ErrorInfo of an RpcError, None if it has none."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return info
    return None
