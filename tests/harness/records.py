"""Follows a stream over gRPC, from one server process to the next."""

import json
import threading
import time

import grpc

from harness.grpc_api import Api, bearer, module
from harness.process import TIMEOUT


class Follower:
    """Subscribes on a thread of its own and again, from where it was, whenever the call ends. Checks that offsets are dense."""

    def __init__(self, address, stream_type, resource_id, resume=None, history=0, metadata=None, fields=()):
        self.address = address
        self.records = []  # JSON objects, in order.
        self.gaps = []  # How many records there were when a gap was told.
        self.epoch, self.offset = resume or (None, 0)
        self.opened = 0
        self.error = None  # Of the last call.
        self._request = (stream_type, resource_id, history, fields)
        self._metadata = metadata or bearer()
        self._broken = None
        self._changed = threading.Condition()
        self._closing = False
        self._call = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._changed:
            self._closing = True
            call = self._call
        if call:
            call.cancel()
        self._thread.join()

    def _run(self):
        while not self._closing:
            with Api(self.address, self._metadata) as api:
                try:
                    self._follow(api)
                except grpc.RpcError as error:
                    with self._changed:
                        self.error = error
                        self._changed.notify_all()
                except AssertionError as error:
                    with self._changed:
                        self._broken = error
                        self._changed.notify_all()
                    return
            time.sleep(0.05)

    def _follow(self, api):
        pb = module("streams.v1.streams_pb2")
        stream_type, resource_id, history, fields = self._request
        request = pb.SubscribeRequest(
            stream_type=pb.StreamType.Value("STREAM_TYPE_" + stream_type.upper()),
            resource_id=resource_id,
            history=history,
            payload_format=module("common.v1.common_pb2").PAYLOAD_FORMAT_JSON,
        )
        for field, value in fields:
            request.filter.fields.add(field=field, comparison=pb.COMPARISON_EQ, value=json.dumps(value))
        if self.epoch:
            request.resume.epoch = self.epoch
            request.resume.offset = self.offset
        call = api._call("streams.v1.streams", "StreamService", "Subscribe", request, stream=True)
        with self._changed:
            self._call = call
            if self._closing:
                call.cancel()
        for message in call:
            with self._changed:
                self._take(message)
                self._changed.notify_all()

    def _take(self, message):
        kind = message.WhichOneof("kind")
        if kind == "opened":
            assert not self.epoch or (message.opened.epoch == self.epoch and message.opened.recovered), f"not recovered: {message}"
            if not self.epoch:
                self.epoch = message.opened.epoch
                self.offset = message.opened.offset if not self._request[2] else 0
            self.opened += 1
        elif kind == "batch":
            if message.batch.gap:
                self.gaps.append(len(self.records))
            for record in message.batch.records:
                if not self._request[3]:
                    assert not self.offset or record.offset == self.offset + 1, f"offset {record.offset} after {self.offset}"
                self.offset = record.offset
                self.records.append(json.loads(record.payload.json))
            self.offset = max(self.offset, message.batch.last_offset)

    def wait(self, wanted, what, timeout=TIMEOUT):
        """Waits until `wanted(self)` is true."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not wanted(self):
                if self._broken:
                    raise self._broken
                remaining = deadline - time.monotonic()
                assert remaining > 0, f"no {what} within {timeout} s; {len(self.records)} records, the last {self.records[-2:]}; {self.error}"
                self._changed.wait(remaining)
        return self

    def wait_open(self, timeout=TIMEOUT):
        return self.wait(lambda f: f.opened, "opened", timeout)

    def wait_record(self, wanted, timeout=TIMEOUT):
        """The first record for which `wanted` is true."""
        self.wait(lambda f: any(map(wanted, f.records)), "record that is wanted", timeout)
        return next(filter(wanted, self.records))


def list_resources(address, metadata=None):
    """(stream type, id) → Resource."""
    pb = module("streams.v1.streams_pb2")
    with Api(address, metadata) as api:
        answer = api._call("streams.v1.streams", "StreamService", "ListResources", pb.ListResourcesRequest())
    return {(pb.StreamType.Name(r.stream_type).removeprefix("STREAM_TYPE_").lower(), r.resource_id): r for r in answer.resources}


def wait_source(address, stream_type, resource_id, state, timeout=TIMEOUT, metadata=None):
    """Waits until the resource's source is in this state and returns its status."""
    pb = module("streams.v1.streams_pb2")
    deadline = time.monotonic() + timeout
    while True:
        status = list_resources(address, metadata)[stream_type, resource_id].source
        if status.state == pb.SourceState.Value("SOURCE_STATE_" + state):
            return status
        assert time.monotonic() < deadline, f"the source is not {state}: {status}"
        time.sleep(0.05)
