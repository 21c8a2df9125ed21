"""Tokens over a connection's life: expiring, renewal, what a renewal takes away."""

import pytest

from harness import credentials

pytestmark = pytest.mark.protocol


async def test_a_token_that_ends_soon_is_announced_and_ends(covet):
    async with covet.connect(token=credentials.token(ttl=5)) as c:
        # The default warning time is 60 s, so it comes at once.
        expiring = await c.expect("auth_expiring")
        assert expiring["data"]["expires_at"].endswith("Z")
        error = await c.expect("error")
        assert error["data"]["error_code"] == "AUTH_EXPIRED"
        assert (await c.closed())[0] == 4401


async def test_renewal_keeps_the_connection_beyond_the_first_token(covet, room):
    async with covet.connect(token=credentials.token(ttl=5)) as c:
        await c.join(room)
        await c.expect("auth_expiring")
        refreshed = await c.request("auth_refresh", {"token": credentials.token(ttl=3600)})
        assert refreshed["type"] == "auth_refreshed"
        # Another connection's token of the same life ends later than this one's first.
        async with covet.connect(token=credentials.token(ttl=6)) as clock:
            assert (await clock.closed())[0] == 4401
        assert (await c.publish(room, 1))["offset"] == 1


async def test_renewal_must_name_the_same_user(covet, room):
    async with covet.connect() as c:
        await c.join(room)
        error = await c.error("auth_refresh", {"token": credentials.token("somebody_else")})
        assert error["error_code"] == "AUTH_FAILED"
        error = await c.error("auth_refresh", {"token": "nonsense"})
        assert error["error_code"] == "AUTH_FAILED"
        assert (await c.publish(room, 1))["offset"] == 1


async def test_what_a_new_token_no_longer_allows_ends(covet, room):
    async with covet.connect(roles=["admin"]) as c:
        await c.join(room)
        await c.join("project_123")
        await c.request("auth_refresh", {"token": credentials.token(roles=["member"])})
        left = await c.expect("room_left", room_id="project_123")
        assert left["data"]["reason"] == "permission_revoked"
        assert (await c.publish(room, 1))["offset"] == 1
        error = await c.error("join_room", {"room_id": "project_123"})
        assert error["error_code"] == "PERMISSION_DENIED"


async def test_scopes_of_a_token_add_to_its_roles(covet, room):
    token = credentials.token("scoped", roles=[], scopes=[f"room:read:{room}"])
    async with covet.connect(token=token) as c:
        assert (await c.join(room))["permissions"] == ["read"]
        error = await c.error("room_message", {"room_id": room, "event_type": "note", "payload": 1})
        assert error["error_code"] == "PERMISSION_DENIED"
        error = await c.error("join_room", {"room_id": room + "x"})
        assert error["error_code"] == "PERMISSION_DENIED"
