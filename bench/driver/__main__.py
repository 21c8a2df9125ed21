"""Runs the benchmarks: every server in turn, round by round, under the same load on the same machine."""

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from driver import machine, micro, report, rpc
from driver.processes import BenchError, find_program, fresh_dir, raise_file_limit
from driver.scenarios import SCENARIOS
from driver.targets import DEFAULT_EVENT_BYTES, make_targets

RUN_LIMIT_SECONDS = 120


def parse_arguments():
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, smaller where connections are many")
    parser.add_argument("--only", action="append", choices=[*names, "rpc", "micro"],
                        help="this scenario alone; may be repeated; micro is the Google Benchmark programs")
    parser.add_argument("--targets", help="these servers alone, e.g. covet,socket.io; floor is the floor with as many "
                                          "threads as the edge")
    parser.add_argument("--rounds", type=int, help="rounds of every scenario (default 3, with --quick 1)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(),
                        help="threads of Covet's edge and of the floor (default: one per core)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings",
                        help="a setting for covetd")
    parser.add_argument("--load", action="append", default=[], metavar="OPTION",
                        help="an option for covet-load, after the scenario's own")
    parser.add_argument("--markdown", metavar="PAGE", type=Path,
                        help="also put the tables into this page, between its markers")
    parser.add_argument("--from", metavar="RESULTS", type=Path, dest="source",
                        help="print the tables of an earlier run's JSON instead of running")
    return parser.parse_args()


class Bench:
    def __init__(self, arguments, build_dir):
        self._arguments = arguments
        self._work_dir = fresh_dir(build_dir / "bench" / "work")
        self._load = find_program(build_dir, "covet-load")
        self.scenarios = [s for s in SCENARIOS if not arguments.only or s.name in arguments.only]
        if self._load is None and self.scenarios:
            raise BenchError(f"no covet-load in {build_dir}")
        self._floor = f"floor-{arguments.threads}"
        asked = None if arguments.targets is None else {self._name(t) for t in arguments.targets.split(",")}
        self._names = {}
        for scenario in self.scenarios:
            names = dict.fromkeys(self._name(target) for target in scenario.targets)
            self._names[scenario.name] = [n for n in names if asked is None or n in asked]
        wanted = dict.fromkeys(name for names in self._names.values() for name in names)
        self._targets = make_targets(wanted, self._work_dir, build_dir, arguments.threads, arguments.settings)

    def _name(self, target):
        return self._floor if target == "floor" else target

    def _run_load(self, target, options):
        with target.start() as server:
            out = self._work_dir / "load.json"
            command = [self._load, f"--url=ws://127.0.0.1:{server.port}", f"--server_pid={server.pid}",
                       f"--json={out}", *target.load_options(), *options]
            done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_LIMIT_SECONDS, check=False)
            if done.returncode != 0:
                raise BenchError(f"{target.name}: {done.stderr.strip()}; see {server.log_path}")
            if done.stderr:
                print(f"bench: {target.name}: {done.stderr.strip()[:500]}", file=sys.stderr)
            return json.loads(out.read_text())

    def measure_event_size(self):
        """The floor sends frames as long as Covet's own."""
        covet = self._targets.get("covet")
        size = DEFAULT_EVENT_BYTES
        if covet is not None:
            size = self._run_load(covet, ["--scenario=fanout", "--members=2", "--rate=50", "--warmup=0s",
                                          "--duration=0.5s", "--settle=0.2s"])["event_bytes"]
        for name in (self._floor, "floor-1"):
            if name in self._targets:
                self._targets[name].event_bytes = size
        return size

    def run_scenario(self, scenario):
        options = [*scenario.load, *(scenario.quick if self._arguments.quick else ()), *self._arguments.load]
        rounds = self._arguments.rounds or (1 if self._arguments.quick else 3)
        names = [name for name in self._names[scenario.name] if name in self._targets]
        results = {name: [] for name in names}
        for number in range(rounds):
            # Each round begins with another server, so that none has always the same neighbour.
            shift = number % max(1, len(names))
            for name in names[shift:] + names[:shift]:
                print(f"bench: {scenario.name} round {number + 1}/{rounds}: {name}", file=sys.stderr)
                try:
                    results[name].append(self._run_load(self._targets[name], options))
                except (BenchError, subprocess.TimeoutExpired) as error:
                    print(f"bench: {error}", file=sys.stderr)
        return {name: runs for name, runs in results.items() if runs}


def measure(arguments, build_dir):
    raise_file_limit()
    begin = time.monotonic()
    document = {
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["./dev bench", *sys.argv[1:]]),
        "machine": machine.describe(build_dir),
        "busy": machine.busy(),
        "quick": arguments.quick,
        "threads": arguments.threads,
        "results": {},
        "micro": [],
    }
    if document["busy"]:
        print("bench: the machine is busy; figures will mean little", file=sys.stderr)
    bench = Bench(arguments, build_dir)
    if bench.scenarios:
        document["event_bytes"] = bench.measure_event_size()
    for scenario in bench.scenarios:
        if results := bench.run_scenario(scenario):
            document["results"][scenario.name] = results
    if not arguments.only or "rpc" in arguments.only:
        rounds = arguments.rounds or (1 if arguments.quick else 3)
        short = ["--duration=1s", "--warmup=0.5s"] if arguments.quick else []
        document["rpc"] = rpc.run(build_dir, build_dir / "bench" / "work" / "rpc", arguments.threads, rounds, short)
    if not arguments.only or "micro" in arguments.only:
        print("bench: Google Benchmark programs", file=sys.stderr)
        document["micro"] = micro.run(build_dir, build_dir / "bench" / "work", 0.05 if arguments.quick else 0.2)
    document["seconds"] = time.monotonic() - begin
    return document


def main():
    arguments = parse_arguments()
    build_dir = Path(os.environ.get("BUILD_DIR", "build-release"))
    try:
        if arguments.source:
            document = json.loads(arguments.source.read_text())
        else:
            document = measure(arguments, build_dir)
            stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
            path = build_dir / "bench" / f"results-{stamp}.json"
            path.write_text(json.dumps(document, indent=1, ensure_ascii=False))
            print(f"bench: results in {path}", file=sys.stderr)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    text = report.render(document)
    print(text)
    if arguments.markdown:
        report.write_into(arguments.markdown, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
