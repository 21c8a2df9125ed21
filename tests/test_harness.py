"""What the tests rely on to fail when they should."""

import pathlib
import subprocess
import sys

from harness.process import TIMEOUT

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
