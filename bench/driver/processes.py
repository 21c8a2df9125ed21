"""Starting, finding and ending the programs that are measured."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import time
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
    """One started server, listening at `port`; a context manager that ends it."""

    def __init__(self, command, work_dir, port, ready_url=None, start_limit=30.0):
        self.port = port
        self.log_path = work_dir / "server.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + start_limit
        try:
            self._await(self._listens, deadline)
            if ready_url:
                self._await(lambda: self._answers(ready_url), deadline)
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

    def _await(self, condition, deadline):
        while not condition():
            if self.process.poll() is not None:
                tail = self.log_path.read_text(errors="replace")[-2000:]
                raise BenchError(f"{self.process.args[0]} ended with {self.process.returncode}:\n{tail}")
            if time.monotonic() > deadline:
                raise BenchError(f"{self.process.args[0]} was not ready in time; see {self.log_path}")
            time.sleep(0.02)

    def _listens(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    @staticmethod
    def _answers(url):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return True
        except OSError:  # URLError is one.
            return False

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


def family(pid):
    """The process and its children."""
    pids = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        pids += [int(child) for child in (task / "children").read_text().split()]
    return pids


def cpu_seconds(*pids):
    """Of these processes' threads that live, by the scheduler's clock."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total * 1e-9


def fresh_dir(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
