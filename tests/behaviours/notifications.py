"""Notifications."""

from behaviours.common import connect
from harness.grpc_api import Api, module


async def notifications(covet, agent, user):
    with Api(covet.grpc_address()) as api:
        message = module("rooms.v1.notifications_pb2").Notification(notification_type="info", title="Hello", message="text")
        waiting = api.notify(user_id=user, notification=message)
        async with agent() as a, agent() as other:
            await connect(a, covet.ws_url, user)
            await a.take("notification")
            await connect(other, covet.ws_url, user)
            live = api.notify(user_id=user, notification=message)
            got = await a.items("notification", 2)
            assert [each["notification_id"] for each in got] == [waiting.notification_id, live.notification_id]
            assert got[0]["title"] == "Hello"
            assert await other.items("notification_read") == [live.notification_id]
