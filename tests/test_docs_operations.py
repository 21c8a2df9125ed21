"""docs/operations.md names every metric, log event, audit event and alert, and none that there is not."""

import re
import urllib.request
from pathlib import Path

from harness import prometheus

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/operations.md").read_text()
NAMED = set(re.findall(r"`([a-z_]+)`", PAGE))
CODE = [path for folder in ("common", "edge", "services", "tools") for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".cc", ".h") and not path.stem.endswith(("_test", "_benchmark"))]


def events_of(section):
    """The names in the first column of a section's table."""
    (text,) = re.findall(rf"^## {section}\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]


async def test_metrics_are_documented(covet, room):
    async with covet.connect() as client:
        await client.request("join_room", {"room_id": room})
    shown = set()
    for process in covet.processes.values():
        with urllib.request.urlopen(f"http://{process.config['admin']['listen']}/metrics") as answer:
            shown |= set(re.findall(r"^# TYPE (covet_[a-z_]+) ", answer.read().decode(), re.MULTILINE))
    assert "covet_rooms_messages_total" in shown
    assert not shown - NAMED, "metrics that docs/operations.md does not name"


def test_documented_metrics_are_those_of_the_code():
    """Also those that show only with a backend, a certificate, a failure."""
    code = "\n".join(path.read_text() for path in CODE)
    # Programs and databases name other things so.
    known = set(re.findall(r'"(covet_[a-z_]+)"', code)) - {"covet_", "covet_streams", "covet_metrics"}
    # Those of a log on disk bear the role that keeps it.
    known |= {f"covet_{role}{name}" for role in ("rooms", "streams") for name in re.findall(r'prefix \+ "(_[a-z_]+)"', code)}
    assert known == {name for name in NAMED if name.startswith("covet_")}


def test_alerts_are_documented():
    headings = re.findall(r"^### (Covet\w+)$", PAGE, re.MULTILINE)
    assert headings == [rule["alert"] for rule in prometheus.rules()], "as the rules and in their order"


def test_links_lead_to_sections():
    anchors = {heading.lower().replace(" ", "-").replace(",", "") for heading in re.findall(r"^##+ (.+)$", PAGE, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([a-z-]+)\)", PAGE)) <= anchors


def test_log_events_are_documented():
    logged = set()
    for path in CODE:
        logged |= set(re.findall(r'log::(?:Debug|Info|Warning|Error|Write)\(\s*(?:[\w:]+,\s*)?"([a-z_]+)"', path.read_text()))
    assert {"started", "link_down"} <= logged
    assert sorted(logged) == sorted(events_of("Logs"))


def test_audit_events_are_documented():
    header = (ROOT / "common/logging/audit.h").read_text()
    recorded = set(re.findall(r'constexpr std::string_view k\w+ = "([a-z_]+)"', header))
    assert "connected" in recorded
    assert sorted(recorded) == sorted(events_of("Audit log"))
