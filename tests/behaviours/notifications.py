"""Notifications."""

import asyncio

from behaviours.common import connect
from harness.grpc_api import Api, module
from harness.proxy import CLIENT, Proxy


def _notification(**fields):
    return module("rooms.v1.notifications_pb2").Notification(**{"notification_type": "info", "title": "Hello", "message": "text", **fields})


async def notifications(covet, agent, user):
    with Api(covet.grpc_address()) as api:
        waiting = api.notify(user_id=user, notification=_notification())
        async with agent() as a, agent() as other:
            await connect(a, covet.ws_url, user)
            await a.take("notification")
            await connect(other, covet.ws_url, user)
            live = api.notify(user_id=user, notification=_notification())
            got = await a.items("notification", 2)
            assert [each["notification_id"] for each in got] == [waiting.notification_id, live.notification_id]
            assert got[0]["title"] == "Hello"
            await other.take("notification")
            # Whoever is first, the other one hears of it.
            tell = [asyncio.create_task(each.take("notification_read")) for each in (a, other)]
            done, waiting = await asyncio.wait(tell, return_when=asyncio.FIRST_COMPLETED)
            for each in waiting:
                each.cancel()
            assert done.pop().result()[0]["item"] in [each["notification_id"] for each in got]


async def notification_actions(covet, agent, user):
    action = {"label": "View Details", "action": "show_details", "params": {"resource_id": "db_conn_123", "big": 12345}}
    pb = module("rooms.v1.notifications_pb2")
    payload = module("common.v1.common_pb2").Payload(json=b'{"resource_id": "db_conn_123", "big": 12345}')
    with Api(covet.grpc_address()) as api:
        async with agent() as a:
            await connect(a, covet.ws_url, user)
            actions = [pb.NotificationAction(label=action["label"], action=action["action"], params=payload)]
            api.notify(user_id=user, notification=_notification(category="database", actions=actions, auto_dismiss=True))
            (got,) = await a.items("notification")
            assert got["actions"] == [action]
            assert (got["category"], got["auto_dismiss"]) == ("database", True)


async def notification_unread(covet, agent, user):
    with Api(covet.grpc_address()) as api:
        async with agent() as deaf, agent() as reader:
            await connect(deaf, covet.ws_url, user, listen=False)
            await connect(reader, covet.ws_url, user, listen=False)
            await reader.do("read_notifications")
            sent = [api.notify(user_id=user, notification=_notification()).notification_id for _ in range(2)]
            assert [each["notification_id"] for each in await reader.items("notification", 2)] == sent
            assert await deaf.items("notification_read", 2) == sent
            # Had the other one acknowledged any, it would be told before this.
            await deaf.do("call", method="system.ping")
            await reader.do("call", method="system.ping")
            assert not [told for told in reader.events if told["event"] == "notification_read"]


async def notifications_for_a_slow_reader(covet, agent, user):
    room, count = 1001, 1010  # One is being read, and 1,000 wait.
    with Api(covet.grpc_address()) as api:
        async with Proxy(covet.http_address) as proxy, agent() as a:
            await connect(a, proxy.ws_url, user)
            await a.do("hold")
            await a.do("read_notifications", name="read")
            sent = []
            for n in range(1, count + 1):
                told = await asyncio.to_thread(api.notify, user_id=user, notification=_notification(title=str(n)))
                sent.append(told.notification_id)
                # No more are on their way than the server keeps for a user.
                if n % 100 == 0 or n in (room, count):
                    await a.take("notification", n)
                if n == room:
                    # No acknowledgement comes through, nor what stands for one.
                    proxy.freeze(CLIENT)
            await a.do("release")
            await a.take("read", room)
            proxy.cut()
            assert [each["notification_id"] for each in await a.items("read", count)] == sent
            assert [told["item"]["notification_id"] for told in a.told("notification")] == sent


async def notifications_over_cuts(covet, agent, user):
    with Api(covet.grpc_address()) as api:
        async with Proxy(covet.http_address) as proxy, agent() as a:
            await connect(a, proxy.ws_url, user)
            sent = []
            for n in range(20):
                if n % 5 == 2:
                    proxy.cut()
                sent.append(api.notify(user_id=user, notification=_notification(title=str(n))).notification_id)
            got = await a.items("notification", 20)
            assert sorted(each["notification_id"] for each in got) == sorted(sent)
