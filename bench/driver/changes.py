"""Rows/s that database_changes puts into the event log, beside pg_recvlogical writing the same changes to a file.

Both read the same write-ahead log of a PostgreSQL made for the run, through slots that begin at the same place, in turn:
the server decodes for one at a time. The time of each begins with its replication connection. Covet's ends when its last
row is committed, pg_recvlogical's when its last row is written.
"""

import os
import subprocess
import sys
import tempfile
import time

from harness.grpc_api import bearer
from harness.postgres import DATABASE, PASSWORD, USER, Postgres, program
from harness.records import list_resources, wait_source

from driver import covetd
from driver.processes import BenchError, cpu_seconds

# Name, rows in a transaction, SQL of one transaction.
LOADS = (
    ("inserts, 1,000 a transaction", 1000,
     "INSERT INTO bench SELECT n, 'customer ' || n, n * 1.25, now(), n % 3 = 0, repeat('x', 40) FROM generate_series({first}, {last}) n"),
    ("updates, 10 a transaction", 10,
     "UPDATE bench SET price = price + 1, name = name || '.' WHERE id BETWEEN {first} AND {last}"),
)
ROWS = 200_000
LIMIT_SECONDS = 100
RESOURCE = "database_changes", "rows"
SLOT = "covet_rows"


class Reader:
    """Covet's streams role, started only to read what the load has left in the slot."""

    def __init__(self, plan, postgres):
        config = {
            "databases": {"main": postgres.config},
            "streams": {"resources": [{"type": RESOURCE[0], "id": RESOURCE[1], "database_changes": {"database": "main", "tables": ["bench"]}}]},
        }
        self._covet = covetd.deployment(plan, plan.folder("changes"), [("*", "*")], config, "split")
        self._process = self._covet.process("streams")
        self._address = self._covet.grpc_address("streams")
        self._metadata = bearer(roles=(covetd.ROLE,))

    def __enter__(self):
        self._process.start()
        wait_source(self._address, *RESOURCE, "LIVE", metadata=self._metadata)
        return self

    def __exit__(self, *_):
        self._process.stop()

    @property
    def cpu_seconds(self):
        return cpu_seconds(self._process.pid)

    def last_offset(self):
        return list_resources(self._address, self._metadata)[RESOURCE].last_offset

    def wait_offset(self, offset):
        """Wall-clock time at which this was the last committed offset."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while self.last_offset() < offset:
            if time.monotonic() > deadline:
                raise BenchError(f"offset {self.last_offset()} of {offset} after {LIMIT_SECONDS} s")
            time.sleep(0.01)
        return time.time()


def _wait_confirmed(postgres, lsn):
    deadline = time.monotonic() + LIMIT_SECONDS
    while not postgres.execute("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND confirmed_flush_lsn >= %s", (SLOT, lsn)):
        if time.monotonic() > deadline:
            raise BenchError(f"{lsn} was not confirmed within {LIMIT_SECONDS} s")
        time.sleep(0.05)


def _load(postgres, rows, in_transaction, sql):
    with postgres.connect() as connection:
        for first in range(1, rows + 1, in_transaction):
            connection.execute(sql.format(first=first, last=min(rows, first + in_transaction - 1)))


def _covet(reader, postgres, rows, end):
    with reader:
        ((began,),) = postgres.execute("SELECT extract(epoch FROM backend_start)::float8 FROM pg_stat_replication")
        seconds = reader.wait_offset(end) - began
        return {"rows_per_s": rows / seconds, "cpu_us_per_row": reader.cpu_seconds * 1e6 / rows}


def _recvlogical(postgres, rows, end):
    with tempfile.NamedTemporaryFile() as out:
        command = [
            program("pg_recvlogical"), "-h", "127.0.0.1", "-p", str(postgres.port), "-U", USER, "-d", DATABASE,
            "--slot", "other", "--start", "-f", out.name, "-F", "0", "--endpos", end,
            "-o", "proto_version=1", "-o", f"publication_names={SLOT}",
        ]  # fmt: skip
        began = time.monotonic()
        before = os.times().children_user + os.times().children_system
        subprocess.run(command, check=True, env={"PGPASSWORD": PASSWORD, "PATH": "/usr/bin:/bin"}, capture_output=True,
                       timeout=LIMIT_SECONDS)
        seconds = time.monotonic() - began
        used = os.times().children_user + os.times().children_system - before
        return {"rows_per_s": rows / seconds, "cpu_us_per_row": used * 1e6 / rows}


def run(plan):
    """By load, a list of rounds: {"covet": figures, "pg_recvlogical": figures}."""
    rows = ROWS // 10 if plan.quick else ROWS
    results = {}
    with Postgres() as postgres:
        postgres.execute("CREATE TABLE bench (id int PRIMARY KEY, name text, price numeric, at timestamptz, ok bool, note text)")
        reader = Reader(plan, postgres)
        with reader:
            pass  # Its slot is there from here on.
        for name, in_transaction, sql in LOADS:
            for number in range(plan.rounds):
                print(f"bench: changes: {name}, round {number + 1}/{plan.rounds}", file=sys.stderr)
                if sql.startswith("INSERT"):
                    postgres.execute("TRUNCATE bench")
                # What this has left in the slot is read before the clock.
                ((marker,),) = postgres.execute("SELECT pg_current_wal_lsn()::text")
                with reader:
                    _wait_confirmed(postgres, marker)
                    before = reader.last_offset()
                postgres.execute(f"SELECT pg_copy_logical_replication_slot('{SLOT}', 'other')")
                _load(postgres, rows, in_transaction, sql)
                ((end,),) = postgres.execute("SELECT pg_current_wal_lsn()::text")
                postgres.execute("CHECKPOINT")
                steps = {"covet": lambda: _covet(reader, postgres, rows, before + rows),
                         "pg_recvlogical": lambda: _recvlogical(postgres, rows, end)}
                order = list(steps) if number % 2 == 0 else list(steps)[::-1]
                pair = {step: steps[step]() for step in order}
                postgres.execute("SELECT pg_drop_replication_slot('other')")
                results.setdefault(name, []).append(pair)
    return results
