"""One covetd process."""

import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import yaml

# Generous: only a failing test waits this long. Sanitizers slow everything down.
TIMEOUT = float(os.environ.get("COVET_TEST_TIMEOUT", "20"))
SANITIZER_MARKS = ("AddressSanitizer", "ThreadSanitizer", "UndefinedBehavior", "runtime error:", "LeakSanitizer")


class Process:
    """Starts covetd, follows its log, ends it. Thread-safe but for start and the ways to end."""

    def __init__(self, name, config, folder, arguments=()):
        self.name = name
        self.config = config
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config_file = self.folder / f"{name}.yaml"
        self.arguments = list(arguments)
        self.lines = []  # Every line of standard error, over all starts.
        self._changed = threading.Condition()
        self._process = None
        self._reader = None

    @property
    def pid(self):
        return self._process.pid

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def write_config(self):
        self.config_file.write_text(yaml.safe_dump(self.config, sort_keys=False))

    def start(self, wait=True):
        self.write_config()
        self._process = subprocess.Popen(
            [os.environ["COVETD"], "--config", str(self.config_file), *self.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        if wait:
            self.wait_ready()
        return self

    def _read(self, process):
        for line in process.stderr:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()

    def admin(self, path):
        """(status, text) of a GET on the admin port."""
        url = f"http://{self.config['admin']['listen']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def wait_ready(self):
        deadline = time.monotonic() + TIMEOUT
        while True:
            if self._process.poll() is not None:
                self._reader.join()
                raise AssertionError(f"{self.name} ended with {self._process.returncode}:\n" + "\n".join(self.lines[-30:]))
            try:
                if self.admin("/readyz")[0] == 200:
                    return
            except OSError:
                pass
            assert time.monotonic() < deadline, f"{self.name} is not ready:\n" + "\n".join(self.lines[-30:])
            time.sleep(0.02)

    def wait_log(self, event, timeout=TIMEOUT, since=0, **fields):
        """The first log record of this event with these fields, from line `since` on."""
        deadline = time.monotonic() + timeout
        position = since
        with self._changed:
            while True:
                while position < len(self.lines):
                    record = parse(self.lines[position])
                    position += 1
                    if record.get("event") == event and fields.items() <= record.items():
                        return record
                remaining = deadline - time.monotonic()
                assert remaining > 0, f"{self.name} has not logged {event} {fields}:\n" + "\n".join(self.lines[-30:])
                self._changed.wait(remaining)

    def reload(self):
        """SIGHUP with the present value of `config`."""
        self.write_config()
        since = len(self.lines)
        self._process.send_signal(signal.SIGHUP)
        return self.wait_log("config_reloaded", since=since)

    def kill(self):
        self._process.kill()
        self._end()

    def terminate(self):
        """Sends SIGTERM and returns at once."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout=60):
        """The exit status."""
        status = self._process.wait(timeout)
        self._end()
        return status

    def stop(self):
        self.terminate()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} has not ended:\n" + "\n".join(self.lines[-30:])) from None

    def _end(self):
        self._process.wait()
        self._reader.join()
        self._process.stderr.close()

    def sanitizer_reports(self):
        return [line for line in self.lines if any(mark in line for mark in SANITIZER_MARKS)]

    def rss_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")


def parse(line):
    """A log line as a dict; {} for what is not JSON."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
