"""A headless Chromium, for tests that drive pages over its DevTools address."""

import os
import re
import shutil
import subprocess
import tempfile
import threading

from harness.process import TIMEOUT, end

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Chromium:
    """`with Chromium() as browser: … browser.url`. Has a profile of its own."""

    def __init__(self):
        self.url = None
        self._found = threading.Event()
        self._lines = []

    def __enter__(self):
        self._profile = tempfile.TemporaryDirectory(prefix="covet-chromium-", ignore_cleanup_errors=True)
        arguments = ["--headless", "--remote-debugging-port=0", f"--user-data-dir={self._profile.name}", "--no-first-run",
                     "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
                     "--disable-component-update", "--disable-extensions", "--disable-sync"]
        if os.geteuid() == 0:
            # Its sandbox refuses root.
            arguments.append("--no-sandbox")
        self._process = subprocess.Popen([PROGRAM, *arguments, "about:blank"], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._found.wait(TIMEOUT)
        if self.url is None:
            self.__exit__()
            raise AssertionError("chromium has not started:\n" + "\n".join(self._lines))
        return self

    def __exit__(self, *_):
        end(self._process)
        self._reader.join(TIMEOUT)
        self._process.stderr.close()
        self._profile.cleanup()

    def _read(self):
        for line in self._process.stderr:
            self._lines = [*self._lines, line.rstrip("\n")][-40:]
            if found := re.match(r"DevTools listening on (ws://\S+)", line):
                self.url = found[1]
                self._found.set()
        self._found.set()
