"""One covetd process."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
import weakref

import yaml

# Generous: only a failing test waits this long. Sanitizers slow everything down.
TIMEOUT = float(os.environ.get("COVET_TEST_TIMEOUT", "60"))
TAIL = 40  # Lines of a log that a failure shows.
SANITIZER_MARKS = ("AddressSanitizer", "ThreadSanitizer", "UndefinedBehavior", "runtime error:", "LeakSanitizer")


class Process:
    """Starts covetd, follows its log, ends it. Thread-safe but for start and the ways to end."""

    every = weakref.WeakSet()

    def __init__(self, name, config, folder, arguments=()):
        self.name = name
        self.config = config
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config_file = self.folder / f"{name}.yaml"
        self.arguments = list(arguments)
        self.lines = []  # Every line of standard error, over all starts.
        self.shown = 0  # Lines that belong to earlier tests.
        self._changed = threading.Condition()
        self._process = None
        self._reader = None
        Process.every.add(self)

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
                self._reader.join(TIMEOUT)
                raise AssertionError(f"{self.name} ended with {self._process.returncode}:\n" + self.tail())
            try:
                if self.admin("/readyz")[0] == 200:
                    return
            except OSError:
                pass
            assert time.monotonic() < deadline, f"{self.name} is not ready after {TIMEOUT} s:\n" + self.stacks() + self.tail()
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
                assert remaining > 0, f"{self.name} has not logged {event} {fields} within {timeout} s:\n" + self.tail()
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

    def pause(self):
        """SIGSTOP: it is there and does nothing, until `resume`. Returns once it stands."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def terminate(self):
        """Sends SIGTERM and returns at once."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout=2 * TIMEOUT):
        """The exit status. A process that does not end is killed, and the failure shows where it hung."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            stacks = self.stacks()
            self.kill()
            raise AssertionError(f"{self.name} has not ended within {timeout} s:\n{stacks}{self.tail()}") from None
        self._end()
        return status

    def stop(self):
        self.terminate()
        return self.wait()

    def _end(self):
        self._process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        self._process.stderr.close()

    def tail(self, since=0):
        """The end of the log, for failures."""
        return "\n".join(self.lines[since:][-TAIL:])

    def stacks(self):
        """What each thread of the running process does; '' without gdb."""
        if not self.running or not shutil.which("gdb"):
            return ""
        command = ["gdb", "-p", str(self.pid), "-batch", "-nx", "-ex", "set print frame-arguments none", "-ex", "thread apply all backtrace 25"]
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return "gdb did not end\n"
        return result.stdout[-20_000:] + "\n"

    def sanitizer_reports(self):
        """The log from the first report on; [] if there is none."""
        for number, line in enumerate(self.lines):
            if any(mark in line for mark in SANITIZER_MARKS):
                return self.lines[number : number + 120]
        return []

    def rss_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")


def end(process):
    """Ends a Popen of a program that is not ours: kindly, and after TIMEOUT by force."""
    process.terminate()
    try:
        process.wait(TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def parse(line):
    """A log line as a dict; {} for what is not JSON."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
