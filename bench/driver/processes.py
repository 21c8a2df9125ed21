"""Starting, finding and ending the programs that are measured."""

import json
import os
import resource
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path


class BenchError(Exception):
    """Something that makes a measurement impossible, told to the user as it is."""


def raise_file_limit():
    """Children inherit it: ten thousand sockets need more than the usual soft limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def find_program(build_dir, name):
    for path in sorted(Path(build_dir).rglob(name)):
        if path.is_file() and os.access(path, os.X_OK) and "CMakeFiles" not in path.parts:
            return path
    return None


class Server:
    """One started server; a context manager that ends it."""

    def __init__(self, command, work_dir, ready_path=None, start_limit=30.0):
        self.work_dir = work_dir
        self._ports_file = work_dir / "ports.json"
        self._ports_file.unlink(missing_ok=True)
        command = [str(part).replace("{ports_file}", str(self._ports_file)) for part in command]
        self.log_path = work_dir / "server.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            self.ports = self._wait_for_ports(time.monotonic() + start_limit)
            if ready_path:
                self._wait_until_ready(ready_path, time.monotonic() + start_limit)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    def _check_alive(self):
        if self.process.poll() is not None:
            tail = self.log_path.read_text(errors="replace")[-2000:]
            raise BenchError(f"{self.process.args[0]} ended with {self.process.returncode}:\n{tail}")

    def _wait_for_ports(self, deadline):
        while time.monotonic() < deadline:
            try:
                return json.loads(self._ports_file.read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                self._check_alive()
                time.sleep(0.02)
        raise BenchError(f"{self.process.args[0]} did not say where it listens")

    def _wait_until_ready(self, path, deadline):
        url = f"http://127.0.0.1:{self.ports['admin']}{path}"
        while time.monotonic() < deadline:
            self._check_alive()
            try:
                with urllib.request.urlopen(url, timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise BenchError(f"{url} did not answer 200")

    def stop(self):
        """SIGTERM drains; a second one ends at once."""
        for sign, seconds in ((signal.SIGTERM, 5), (signal.SIGTERM, 2), (signal.SIGKILL, 10)):
            if self.process.poll() is not None:
                return
            self.process.send_signal(sign)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue


def fresh_dir(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
