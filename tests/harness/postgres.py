"""A PostgreSQL server of a test's own, on loopback."""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import psycopg

from harness.ports import free_port
from harness.process import TIMEOUT

USER = "postgres"
PASSWORD = "the-password-of-the-tests"
DATABASE = "production"


def program(name):
    """The path of one of PostgreSQL's programs, of the newest version where Debian keeps several."""
    installed = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    path = installed[-1] if installed else shutil.which(name)
    assert path, f"{name} is not installed"
    return str(path)


class Postgres:
    """One cluster with the database `production` and logical replication. It keeps its port and data over restarts.

    `settings` are added to postgresql.conf. PostgreSQL does not run as root: there it runs as the system user `postgres`.
    """

    def __init__(self, **settings):
        self.port = free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="covet-postgres-"))
        # A program of its own changes the user: with Popen's `user` Python would fork with the threads of gRPC running, and
        # the child, or this process, may abort in gRPC's handlers before it becomes anything else.
        as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--"]
        self._as_user = as_user if os.geteuid() == 0 else []
        self._process = None
        self._log = open(self.folder / "server.log", "ab")
        password_file = self.folder / "password"
        password_file.write_text(PASSWORD)
        if self._as_user:
            owner = pwd.getpwnam(USER)
            for path in (self.folder, password_file):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        subprocess.run(
            [*self._as_user, program("initdb"), "--pgdata", self.data, "--username", USER, "--pwfile", password_file, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"],
            check=True, stdout=self._log, stderr=self._log, cwd="/",
        )  # fmt: skip
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "wal_level": "logical",
            "max_wal_senders": 20,
            "max_replication_slots": 20,
            # What a killed process has written survives without it; only the machine's end would not.
            "fsync": "off",
        } | settings
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    @property
    def data(self):
        return self.folder / "data"

    @property
    def config(self):
        """Its entry in Covet's `databases`."""
        return {"host": "127.0.0.1", "port": self.port, "database": DATABASE, "user": USER, "password": {"value": PASSWORD}}

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def start(self):
        """Returns once it takes connections."""
        deadline = time.monotonic() + TIMEOUT
        while not self._takes_connections():
            assert time.monotonic() < deadline, "PostgreSQL does not start:\n" + (self.folder / "server.log").read_text(errors="replace")[-2000:]
            if not self.running:
                # After a kill it ends at once for as long as children of the last one live.
                self._process = subprocess.Popen(
                    [*self._as_user, program("postgres"), "-D", str(self.data)],
                    stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, cwd="/",
                )  # fmt: skip
            time.sleep(0.05)
        with self.connect("postgres") as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")
        return self

    def _takes_connections(self):
        if not self.running:
            return False
        try:
            self.connect("postgres").close()
            return True
        except psycopg.OperationalError:
            return False

    def connect(self, database=DATABASE, **options):
        """A psycopg connection that commits by itself. Close it, or use it as a context manager."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user=USER, password=PASSWORD, connect_timeout=int(TIMEOUT), autocommit=True, **options
        )

    def execute(self, sql, parameters=None):
        """Runs one statement and returns its rows, [] if it has none."""
        with self.connect() as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def stop(self):
        """Ends it in order; connections are broken."""
        if self.running:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(TIMEOUT)

    def kill(self):
        """SIGKILL to the server and every process of it."""
        for pid in (self._process.pid, *self._children()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._process.wait()

    def _children(self):
        return [int(pid) for pid in pathlib.Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()]

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            if self.running:
                self.kill()
            self._log.close()
            shutil.rmtree(self.folder, ignore_errors=True)
