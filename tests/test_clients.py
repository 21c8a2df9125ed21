"""Both client libraries against real servers: each does what client_behaviours.yaml lists, with faults between."""

import shutil

import pytest

import behaviours
from harness import browser
from harness.client_agent import JS_CLIENT, ClientAgent


@pytest.fixture(scope="session")
def chromium():
    with browser.Chromium() as running:
        yield running


@pytest.fixture(params=["python", "js", "chromium"])
def agent(request):
    """Makes agents of one library, on one platform: `async with agent() as a`."""
    if request.param != "python" and not (shutil.which("node") and JS_CLIENT.exists()):
        pytest.skip("clients/js is not built: it needs Node.js and npm")
    if request.param != "chromium":
        return lambda: ClientAgent(request.param)
    if reason := browser.missing():
        pytest.skip(reason)
    return lambda: ClientAgent("chromium", request.getfixturevalue("chromium").url)


def test_the_list_and_its_implementations_agree():
    assert not list(behaviours.problems())


globals().update(behaviours.tests())
