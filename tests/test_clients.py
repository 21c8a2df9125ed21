"""Both client libraries against real servers: each does what client_behaviours.yaml lists, with faults between."""

import pytest

import behaviours
from harness import browser
from harness.client_agent import NO_JS, Agents, ClientAgent
from harness.page_agent import PageAgent


@pytest.fixture(params=["python", "js", "chromium"])
def agent(request):
    if reason := behaviours.entry(request.node.originalname.removeprefix("test_")).get("not_on", {}).get(request.param):
        pytest.skip(reason)
    if request.param != "python" and NO_JS:
        pytest.skip(NO_JS)
    if request.param != "chromium":
        return Agents(request.param, lambda origin: ClientAgent(request.param))
    if not browser.PROGRAM:
        pytest.skip("there is no Chromium")
    running = request.getfixturevalue("chromium")
    return Agents(request.param, lambda origin: PageAgent(running, origin))


def test_the_list_and_its_implementations_agree():
    assert not list(behaviours.problems())


globals().update(behaviours.tests())
