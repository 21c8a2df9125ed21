"""A little of everything that clients do, for tests of what operators see."""

import asyncio
import ssl
import urllib.parse
import urllib.request

import grpc

from harness import credentials
from harness.client import Connecting
from harness.grpc_api import Api, module
from harness.process import TIMEOUT
from harness.uploads import Upload, random_bytes


class Traffic:
    """Rooms, streams, calls, files, notifications, and some of what is refused, over an edge that serves TLS with this
    certificate. The deployment has the backend `shop` and its stream `stock`."""

    def __init__(self, covet, certificate):
        self._covet = covet
        self._url = covet.ws_url.replace("ws://", "wss://")
        self._tls = ssl.create_default_context(cafile=str(certificate))
        self._round = 0

    def _connect(self, **credential):
        return Connecting(self._url, ssl=self._tls, **credential)

    async def run_once(self):
        self._round += 1
        async with self._connect(token=credentials.token("ann")) as ann, self._connect(token=credentials.token("bob")) as bob:
            await self._rooms(ann, bob)
            await self._streams(ann, bob)
            await self._calls(ann)
            await self._notification(ann)
            await self._file(ann)
        await self._refused()

    async def _rooms(self, ann, bob):
        joined = [await client.join("lobby_traffic", filter={"event_types": ["t"]}) for client in (ann, bob)][0]
        for number in range(3):
            await ann.publish("lobby_traffic", number, "t", idempotency_key=f"{self._round}")
        await bob.event("lobby_traffic")
        await bob.leave("lobby_traffic")
        resume = {"epoch": joined["epoch"], "offset": joined["offset"]}
        assert (await bob.join("lobby_traffic", resume=resume))["recovered"]
        await bob.error("join_room", {"room_id": "nowhere"})

    async def _streams(self, ann, bob):
        with Api(self._covet.grpc_address("streams")) as api:
            record = module("streams.v1.streams_pb2").NewRecord()
            record.payload.json = '{"n": 1}'
            kind = module("streams.v1.streams_pb2").StreamType.Value("STREAM_TYPE_EVENTS")
            first = await asyncio.to_thread(lambda: api.streams("Publish", stream_type=kind, resource_id="orders", records=[record]))
        resume = {"epoch": first.epoch, "offset": first.offsets[0] - 1}
        for client in (ann, bob):
            opened = await client.request("subscribe", {"stream_type": "events", "resource_id": "orders", "options": {"resume": resume}})
            assert opened["type"] == "subscribed" and opened["data"]["recovered"], opened
            await client.expect("stream_data")
        stock = await ann.request("subscribe", {"stream_type": "events", "resource_id": "stock"})
        assert stock["type"] == "subscribed", stock
        await ann.expect("stream_data", subscription_id=stock["data"]["subscription_id"])

    async def _calls(self, ann):
        for method, params in (("system.ping", {}), ("orders.get_stock", {"sku": "tea"}), ("no.such", {})):
            await ann.reply(await ann.send("rpc_call", {"method": method, "params": params}))

    async def _notification(self, ann):
        with Api(self._covet.grpc_address()) as api:
            notification = module("rooms.v1.notifications_pb2").Notification(notification_type="info", title="t", message="m")
            await asyncio.to_thread(lambda: api.notify(user_id="ann", notification=notification))
        told = await ann.expect("notification")
        await ann.send("notification_ack", {"notification_id": told["data"]["notification_id"]})

    async def _file(self, ann):
        data = random_bytes(150_000)
        upload = Upload(data)
        done = await upload.run(ann)
        parts = urllib.parse.urlsplit(done["url"])
        url = f"https://{self._covet.http_address}{parts.path}?{parts.query}"

        def fetch():
            with urllib.request.urlopen(url, timeout=TIMEOUT, context=self._tls) as answer:
                return answer.read()

        assert await asyncio.to_thread(fetch) == data
        await upload.processed(ann)

    async def _refused(self):
        async with Connecting(self._url, ssl=self._tls, token="no token", ack=False) as stranger:
            await stranger.closed()
        with Api(self._covet.grpc_address(), metadata=()) as api:
            try:
                await asyncio.to_thread(lambda: api.rooms("ListRooms"))
                raise AssertionError("a stranger was let in")
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.UNAUTHENTICATED
