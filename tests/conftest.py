"""Fixtures: deployments of real processes. Tests that are coroutines run in an event loop of their own."""

import asyncio
import inspect
import os
import uuid

import pytest

from harness.backend import ExampleBackend
from harness.browser import Chromium
from harness.deployment import Deployment
from harness.external import External
from harness.postgres import Postgres
from harness.process import Process

pytest_plugins = ["harness.crashes"]
pytest.register_assert_rewrite("behaviours", "harness.steps")


def pytest_addoption(parser):
    parser.addoption("--write-console", action="store_true", help="put what commands print into the pages")


def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    # Before pytest-timeout's: so the failure shows the line that waited.
    limit = float(pyfuncitem.config.getini("timeout")) - 20

    async def bounded():
        async with asyncio.timeout(limit):
            await pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names if name in pyfuncitem.funcargs})

    asyncio.run(bounded())
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    for process in list(Process.every):
        process.shown = len(process.lines)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the end of what each process has logged during the test."""
    report = yield
    if report.failed:
        for process in list(Process.every):
            if len(process.lines) > process.shown:
                report.sections.append((f"log of {process.name}", process.tail(process.shown)))
    return report


def _params(item):
    return item.callspec.params if hasattr(item, "callspec") else {}


def pytest_collection_modifyitems(config, items):
    # A page sees no difference between one process and one per role; agents that start faster try both.
    slow = [item for item in items if _params(item).get("agent") == "chromium" and _params(item).get("covet") == "split"]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
    if "COVETD" in os.environ:
        return
    skip = pytest.mark.skip(reason="COVETD does not name a covetd to test")
    external = {"covet"} if "COVET_TEST_EXTERNAL" in os.environ else set()
    for item in items:
        if ({"covet", "make_covet"} - external) & set(item.fixturenames):
            item.add_marker(skip)


@pytest.fixture(scope="session", params=["external"] if "COVET_TEST_EXTERNAL" in os.environ else ["all", "split"])
def covet(request, tmp_path_factory):
    """A running deployment that tests share; each uses rooms and users of its own."""
    if request.param == "external":
        with External(os.environ["COVET_TEST_EXTERNAL"]) as deployment:
            yield deployment
        return
    with Deployment(request.param, tmp_path_factory.mktemp(request.param)) as deployment:
        yield deployment


@pytest.fixture
def make_covet(tmp_path):
    """Starts deployments of a test's own: make_covet(mode='all', **overrides)."""
    started = []

    def make(mode="all", **overrides):
        deployment = Deployment(mode, tmp_path / str(len(started)), overrides)
        started.append(deployment)
        return deployment.start()

    yield make
    problems = []
    for deployment in started:
        try:
            deployment.__exit__(None, None, None)
        except AssertionError as error:
            problems.append(str(error))
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server that tests share; those that stop or kill it make a Postgres of their own."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def chromium():
    with Chromium() as running:
        yield running


@pytest.fixture
def room():
    """The id of a room that a first join makes."""
    return f"lobby_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def user():
    return f"user_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def backend():
    """The example backend, running; a test may stop, kill and start it."""
    example = ExampleBackend()
    try:
        yield example.start()
    finally:
        example.close()
