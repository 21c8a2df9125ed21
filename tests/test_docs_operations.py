"""docs/operations.md names every metric that a running deployment shows, every log event and audit event of the code."""

import re
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/operations.md").read_text()
NAMED = set(re.findall(r"`([a-z_]+)`", PAGE))
CODE = [path for folder in ("common", "edge", "services", "tools") for path in (ROOT / folder).rglob("*.cc")
        if not path.name.endswith(("_test.cc", "_benchmark.cc"))]


async def test_metrics_are_documented(covet, room):
    async with covet.connect() as client:
        await client.request("join_room", {"room_id": room})
    shown = set()
    for process in covet.processes.values():
        with urllib.request.urlopen(f"http://{process.config['admin']['listen']}/metrics") as answer:
            shown |= set(re.findall(r"^# TYPE (covet_[a-z_]+) ", answer.read().decode(), re.MULTILINE))
    assert "covet_rooms_messages_total" in shown
    assert not shown - NAMED, "metrics that docs/operations.md does not name"


def test_log_events_are_documented():
    logged = set()
    for path in CODE:
        logged |= set(re.findall(r'log::(?:Debug|Info|Warning|Error)\(\s*"([a-z_]+)"', path.read_text()))
    assert "started" in logged
    assert not logged - NAMED, "log events that docs/operations.md does not name"


def test_audit_events_are_documented():
    header = (ROOT / "common/logging/audit.h").read_text()
    recorded = set(re.findall(r'constexpr std::string_view k\w+ = "([a-z_]+)"', header))
    assert "connected" in recorded
    assert not recorded - NAMED, "audit events that docs/operations.md does not name"
