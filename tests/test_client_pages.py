"""The client libraries' pages: each example runs as it stands, against a real server, and prints what the page says."""

import asyncio

import pytest

from harness import credentials, pages
from harness.client_agent import NO_JS
from harness.deployment import Deployment
from harness.examples import LANGUAGES, TOKEN, URL, Example, prepare
from harness.grpc_api import Api, module
from harness.proxy import Proxy

PAGES = ("clients/js/README.md", "clients/python/README.md")
EXAMPLES = [block for page in PAGES for block in pages.blocks(page) if block.language in LANGUAGES]
USER = "user_123"


@pytest.fixture(scope="module")
def covet(tmp_path_factory):
    deployment = Deployment("all", tmp_path_factory.mktemp("pages"))
    # Links to files lead to this server.
    deployment.edge.config["files"] = {"public_url": f"http://{deployment.http_address}"}
    with deployment:
        yield deployment


# What goes on around an example, by its heading: the rest of the world, which the page leaves to the reader.

async def notify(covet, **_):
    pb = module("rooms.v1.notifications_pb2")
    action = pb.NotificationAction(label="View Details", action="show_details")
    with Api(covet.grpc_address()) as api:
        api.notify(user_id=USER, notification=pb.Notification(notification_type="info", title="Database Connection Restored",
                                                              message="It is back", actions=[action]))


async def break_connection(covet, program, proxy, room):
    if "reconnect" not in program.block.text:
        return
    async with covet.connect("other") as other:
        await other.join(room)
        while (await other.presence(room))["user_id"] != USER:
            pass
        await other.publish(room, "message 1", "chat")
        await program.said("message 1")
        proxy.cut()
        await other.publish(room, "message 2", "chat")
        await other.publish(room, "message 3", "chat")


async def stay_away(program, proxy, **_):
    await program.said("in the room")
    proxy.refuse()
    proxy.cut()
    await program.said({"js": "NotConnectedError", "python": "calls do not wait"}[program.block.language])
    proxy.refuse(False)


AROUND = {"Notifications": notify, "Reconnecting and resuming": break_connection, "Without a connection": stay_away}


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: f"{block.language}-{block.heading}-{block.line}")
async def test_example(covet, room, tmp_path, block):
    if block.language == "js" and NO_JS:
        pytest.skip(NO_JS)
    prepare(tmp_path)
    token = credentials.token(USER)
    async with Proxy(covet.http_address) as proxy:
        words = {URL: proxy.ws_url, TOKEN: token, "https://app.example/token": f"data:text/plain,{token}", "lobby_1": room}
        async with Example(block, tmp_path, words) as program:
            around = AROUND.get(block.heading)
            await asyncio.gather(program.check(), *([around(covet=covet, program=program, proxy=proxy, room=room)] if around else []))


def test_both_pages_show_the_same():
    js, python = ([block.heading for block in EXAMPLES if block.page == page] for page in PAGES)
    assert js == python
    assert len(js) > 10
    assert AROUND.keys() <= set(js)
