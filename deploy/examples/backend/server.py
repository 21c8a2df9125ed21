"""The example backend: a shop that speaks gRPC, with reflection and health. It knows nothing of Covet.

    python deploy/examples/backend/server.py --port 50051

With --port 0 any free port is taken; the first line on standard output is the address. Needs the packages of
requirements.txt. `--next` serves the shop's next version: one method and one field more.
"""

import argparse
import asyncio
import base64
import collections
import importlib
import os
import pathlib
import signal
import sys
import tempfile
import time

import google.rpc
import grpc
from google.protobuf import any_pb2, empty_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_tools import protoc

FOLDER = pathlib.Path(__file__).resolve().parent
PROTO = "shop/v1/shop.proto"


def generate(next_version):
    """The generated modules of the proto, made in a folder of their own."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="shop-"))
    (folder / PROTO).parent.mkdir(parents=True)
    text = (FOLDER / PROTO).read_text()
    if next_version:
        text = text.replace("// next: ", "")
    (folder / PROTO).write_text(text)
    includes = [folder, pathlib.Path(protoc.__file__).parent / "_proto", pathlib.Path(google.rpc.__path__[0]).parents[1]]
    arguments = ["protoc", *(f"-I{path}" for path in includes), f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if protoc.main([*arguments, PROTO]) != 0:
        sys.exit("protoc failed")
    sys.path.insert(0, str(folder))
    return importlib.import_module("shop.v1.shop_pb2"), importlib.import_module("shop.v1.shop_pb2_grpc")


def rich_status(code, message, *details):
    """A status with google.rpc details, as an exception's trailing metadata."""
    status = status_pb2.Status(code=code, message=message)
    for detail in details:
        packed = detail
        if not isinstance(detail, any_pb2.Any):
            packed = any_pb2.Any()
            packed.Pack(detail)
        status.details.append(packed)
    return (("grpc-status-details-bin", status.SerializeToString()),)


CODES = {code.value[0]: code for code in grpc.StatusCode}


async def fail(context, code, message, *details):
    await context.abort(CODES.get(code, grpc.StatusCode.UNKNOWN), message, rich_status(code, message, *details) if details else ())


class Counting:
    """Counts the calls of a method: when they begin, and when they are given up."""

    def __init__(self):
        self.started = collections.Counter()
        self.cancelled = collections.Counter()
        self.open_streams = 0
        self.watched_by = collections.Counter()

    def __call__(self, name):
        return CountedCall(self, name)


class CountedCall:
    def __init__(self, counting, name):
        self.counting = counting
        self.name = name

    def __enter__(self):
        self.counting.started[self.name] += 1

    def __exit__(self, kind, *_):
        if kind is asyncio.CancelledError:
            self.counting.cancelled[self.name] += 1


class Shop:
    """What both services share."""

    def __init__(self, pb):
        self.pb = pb
        self.counting = Counting()
        self.orders = {}
        self.failures = 0
        self.failure_code = 0


def make_orders(pb, pb_grpc, shop):
    class Orders(pb_grpc.OrdersServicer):
        async def CreateOrder(self, request, context):
            with shop.counting("Orders/CreateOrder"):
                violations = []
                if not request.customer.name:
                    violations.append(("customer.name", "must not be empty"))
                if not request.items:
                    violations.append(("items", "must not be empty"))
                if violations:
                    bad_request = error_details_pb2.BadRequest()
                    for field, description in violations:
                        bad_request.field_violations.add(field=field, description=description)
                    await fail(context, 3, "the order is incomplete", bad_request)
                order = pb.Order(
                    order_id=f"order_{len(shop.orders) + 1}",
                    customer=request.customer,
                    items=request.items,
                    total_cents=round(sum(item.quantity * item.price for item in request.items) * 100),
                    status=pb.ORDER_STATUS_OPEN,
                    labels=request.labels,
                )
                order.created_at.GetCurrentTime()
                if request.HasField("note"):
                    order.note = request.note
                shop.orders[order.order_id] = order
                return order

        async def GetOrder(self, request, context):
            with shop.counting("Orders/GetOrder"):
                return await self._find(request, context)

        async def CancelOrder(self, request, context):
            with shop.counting("Orders/CancelOrder"):
                order = await self._find(request, context)
                del shop.orders[request.order_id]
                return order

        async def _find(self, request, context):
            if request.order_id not in shop.orders:
                info = error_details_pb2.ErrorInfo(reason="ORDER_NOT_FOUND", domain="shop.example.com", metadata={"order_id": request.order_id})
                await fail(context, 5, f"there is no order {request.order_id}", info)
            return shop.orders[request.order_id]

        async def GetStock(self, request, context):
            with shop.counting("Orders/GetStock"):
                if shop.failures > 0:
                    shop.failures -= 1
                    await fail(context, shop.failure_code, "the stock is out of reach")
                stock = pb.Stock(sku=request.sku, quantity=len(request.sku) * 7)
                stock.timestamp.GetCurrentTime()
                return stock

        async def WatchStock(self, request, context):
            with shop.counting("Orders/WatchStock"):
                shop.counting.open_streams += 1
                user = dict(context.invocation_metadata()).get("covet-user-id")
                if user:
                    shop.counting.watched_by[user] += 1
                try:
                    interval = request.interval.ToNanoseconds() / 1e9 if request.HasField("interval") else 1.0
                    sequence = 0
                    await context.send_initial_metadata(())
                    while request.count == 0 or sequence < request.count:
                        sequence += 1
                        stock = pb.Stock(sku=request.sku or "everything", quantity=sequence % 100, sequence=sequence)
                        stock.timestamp.GetCurrentTime()
                        yield stock
                        await asyncio.sleep(interval)
                    if request.fail_at_end:
                        await fail(context, 14, "the warehouse closed")
                finally:
                    shop.counting.open_streams -= 1

    return Orders()


def make_lab(pb, pb_grpc, shop):
    class Lab(pb_grpc.LabServicer):
        async def Echo(self, request, context):
            with shop.counting("Lab/Echo"):
                return request

        async def Sleep(self, request, context):
            with shop.counting("Lab/Sleep"):
                begin = time.monotonic()
                await asyncio.sleep(request.duration.ToNanoseconds() / 1e9)
                answer = pb.SleepResponse()
                answer.slept.FromNanoseconds(round((time.monotonic() - begin) * 1e9))
                return answer

        async def Fail(self, request, context):
            with shop.counting("Lab/Fail"):
                details = []
                if request.reason:
                    details.append(error_details_pb2.ErrorInfo(reason=request.reason, domain="shop.example.com", metadata=request.metadata))
                if request.violations:
                    bad_request = error_details_pb2.BadRequest()
                    for field in sorted(request.violations):
                        bad_request.field_violations.add(field=field, description=request.violations[field])
                    details.append(bad_request)
                if request.HasField("retry_after"):
                    details.append(error_details_pb2.RetryInfo(retry_delay=request.retry_after))
                if request.HasField("detail"):
                    details.append(request.detail)
                await fail(context, request.code, request.message, *details)

        async def SetFailures(self, request, context):
            shop.failures = request.count
            shop.failure_code = request.code or grpc.StatusCode.UNAVAILABLE.value[0]
            return empty_pb2.Empty()

        async def WhoAmI(self, request, context):
            with shop.counting("Lab/WhoAmI"):
                caller = pb.Caller()
                for key, value in context.invocation_metadata():
                    caller.metadata[key] = base64.b64encode(value).decode() if isinstance(value, bytes) else value
                left = context.time_remaining()
                if left is not None and left < 1e6:
                    caller.time_left.FromNanoseconds(round(left * 1e9))
                return caller

        async def GetCounters(self, request, context):
            counting = shop.counting
            return pb.Counters(
                started=counting.started,
                cancelled=counting.cancelled,
                open_streams=counting.open_streams,
                pid=os.getpid(),
                watched_by=counting.watched_by,
            )

        async def Flood(self, request, context):
            with shop.counting("Lab/Flood"):
                shop.counting.open_streams += 1
                try:
                    text = "x" * request.size
                    for sequence in range(1, request.count + 1):
                        yield pb.FloodRecord(sequence=sequence, text=text)
                finally:
                    shop.counting.open_streams -= 1

    return Lab()


async def serve(arguments):
    pb, pb_grpc = generate(arguments.next)
    shop = Shop(pb)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    pb_grpc.add_OrdersServicer_to_server(make_orders(pb, pb_grpc, shop), server)
    pb_grpc.add_LabServicer_to_server(make_lab(pb, pb_grpc, shop), server)
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    if not arguments.no_reflection:
        services = [service.full_name for service in pb.DESCRIPTOR.services_by_name.values()]
        reflection.enable_server_reflection([*services, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    port = server.add_insecure_port(f"{arguments.host}:{arguments.port}")
    await checks.set("", health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    print(f"{arguments.host}:{port}", flush=True)

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop(arguments.grace)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=50051, help="the port to listen on; 0 for any (50051)")
    parser.add_argument("--next", action="store_true", help="serve the shop's next version")
    parser.add_argument("--no-reflection", action="store_true", help="do not offer reflection")
    parser.add_argument("--grace", type=float, default=1.0, help="seconds that calls have to end on SIGTERM (1)")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
