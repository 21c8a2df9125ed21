"""logs from files that are really written, rotated and truncated."""

import threading

import pytest

from harness.records import Follower, wait_source


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "logs"
    path.mkdir()
    return path


def overrides(path, **more):
    source = {"path": str(path), "from_beginning": True, **more}
    return {"streams": {"resources": [{"type": "logs", "id": "app", "log_file": source}]}}


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


def follow(covet):
    return Follower(covet.grpc_address("streams"), "logs", "app", history=10_000).wait_open()


def messages(follower):
    return [record.get("message") for record in follower.records]


def test_lines_become_records(make_covet, folder):
    log = folder / "app.log"
    append(log, "2025-09-10T12:00:00.250Z ERROR it broke\n")
    covet = make_covet(**overrides(log))
    with follow(covet) as follower:
        append(log, '{"level":"warn","n":1.00}\nplain\nhalf')
        follower.wait(lambda f: len(f.records) == 3, "three lines")
        append(log, " a line\n" + "x" * 100_000 + "\n")
        follower.wait(lambda f: len(f.records) == 5, "five lines")
    first, second, third, fourth, fifth = follower.records
    assert first == {"message": "2025-09-10T12:00:00.250Z ERROR it broke", "timestamp": "2025-09-10T12:00:00.250Z", "severity": "error"}
    assert second["severity"] == "warning" and second["n"] == 1 and second["timestamp"]
    assert third["message"] == "plain" and fourth["message"] == "half a line"
    assert fifth["truncated"] and fifth["message"] == "x" * (32 << 10)


def test_a_missing_file_and_a_missing_folder(make_covet, folder):
    log = folder / "later" / "app.log"
    covet = make_covet(**overrides(log))
    status = wait_source(covet.grpc_address("streams"), "logs", "app", "FAILED")
    assert "directory" in status.last_error
    log.parent.mkdir()
    wait_source(covet.grpc_address("streams"), "logs", "app", "LIVE")
    with follow(covet) as follower:
        append(log, "first\n")
        follower.wait(lambda f: messages(f) == ["first"], "the first line")


@pytest.mark.parametrize("copytruncate", [False, True])
def test_rotated_and_killed(make_covet, folder, copytruncate):
    """A writer that never stops, with rotations while the role runs and while it does not: each line comes once."""
    log = folder / "app.log"
    covet = make_covet("split", **overrides(log))
    streams = covet.process("streams")
    lines = 0

    def write(count):
        nonlocal lines
        append(log, "".join(f"line {lines + i}\n" for i in range(count)))
        lines += count

    def rotate():
        for number in (3, 2, 1):
            if (folder / f"app.log.{number}").exists():
                (folder / f"app.log.{number}").rename(folder / f"app.log.{number + 1}")
        if copytruncate:
            (folder / "app.log.1").write_bytes(log.read_bytes())
            log.write_bytes(b"")
        else:
            log.rename(folder / "app.log.1")

    pause = threading.Event()
    with follow(covet) as follower:
        for round_ in range(6):
            write(200)
            if round_ % 2:
                follower.wait(lambda f: len(f.records) >= lines, "all lines")
                streams.kill()
            rotate()
            write(100)
            if round_ == 3 and not copytruncate:
                # Twice while nobody looks; file times have a grain.
                pause.wait(0.05)
                rotate()
                pause.wait(0.05)
                write(50)
            if not streams.running:
                streams.start()
            follower.wait(lambda f: len(f.records) >= lines, "all lines", timeout=60)
            assert messages(follower) == [f"line {i}" for i in range(lines)], f"round {round_}"
        assert not follower.gaps


def test_what_was_rotated_away_is_a_gap(make_covet, folder):
    log = folder / "app.log"
    covet = make_covet("split", **overrides(log))
    with follow(covet) as follower:
        append(log, "one\n")
        follower.wait(lambda f: len(f.records) == 1, "the first line")
        covet.process("streams").kill()
        log.unlink()
        append(log, "two\n")
        covet.process("streams").start()
        follower.wait(lambda f: len(f.records) == 2, "the second line")
        assert messages(follower) == ["one", "two"]
        assert follower.gaps == [1]


def test_patterns(make_covet, folder):
    covet = make_covet(**overrides(folder / "*.log"))
    with follow(covet) as follower:
        append(folder / "a.log", "one\n")
        append(folder / "b.log", '{"m":2}\n')
        append(folder / "c.txt", "no\n")
        follower.wait(lambda f: len(f.records) == 2, "two lines")
        assert {record["file"] for record in follower.records} == {"a.log", "b.log"}


def test_more_files_than_are_followed_are_told(make_covet, folder):
    covet = make_covet(**overrides(folder / "*.log"))
    address = covet.grpc_address("streams")
    with follow(covet) as follower:
        for i in range(34):
            append(folder / f"{i}.log", f"line of {i}\n")
        status = wait_source(address, "logs", "app", "FAILED")
        follower.wait(lambda f: len(f.records) == 32, "a line of each file that is followed")
        assert "not followed" in status.last_error and "more than 32" in status.last_error
        left_out = {f"{i}.log" for i in range(34)} - {record["file"] for record in follower.records}
        for record in follower.records[:2]:
            (folder / record["file"]).unlink()
        # What was read is let go of some time after it went, and makes place.
        wait_source(address, "logs", "app", "LIVE")
        follower.wait(lambda f: len(f.records) == 34, "the lines of the others")
        assert {record["file"] for record in follower.records[32:]} == left_out
