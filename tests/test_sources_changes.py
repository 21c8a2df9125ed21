"""database_changes from a real PostgreSQL by logical replication."""

import json
import subprocess
import threading

import pytest

from harness.grpc_api import module
from harness.postgres import PASSWORD, Postgres, program
from harness.records import Follower, wait_source

LOAD_SECONDS = 15
KILLS = 10


@pytest.fixture
def server():
    with Postgres() as postgres:
        yield postgres


def overrides(server, *tables, **more):
    changes = {"database": "main", "tables": list(tables), **more}
    return {
        "databases": {"main": server.config},
        "streams": {
            "resources": [{"type": "database_changes", "id": "rows", "database_changes": changes}],
            # A reader that is behind is not to lose what these tests count.
            "default_retention": {"max_count": 10_000_000, "max_bytes": "2GiB"},
        },
    }


def live(covet):
    """Waits until changes are followed: whatever is changed from now on becomes a record."""
    return wait_source(covet.grpc_address("streams"), "database_changes", "rows", "LIVE")


def follow(covet, **options):
    return Follower(covet.grpc_address("streams"), "database_changes", "rows", **options)


def place(record):
    high, low = record["lsn"].split("/")
    return int(high, 16) << 32 | int(low, 16), record["sequence"]


def check_order(records):
    """Each change once, transactions in the order of their commits."""
    places = [place(record) for record in records]
    assert all(a < b for a, b in zip(places, places[1:])), [(a, b) for a, b in zip(records, records[1:]) if place(a) >= place(b)][:3]
    sequences = {}
    for record in records:
        sequences.setdefault(record["transaction_id"], []).append(record["sequence"])
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sequences.values())


def replay(tables, records):
    """Applies changes to table → key → row, by primary keys."""
    for record in records:
        rows = tables[record["table"]]
        if record["action"] == "truncate":
            rows.clear()
            continue
        key = json.dumps(record["identity"])
        if record["action"] == "insert":
            assert key not in rows, record
            rows[key] = record["new"]
        elif record["action"] == "update":
            before = rows.pop(json.dumps(record.get("old", record["identity"])))
            rows[key] = {name: record["new"].get(name, before[name]) for name in before}
        else:
            del rows[key]


def test_every_kind_of_change(make_covet, server):
    server.execute("CREATE TABLE things (id int PRIMARY KEY, name text, price numeric, flags jsonb, raw bytea, ok bool, long text)")
    server.execute("ALTER TABLE things ALTER COLUMN long SET STORAGE EXTERNAL")
    server.execute("CREATE TABLE whole (a int, b text)")
    server.execute("ALTER TABLE whole REPLICA IDENTITY FULL")
    covet = make_covet(**overrides(server, "things", "public.whole"))
    live(covet)
    with follow(covet) as follower:
        follower.wait_open()
        server.execute("INSERT INTO things VALUES (1, 'Zoë', 12345678901234567890.50, '{\"a\": 1}', '\\xff00', true, repeat('x', 5000))")
        server.execute("UPDATE things SET name = NULL WHERE id = 1")
        server.execute("UPDATE things SET id = 2 WHERE id = 1")
        server.execute("DELETE FROM things")
        server.execute("INSERT INTO whole VALUES (1, 'x')")
        server.execute("UPDATE whole SET b = 'y'")
        server.execute("TRUNCATE things, whole")
        follower.wait(lambda f: len(f.records) == 8, "eight records")
    insert, update, move, delete, whole, whole_update, *truncates = follower.records
    check_order(follower.records)
    assert insert["action"] == "insert" and insert["schema"] == "public" and insert["table"] == "things"
    assert insert["new"] == {"id": 1, "name": "Zoë", "price": 12345678901234567890.50, "flags": {"a": 1}, "raw": "\\xff00", "ok": True, "long": "x" * 5000}
    assert insert["key"] == "public.things:1" and insert["identity"] == {"id": 1} and "old" not in insert
    assert update["unchanged"] == ["long"] and update["new"]["name"] is None and "long" not in update["new"]
    assert move["old"] == {"id": 1} and move["identity"] == {"id": 2} and move["key"] == "public.things:2"
    assert delete["old"] == {"id": 2} and "new" not in delete
    assert whole["replica_identity"] == "full" and "key" not in whole
    assert whole_update["old"] == {"a": 1, "b": "x"} and whole_update["new"] == {"a": 1, "b": "y"}
    assert {(t["action"], t["table"]) for t in truncates} == {("truncate", "things"), ("truncate", "whole")}
    times = [record["timestamp"] for record in follower.records]
    assert times == sorted(times)


def test_a_large_transaction_is_one_and_is_bounded_in_memory(make_covet, server):
    server.execute("CREATE TABLE big (id int PRIMARY KEY, text text)")
    covet = make_covet("split", **overrides(server, "big"))
    live(covet)
    with follow(covet) as follower:
        follower.wait_open()
        before = covet.process("streams").rss_bytes()
        server.execute("INSERT INTO big SELECT n, repeat('x', 400) FROM generate_series(1, 200000) n")
        follower.wait(lambda f: len(f.records) == 200_000, "all rows", timeout=150)
        grown = covet.process("streams").rss_bytes() - before
    check_order(follower.records)
    assert {record["transaction_id"] for record in follower.records} == {follower.records[0]["transaction_id"]}
    # 120 MB of records went through; caches of the newest are bounded by configuration.
    assert grown < 160 << 20, f"{grown >> 20} MiB"


def snapshot(server, table, key):
    with server.connect() as connection:
        rows = [row for (row,) in connection.execute(f"SELECT row_to_json(t) FROM {table} t")]
    for row in rows:
        # JSON has its own way to write times.
        if row.get("mtime"):
            row["mtime"] = row["mtime"].replace("T", " ")
    return {json.dumps({key: row[key]}): row for row in rows}


@pytest.mark.timeout(400)
def test_killed_ten_times_under_load(make_covet, server):
    environment = {"PGPASSWORD": PASSWORD, "PATH": "/usr/bin:/bin"}
    pgbench = [program("pgbench"), "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "production"]
    subprocess.run([*pgbench, "-i", "-q", "-s", "1"], check=True, env=environment, capture_output=True)
    server.execute("ALTER TABLE pgbench_history ADD COLUMN id bigserial PRIMARY KEY")
    keys = {"pgbench_accounts": "aid", "pgbench_branches": "bid", "pgbench_tellers": "tid", "pgbench_history": "id"}
    covet = make_covet("split", **overrides(server, *keys))
    live(covet)
    tables = {table: snapshot(server, table, key) for table, key in keys.items()}
    streams = covet.process("streams")
    with follow(covet) as follower:
        follower.wait_open()
        load = subprocess.Popen(
            [*pgbench, "-n", "-c", "2", "-R", "150", "-T", str(LOAD_SECONDS)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        for _ in range(KILLS):
            have = len(follower.records)
            follower.wait(lambda f: len(f.records) > have + 20 or load.poll() is not None, "records under load", timeout=60)
            streams.kill()
            streams.start()
        output, _ = load.communicate(timeout=120)
        assert load.returncode == 0, output
        # One more transaction, the last of all.
        server.execute("INSERT INTO pgbench_tellers VALUES (999999, 1, 7, NULL)")
        follower.wait_record(lambda r: r["table"] == "pgbench_tellers" and r["identity"]["tid"] == 999999, timeout=120)
    assert not follower.gaps
    check_order(follower.records)
    replay(tables, follower.records)
    for table, key in keys.items():
        assert tables[table] == snapshot(server, table, key), table
    assert len(tables["pgbench_history"]) > 100


def test_postgres_killed_and_stopped(make_covet, server):
    server.execute("CREATE TABLE things (id int PRIMARY KEY)")
    covet = make_covet(**overrides(server, "things"))
    live(covet)
    with follow(covet) as follower:
        follower.wait_open()
        for round_ in range(3):
            server.execute("INSERT INTO things SELECT n FROM generate_series(%s::int, %s::int) n", (round_ * 10, round_ * 10 + 9))
            follower.wait(lambda f: len(f.records) == round_ * 10 + 10, "ten rows")
            if round_ == 0:
                server.kill()
            else:
                server.stop()
            status = wait_source(covet.grpc_address("streams"), "database_changes", "rows", "FAILED")
            assert status.last_error
            server.start()
            assert live(covet).last_error == ""
        assert [record["new"]["id"] for record in follower.records] == list(range(30))
        assert not follower.gaps


def test_why_the_server_ended_the_stream_is_told(make_covet, server):
    server.execute("CREATE TABLE things (id int PRIMARY KEY)")
    covet = make_covet(**overrides(server, "things"))
    live(covet)
    server.execute("DROP PUBLICATION covet_rows")
    server.execute("INSERT INTO things VALUES (1)")
    status = wait_source(covet.grpc_address("streams"), "database_changes", "rows", "FAILED")
    assert 'publication "covet_rows" does not exist' in status.last_error


def test_a_lost_slot_is_a_gap(make_covet, server):
    server.execute("CREATE TABLE things (id int PRIMARY KEY)")
    covet = make_covet("split", **overrides(server, "things", slot="mine", publication="theirs"))
    live(covet)
    with follow(covet) as follower:
        follower.wait_open()
        server.execute("INSERT INTO things VALUES (1)")
        follower.wait(lambda f: len(f.records) == 1, "the first row")
        covet.process("streams").stop()
        server.execute("SELECT pg_drop_replication_slot('mine')")
        server.execute("INSERT INTO things VALUES (2)")
        covet.process("streams").start()
        live(covet)
        # The gap is told whenever the next record comes, another restart later too.
        covet.process("streams").kill()
        covet.process("streams").start()
        live(covet)
        server.execute("INSERT INTO things VALUES (3)")
        follower.wait(lambda f: len(f.records) == 2, "the row after the gap")
        assert [record["new"]["id"] for record in follower.records] == [1, 3]
        assert follower.gaps == [1]


def test_the_lsn_is_confirmed_when_the_records_are_kept(make_covet, server):
    server.execute("CREATE TABLE things (id int PRIMARY KEY)")
    covet = make_covet(**overrides(server, "things"))
    live(covet)
    with follow(covet) as follower:
        follower.wait_open()
        server.execute("INSERT INTO things VALUES (1)")
        record = follower.wait_record(lambda r: True)
        done = threading.Event()
        for _ in range(200):
            (confirmed,) = server.execute("SELECT confirmed_flush_lsn > %s::pg_lsn FROM pg_replication_slots WHERE slot_name = 'covet_rows'", (record["lsn"],))[0]
            if confirmed:
                break
            done.wait(0.1)
        assert confirmed
        # Others' writes move it on as well: the server need not keep their log for us.
        server.execute("CREATE TABLE others (id int)")
        server.execute("INSERT INTO others SELECT generate_series(1, 1000)")
        (end,) = server.execute("SELECT pg_current_wal_lsn()::text")[0]
        for _ in range(200):
            (confirmed,) = server.execute("SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = 'covet_rows'", (end,))[0]
            if confirmed:
                break
            done.wait(0.1)
        assert confirmed


def test_rows_are_known_by_keys_of_several_columns_and_by_an_index(make_covet, server):
    server.execute("CREATE TABLE pairs (a text, b text, n int, PRIMARY KEY (a, b))")
    server.execute("CREATE TABLE indexed (id int PRIMARY KEY, name text NOT NULL, n int)")
    server.execute("CREATE UNIQUE INDEX indexed_name ON indexed (name)")
    server.execute("ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_name")
    # What PostgreSQL stores outside of the row is not sent again while it stays as it is.
    server.execute("CREATE TABLE long (name text PRIMARY KEY, n int)")
    server.execute("ALTER TABLE long ALTER COLUMN name SET STORAGE EXTERNAL")
    name = "x" * 2500
    covet = make_covet(**overrides(server, "pairs", "indexed", "long"))
    live(covet)
    with follow(covet) as follower:
        follower.wait_open()
        server.execute("INSERT INTO pairs VALUES ('a,b', 'c', 1), ('a', 'b,c', 1)")
        server.execute("INSERT INTO indexed VALUES (1, 'one', 1)")
        server.execute("UPDATE indexed SET n = 2")
        server.execute("UPDATE indexed SET name = 'eins'")
        server.execute("DELETE FROM indexed")
        server.execute("INSERT INTO long VALUES (%s, 1)", (name,))
        server.execute("UPDATE long SET n = 2")
        follower.wait(lambda f: len(f.records) == 8, "eight records")
    one, other, insert, update, rename, delete, long, long_update = follower.records
    assert (one["key"], other["key"]) == ("public.pairs:a\\,b,c", "public.pairs:a,b\\,c")
    assert one["identity"] == {"a": "a,b", "b": "c"} and other["identity"] == {"a": "a", "b": "b,c"}
    assert insert["replica_identity"] == "index" and insert["new"] == {"id": 1, "name": "one", "n": 1}
    assert [r["key"] for r in (insert, update, rename, delete)] == [f"public.indexed:{name}" for name in ("one", "one", "eins", "eins")]
    assert "old" not in update and update["identity"] == {"name": "one"}
    assert rename["old"] == {"name": "one"} and rename["identity"] == {"name": "eins"}
    assert delete["old"] == delete["identity"] == {"name": "eins"}
    assert long["identity"] == long_update["identity"] == {"name": name}
    assert long["key"] == long_update["key"] and long["key"].startswith("sha256:")
    assert long_update["new"]["n"] == 2


def test_a_table_is_altered_while_it_is_followed(make_covet, server):
    server.execute("CREATE TABLE things (id int PRIMARY KEY, name text, price int)")
    covet = make_covet("split", **overrides(server, "things"))
    live(covet)
    with follow(covet) as follower:
        follower.wait_open()
        server.execute("INSERT INTO things VALUES (1, 'one', 10)")
        server.execute("ALTER TABLE things ADD COLUMN color text DEFAULT 'red'")
        server.execute("UPDATE things SET price = 11")
        server.execute("ALTER TABLE things DROP COLUMN name")
        server.execute("ALTER TABLE things RENAME COLUMN price TO cost")
        server.execute("ALTER TABLE things ALTER COLUMN cost TYPE numeric(10, 2)")
        server.execute("UPDATE things SET cost = 1.50")
        follower.wait(lambda f: len(f.records) == 3, "three records")
        # What was written while Covet was away is told in the columns of its time.
        covet.process("streams").stop()
        server.execute("INSERT INTO things VALUES (2, 2, 'blue')")
        server.execute("ALTER TABLE things DROP COLUMN color")
        server.execute("ALTER TABLE things RENAME TO items")
        server.execute("INSERT INTO items VALUES (3, 3)")
        covet.process("streams").config["streams"]["resources"][0]["database_changes"]["tables"] = ["items"]
        covet.process("streams").start()
        follower.wait(lambda f: len(f.records) == 5, "the records of before the start", timeout=60)
    rows = [record["new"] for record in follower.records]
    assert rows == [
        {"id": 1, "name": "one", "price": 10},
        {"id": 1, "name": "one", "price": 11, "color": "red"},
        {"id": 1, "cost": 1.5, "color": "red"},
        {"id": 2, "cost": 2.0, "color": "blue"},
        {"id": 3, "cost": 3.0},
    ]
    assert [record["table"] for record in follower.records] == ["things"] * 4 + ["items"]
    assert not follower.gaps


@pytest.mark.parametrize("made", ["by_covet", "by_hand"])
def test_a_partitioned_table_is_followed_again_after_a_restart(make_covet, server, made):
    server.execute("CREATE TABLE measurements (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)")
    server.execute("CREATE TABLE measurements_early PARTITION OF measurements FOR VALUES FROM (MINVALUE) TO ('2025-01-01')")
    server.execute("CREATE TABLE measurements_late PARTITION OF measurements FOR VALUES FROM ('2025-01-01') TO (MAXVALUE)")
    if made == "by_hand":
        server.execute("CREATE PUBLICATION covet_rows FOR TABLE measurements")
    covet = make_covet("split", **overrides(server, "public.measurements"))
    live(covet)
    with follow(covet) as follower:
        follower.wait_open()
        server.execute("INSERT INTO measurements VALUES (1, '2024-05-01'), (2, '2025-05-01')")
        follower.wait(lambda f: len(f.records) == 2, "two rows")
        covet.process("streams").stop()
        server.execute("INSERT INTO measurements VALUES (3, '2025-06-01')")
        covet.process("streams").start()
        live(covet)
        follower.wait(lambda f: len(f.records) == 3, "the row from before the restart")
    assert not follower.gaps
    assert [record["identity"]["id"] for record in follower.records] == [1, 2, 3]
    tables = [record["table"] for record in follower.records]
    if made == "by_covet":
        assert tables == ["measurements"] * 3
    else:
        assert tables == ["measurements_early", "measurements_late", "measurements_late"]


def test_what_cannot_work_says_so(make_covet, server):
    server.execute("CREATE TABLE keyless (id int)")
    covet = make_covet(**overrides(server, "keyless"))
    status = wait_source(covet.grpc_address("streams"), "database_changes", "rows", "FAILED")
    assert "keyless has no primary key" in status.last_error
    # Its updates still work, for it was not published; and mended, it is followed.
    server.execute("INSERT INTO keyless VALUES (1)")
    server.execute("UPDATE keyless SET id = 2")
    server.execute("ALTER TABLE keyless REPLICA IDENTITY FULL")
    live(covet)


def test_the_tables_of_a_publication_are_checked(make_covet, server):
    server.execute("CREATE TABLE one (id int PRIMARY KEY)")
    server.execute("CREATE TABLE two (id int PRIMARY KEY)")
    server.execute("CREATE PUBLICATION covet_rows FOR TABLE one")
    covet = make_covet(**overrides(server, "one", "two"))
    status = wait_source(covet.grpc_address("streams"), "database_changes", "rows", "FAILED")
    assert "lacks the table two" in status.last_error
    server.execute("ALTER PUBLICATION covet_rows ADD TABLE two")
    live(covet)
    pb = module("streams.v1.streams_pb2")
    assert status.state == pb.SOURCE_STATE_FAILED
