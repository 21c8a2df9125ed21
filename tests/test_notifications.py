"""Notifications to users, sessions, rooms and everyone."""

import pytest

from harness.grpc_api import Api, module

pytestmark = pytest.mark.protocol


def notification(title="Hello", **fields):
    return module("rooms.v1.notifications_pb2").Notification(notification_type="info", title=title, message="text", **fields)


async def test_to_a_user_on_every_session(covet, user):
    with Api(covet.grpc_address()) as api:
        async with covet.connect(user) as one, covet.connect(user) as two, covet.connect("other") as other:
            pb = module("rooms.v1.notifications_pb2")
            payload = module("common.v1.common_pb2").Payload(json='{"resource_id":"db_conn_123","n":12345678901234567890}')
            sent = api.notify(
                user_id=user,
                notification=notification(
                    "Restored",
                    category="database",
                    actions=[pb.NotificationAction(label="View", action="show", params=payload)],
                    auto_dismiss=True,
                    dismiss_after=5000,
                ),
            )
            assert sent.live_sessions == 2
            for client in (one, two):
                data = (await client.expect("notification"))["data"]
                assert data["notification_id"] == sent.notification_id
                assert (data["title"], data["category"], data["auto_dismiss"], data["dismiss_after"]) == ("Restored", "database", True, 5000)
                assert data["actions"] == [{"label": "View", "action": "show", "params": {"resource_id": "db_conn_123", "n": 12345678901234567890}}]
            await one.send("notification_ack", {"notification_id": sent.notification_id})
            assert (await two.expect("notification_read"))["data"]["notification_id"] == sent.notification_id
            await other.request("heartbeat", {"sequence": 1})
            assert not [m for m in other.inbox if m["type"] == "notification"]


async def test_a_pending_one_waits_for_the_user(covet, user):
    with Api(covet.grpc_address()) as api:
        sent = api.notify(user_id=user, notification=notification("first"))
        assert sent.live_sessions == 0
        api.notify(user_id=user, notification=notification("second"))
        async with covet.connect(user) as c:
            got = [(await c.expect("notification"))["data"] for _ in range(2)]
            assert [n["title"] for n in got] == ["first", "second"]
            for n in got:
                await c.send("notification_ack", {"notification_id": n["notification_id"]})
        third = api.notify(user_id=user, notification=notification("third"))
        async with covet.connect(user) as c:
            # What was acknowledged doesn't come again.
            assert (await c.expect("notification"))["data"]["notification_id"] == third.notification_id


async def test_a_pong_acknowledges_for_a_plain_client(make_covet, user):
    covet = make_covet(edge={"heartbeat_interval": "1s"})
    with Api(covet.grpc_address()) as api:
        async with covet.connect(user) as c:
            api.notify(user_id=user, notification=notification("first"))
            await c.expect("notification")
            # Two pings and their pongs after it.
            for _ in range(3):
                await c.expect("heartbeat")
        second = api.notify(user_id=user, notification=notification("second"))
        async with covet.connect(user) as c:
            assert (await c.expect("notification"))["data"]["notification_id"] == second.notification_id


async def test_to_a_session_a_room_and_everyone(covet, room, user):
    with Api(covet.grpc_address()) as api:
        async with covet.connect(user) as member, covet.connect(user) as same_user, covet.connect("b") as stranger:
            await member.join(room)
            api.notify(session_id=member.session_id, notification=notification("session"))
            api.notify(room_id=room, notification=notification("room"))
            api.notify(everyone=True, notification=notification("everyone"))
            assert [(await member.expect("notification"))["data"]["title"] for _ in range(3)] == ["session", "room", "everyone"]
            for client in (same_user, stranger):
                assert (await client.expect("notification"))["data"]["title"] == "everyone"


async def test_one_past_its_ttl_reaches_nobody(covet, user):
    from google.protobuf.duration_pb2 import Duration

    with Api(covet.grpc_address()) as api:
        api.notify(user_id=user, notification=notification("short"), ttl=Duration(nanos=1_000_000))
        long = api.notify(user_id=user, notification=notification("long"))
        async with covet.connect(user) as c:
            assert (await c.expect("notification"))["data"]["notification_id"] == long.notification_id
