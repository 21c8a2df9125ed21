"""A pytest plugin: a test fails if a forked child of it dies by a fatal error, which nobody need wait for to see.

Such a child has the handler of fatal errors from its parent. What that says goes to a file, which is looked at after each test,
and from there to standard error, where it belongs if it is the end of pytest itself."""

import faulthandler
import subprocess
import tempfile

import pytest


class Crashes:
    def __init__(self):
        self._file = tempfile.NamedTemporaryFile(mode="a+", prefix="covet-crashes-", errors="replace")
        self._seen = 0
        faulthandler.enable(file=self._file)
        # Reads until this process is gone.
        shows = 'cat; cat "$0" >&2; rm "$0"'
        self._heir = subprocess.Popen(["sh", "-c", shows, self._file.name], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def close(self):
        faulthandler.disable()
        self._heir.kill()
        self._heir.stdin.close()
        self._heir.wait()
        self._file.close()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self):
        yield
        self._file.seek(self._seen)
        said = self._file.read()
        self._seen = self._file.tell()
        assert not said, f"a child has died by a fatal error:\n{said}"


# After pytest's own handler, which writes to standard error alone.
@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    crashes = Crashes()
    config.pluginmanager.register(crashes, "crashes")
    config.add_cleanup(crashes.close)
