"""Rows/s that database_changes puts into the event log, beside pg_recvlogical writing the same changes to a file.

    PYTHONPATH=bench:tests COVETD=build/tools/covetd/covetd python -m changes [--rows N] [--rounds N]

Both read the same write-ahead log of a PostgreSQL made for the run, through slots that begin at the same place, in turn:
the server decodes for one at a time. Covet's time ends when its last row is committed, pg_recvlogical's when its last
row is written. Prints each round, and the ratio of the medians.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from harness.deployment import Deployment
from harness.postgres import PASSWORD, Postgres, program
from harness.records import list_resources, wait_source

# name, rows in a transaction, SQL of one transaction
LOADS = [
    ("inserts of 1,000 a transaction", 1000, "INSERT INTO bench SELECT n, 'customer ' || n, n * 1.25, now(), n % 3 = 0, repeat('x', 40) FROM generate_series({first}, {last}) n"),
    ("updates of 10 a transaction", 10, "UPDATE bench SET price = price + 1, name = name || '.' WHERE id BETWEEN {first} AND {last}"),
]


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(server, rows, in_transaction, sql):
    with server.connect() as connection:
        for first in range(1, rows + 1, in_transaction):
            connection.execute(sql.format(first=first, last=min(rows, first + in_transaction - 1)))


def time_covet(deployment, rows, before):
    streams = deployment.process("streams")
    began = time.monotonic()
    streams.start()
    address = deployment.grpc_address("streams")
    wait_source(address, "database_changes", "rows", "LIVE", timeout=60)
    live = time.monotonic()
    cpu = cpu_seconds(streams.pid)
    deadline = live + 300
    while list_resources(address)["database_changes", "rows"].last_offset < before + rows:
        assert time.monotonic() < deadline, "the rows have not come"
        time.sleep(0.05)
    seconds = time.monotonic() - live
    used = cpu_seconds(streams.pid) - cpu
    streams.stop()
    return seconds, used, live - began


def time_recvlogical(server, slot, end):
    with tempfile.NamedTemporaryFile() as out:
        command = [
            program("pg_recvlogical"), "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-d", "production",
            "--slot", slot, "--start", "-f", out.name, "-F", "0", "--endpos", end,
            "-o", "proto_version=1", "-o", "publication_names=covet_rows",
        ]  # fmt: skip
        began = time.monotonic()
        subprocess.run(command, check=True, env={"PGPASSWORD": PASSWORD, "PATH": "/usr/bin:/bin"}, capture_output=True)
        return time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with Postgres() as server, tempfile.TemporaryDirectory() as folder:
        server.execute("CREATE TABLE bench (id int PRIMARY KEY, name text, price numeric, at timestamptz, ok bool, note text)")
        deployment = Deployment("split", pathlib.Path(folder), {
            "databases": {"main": server.config},
            "streams": {"resources": [{"type": "database_changes", "id": "rows", "database_changes": {"database": "main", "tables": ["bench"]}}]},
            "logging": {"level": "INFO"},
        })  # fmt: skip
        streams = deployment.process("streams")
        streams.start()
        wait_source(deployment.grpc_address("streams"), "database_changes", "rows", "LIVE", timeout=60)
        streams.stop()
        kept = 0
        for name, in_transaction, sql in LOADS:
            ours, theirs = [], []
            for round_ in range(arguments.rounds):
                if "INSERT" in sql:
                    # Its own change is read as well, before the clock.
                    server.execute("DELETE FROM bench")
                    streams.start()
                    wait_source(deployment.grpc_address("streams"), "database_changes", "rows", "LIVE", timeout=60)
                    time.sleep(2)
                    kept = list_resources(deployment.grpc_address("streams"))["database_changes", "rows"].last_offset
                    streams.stop()
                server.execute("SELECT pg_copy_logical_replication_slot('covet_rows', 'other')")
                load(server, arguments.rows, in_transaction, sql)
                (end,) = server.execute("SELECT pg_current_wal_lsn()::text")[0]
                server.execute("CHECKPOINT")

                def covet():
                    nonlocal kept
                    seconds, used, _ = time_covet(deployment, arguments.rows, kept)
                    kept += arguments.rows
                    ours.append(arguments.rows / seconds)
                    return seconds, used

                def recvlogical():
                    theirs.append(arguments.rows / time_recvlogical(server, "other", end))

                for step in (covet, recvlogical) if round_ % 2 == 0 else (recvlogical, covet):
                    result = step()
                    if result:
                        seconds, used = result
                server.execute("SELECT pg_drop_replication_slot('other')")
                print(f"{name}: covet {ours[-1]:,.0f} rows/s ({used / arguments.rows * 1e6:.2f} µs of CPU a row), pg_recvlogical {theirs[-1]:,.0f} rows/s", flush=True)
            ratio = statistics.median(ours) / statistics.median(theirs)
            print(f"{name}: medians {statistics.median(ours):,.0f} and {statistics.median(theirs):,.0f} rows/s, ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
