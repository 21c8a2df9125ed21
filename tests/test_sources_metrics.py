"""PostgreSQL's own measurements in the records of the host."""

import pytest

from harness.postgres import Postgres
from harness.records import Follower, wait_source


@pytest.fixture
def server():
    with Postgres() as postgres:
        yield postgres


def test_the_database_is_in_the_hosts_records(make_covet, server):
    covet = make_covet(
        databases={"main": server.config},
        streams={"resources": [{"type": "metrics", "id": "db_conn_123", "durability": "MEMORY", "host": {"interval": "100ms", "database": "main"}}]},
    )
    address = covet.grpc_address("streams")
    with Follower(address, "metrics", "db_conn_123").wait_open() as follower:
        with server.connect() as busy, server.connect() as other:
            busy.execute("SELECT 1")
            record = follower.wait_record(lambda r: r.get("connections", {}).get("idle", 0) >= 2)
            assert {"timestamp", "cpu_usage", "memory_usage", "active_connections", "locks", "locks_waiting", "cache_hit_ratio", "database_size_bytes"} <= record.keys()
            assert record["database_size_bytes"] > 1_000_000 and 0 <= record["cache_hit_ratio"] <= 1
            # One that works, seen by the others.
            other.execute("SELECT 1")
            with other.transaction():
                other.execute("LOCK TABLE pg_class IN ACCESS SHARE MODE")
                follower.wait_record(lambda r: r.get("connections", {}).get("idle_in_transaction") == 1)
        follower.wait_record(lambda r: r.get("transactions_per_second", 0) > 0)
        wait_source(address, "metrics", "db_conn_123", "LIVE")

        server.kill()
        status = wait_source(address, "metrics", "db_conn_123", "FAILED")
        assert status.last_error
        have = len(follower.records)
        follower.wait(lambda f: len(f.records) > have + 20, "the host's records go on")
        assert "active_connections" not in follower.records[-1] and "cpu_usage" in follower.records[-1]

        server.start()
        have = len(follower.records)
        follower.wait(lambda f: any("active_connections" in r for r in f.records[have:]), "the database is back")
        assert wait_source(address, "metrics", "db_conn_123", "LIVE").last_error == ""
