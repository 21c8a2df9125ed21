"""Both client libraries against real servers: each does what client_behaviours.yaml lists, with faults between."""

import shutil

import pytest

import behaviours
from harness.client_agent import JS_CLIENT, ClientAgent


@pytest.fixture(params=["python", "js"])
def agent(request):
    """Makes agents of one library: `async with agent() as a`."""
    if request.param == "js" and not (shutil.which("node") and JS_CLIENT.exists()):
        pytest.skip("clients/js is not built: it needs Node.js and npm")
    return lambda: ClientAgent(request.param)


def test_the_list_and_its_implementations_agree():
    assert not list(behaviours.problems())


globals().update(behaviours.tests())
