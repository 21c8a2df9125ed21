"""Runs the benchmarks: every server in turn, round by round, under the same load on the same machine."""

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from driver import changes, machine, micro, report, rpc, streams, uploads
from driver.load import Load
from driver.plan import make_plan
from driver.processes import BenchError, raise_file_limit
from driver.scenarios import SCENARIOS

PARTS = {"rpc": rpc, "streams": streams, "changes": changes, "uploads": uploads, "micro": micro}


def parse_arguments():
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, smaller where connections are many")
    parser.add_argument("--only", action="append", choices=[*names, *PARTS],
                        help="this part alone; may be repeated; micro is the Google Benchmark programs")
    parser.add_argument("--targets", help="these servers alone, e.g. covet,socket.io; floor is the floor with as many "
                                          "threads as the edge")
    parser.add_argument("--rounds", type=int, help="rounds of every part (default 3, with --quick 1)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(),
                        help="threads of Covet's edge and of the floor (default: one per core)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings",
                        help="a setting for covetd")
    parser.add_argument("--load", action="append", default=[], metavar="OPTION",
                        help="an option for covet-load, after the scenario's own")
    parser.add_argument("--markdown", metavar="PAGE", type=Path,
                        help="also put the tables into this page, between its markers")
    parser.add_argument("--from", action="append", default=[], metavar="RESULTS", type=Path, dest="sources",
                        help="show what an earlier run's JSON has too; may be repeated: of a part that several have measured "
                             "the last counts. Without --only nothing is run")
    return parser.parse_args()


def measure(arguments):
    raise_file_limit()
    begin = time.monotonic()
    plan = make_plan(arguments)
    document = {
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["./dev bench", *sys.argv[1:]]),
        "machine": machine.describe(plan.build_dir),
        "busy": machine.busy(),
        "quick": arguments.quick,
        "threads": arguments.threads,
        "results": {},
    }
    if document["busy"]:
        print("bench: the machine is busy; figures will mean little", file=sys.stderr)
    load = Load(plan, arguments.only, arguments.targets, arguments.load)
    if load.scenarios:
        load.measure_event_size()
    for scenario in load.scenarios:
        if results := load.run(scenario):
            document["results"][scenario.name] = results
    for name, part in PARTS.items():
        if not arguments.only or name in arguments.only:
            try:
                document[name] = part.run(plan)
            except (BenchError, AssertionError, OSError, subprocess.SubprocessError) as error:
                print(f"bench: {name}: {error}", file=sys.stderr)
    document["seconds"] = time.monotonic() - begin
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    path = plan.build_dir / "bench" / f"results-{stamp}.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False))
    print(f"bench: results in {path}", file=sys.stderr)
    return document


def main():
    arguments = parse_arguments()
    try:
        documents = [json.loads(source.read_text()) for source in arguments.sources]
        if arguments.only or not documents:
            documents.append(measure(arguments))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    text = report.render(*documents)
    print(text)
    if arguments.markdown:
        report.write_into(arguments.markdown, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
