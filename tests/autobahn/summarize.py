"""Summarises an Autobahn report (index.json) by section as Markdown; fails if a case did not pass.

usage: summarize.py INDEX_JSON [MARKDOWN_FILE]
"""

import collections
import json
import sys

SECTIONS = {
    "1": "Framing",
    "2": "Pings and pongs",
    "3": "Reserved bits",
    "4": "Opcodes",
    "5": "Fragmentation",
    "6": "UTF-8 handling",
    "7": "Close handling",
    "9": "Limits and performance",
    "10": "Auto-fragmentation",
    "12": "Compression, various payloads",
    "13": "Compression, various parameters",
}
# Autobahn's verdicts. NON-STRICT: allowed, though not what the suite prefers. UNIMPLEMENTED: an offer was declined.
VERDICTS = ["OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED"]
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED"}


def table(cases):
    counts = collections.defaultdict(collections.Counter)
    for case, result in cases.items():
        verdict = result["behavior"] if result["behavior"] in GOOD else "FAILED"
        if result["behaviorClose"] not in GOOD:
            verdict = "FAILED"
        counts[case.split(".")[0]][verdict] += 1
    lines = ["| section | cases | " + " | ".join(VERDICTS) + " |", "|---|---|" + "---|" * len(VERDICTS)]
    total = collections.Counter()
    for section in sorted(counts, key=int):
        count = counts[section]
        total += count
        cells = [str(count[verdict]) for verdict in VERDICTS]
        name = SECTIONS.get(section, "")
        lines.append(f"| {section} {name} | {sum(count.values())} | " + " | ".join(cells) + " |")
    cells = [str(total[verdict]) for verdict in VERDICTS]
    lines.append(f"| all | {sum(total.values())} | " + " | ".join(cells) + " |")
    return lines, total


def exceptions(cases):
    for case in sorted(cases, key=lambda text: [int(part) for part in text.split(".")]):
        result = cases[case]
        if result["behavior"] not in {"OK", "INFORMATIONAL"} or result["behaviorClose"] not in GOOD:
            yield f"- {case}: {result['behavior']}, close {result['behaviorClose']}"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        (cases,) = json.load(file).values()
    lines, total = table(cases)
    text = "\n".join(
        [
            "# WebSocket conformance",
            "",
            "The last full run of `./dev autobahn`: the fuzzing client of PyPI's `autobahntestsuite` 25.10.1 against",
            "`covet-echo`, an echo server over the edge's transport. The counts are of Autobahn's verdicts.",
            "",
            *lines,
            "",
        ]
    )
    unusual = list(exceptions(cases))
    if unusual:
        text += "\nNot plainly OK:\n\n" + "\n".join(unusual) + "\n"
    print(text, end="")
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w", encoding="utf-8") as file:
            file.write(text)
    return 1 if total["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
