"""Counts what the stages of ./dev test left behind and prints what was skipped, by its reasons, and `N passed, N failed`.

Reads gtest's JSON files, pytest's and ctest's JUnit files and checks.txt. A test program that died before
it wrote its JSON counts as one failure.
"""

import collections
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


# What each of these yields: name, `pass`, `fail` or `skip`, and why it was skipped, where that is told.


def gtest_outcomes(path):
    report = json.loads(path.read_text())
    for suite in report["testsuites"]:
        for case in suite["testsuite"]:
            name = f"{path.parent.name}: {suite['name']}.{case['name']}"
            if case.get("result") == "SKIPPED" or case.get("status") == "NOTRUN":
                yield name, "skip", None
            else:
                yield name, "fail" if case.get("failures") else "pass", None


def junit_outcomes(path):
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{path.stem}: {case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "fail", None
        elif (skipped := case.find("skipped")) is not None:
            yield name, "skip", skipped.get("message")
        else:
            yield name, "pass", None


def ctest_outcomes(path):
    """Programs that failed without a JSON report, e.g. by a crash or a sanitizer's exit."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.get("status") != "fail":
            continue
        report = path.parent / f"{case.get('name')}.json"
        reported = report.exists() and any(o == "fail" for _, o, _ in gtest_outcomes(report))
        if not reported:
            yield f"{path.parent.name}: {case.get('name')} (the program failed)", "fail", None


def check_outcomes(path):
    for line in path.read_text().splitlines():
        outcome, name = line.split(" ", 1)
        yield name, outcome, None


def main():
    root = pathlib.Path(sys.argv[1])
    outcomes = []
    for path in sorted(root.rglob("*.json")):
        outcomes += gtest_outcomes(path)
    for path in sorted(root.rglob("*.xml")):
        outcomes += ctest_outcomes(path) if path.name == "ctest.xml" else junit_outcomes(path)
    if (root / "checks.txt").exists():
        outcomes += check_outcomes(root / "checks.txt")
    count = collections.Counter(outcome for _, outcome, _ in outcomes)
    for name, outcome, _ in outcomes:
        if outcome == "fail":
            print(f"FAILED {name}")
    skipped = collections.Counter(why or name for name, outcome, why in outcomes if outcome == "skip")
    for why, times in skipped.items():
        print(f"{times} skipped: {why}")
    print(f"{count['pass']} passed, {count['fail']} failed")
    return 1 if count["fail"] or not count["pass"] else 0


if __name__ == "__main__":
    sys.exit(main())
