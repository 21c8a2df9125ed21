"""What the tests rely on to fail when they should."""

import pathlib
import subprocess
import sys

import pytest

from harness import client, credentials
from harness.process import TIMEOUT
from harness.proxy import Proxy

TESTS = pathlib.Path(__file__).resolve().parent
ABORTING = """
import os, signal

def child(end):
    pid = os.fork()
    if pid == 0:
        end()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def test_aborts():
    assert child(os.abort) == -signal.SIGABRT

def test_ends():
    assert child(lambda: None) == 0
"""


def pytest_with_crashes(folder, text):
    file = folder / "test_it.py"
    file.write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "harness.crashes", "-p", "no:cacheprovider", "-o", f"pythonpath={TESTS}", str(file), "-q", "-rA"]
    return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)


def test_a_child_that_aborts_fails_its_test(tmp_path):
    ran = pytest_with_crashes(tmp_path, ABORTING)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "ERROR test_it.py::test_aborts" in ran.stdout
    assert "a child has died by a fatal error:" in ran.stdout and "Fatal Python error: Aborted" in ran.stdout
    assert "2 passed, 1 error" in ran.stdout


def test_the_end_of_pytest_itself_is_shown(tmp_path):
    ran = pytest_with_crashes(tmp_path, "import os\n\ndef test_aborts():\n    os.abort()\n")
    assert ran.returncode < 0
    assert "Fatal Python error: Aborted" in ran.stderr and "test_it.py" in ran.stderr


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("wrong", [False, True])
async def test_a_proxy_fails_for_a_client_whose_messages_are_wrong(covet, compression, wrong):
    async def talk():
        async with Proxy(covet.http_address) as proxy:
            async with client.Connecting(proxy.ws_url, token=credentials.token(), compression=compression) as c:
                await c.join("lobby_1", history=0)
                # Long enough to be compressed, and read in parts.
                await c.publish("lobby_1", "x" * 60_000)
                if wrong:
                    await c.error("join_room", {"room": "lobby_1"})
            assert [sent.messages for sent in proxy.sent] == [3 if wrong else 2]

    if not wrong:
        return await talk()
    with pytest.raises(AssertionError, match="'room_id' is a required property"):
        await talk()
