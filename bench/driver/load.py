"""The scenarios of covet-load: every server in turn, round by round."""

import json
import subprocess
import sys

from driver.processes import BenchError
from driver.scenarios import SCENARIOS
from driver.targets import DEFAULT_EVENT_BYTES, make_targets

RUN_LIMIT_SECONDS = 120


class Load:
    """`only` are names of scenarios, `targets` of servers: None for all. `options` are added to those of each scenario."""

    def __init__(self, plan, only, targets, options):
        self._plan = plan
        self._options = options
        self._work_dir = plan.folder("load")
        self.scenarios = [s for s in SCENARIOS if not only or s.name in only]
        self._program = plan.program("covet-load") if self.scenarios else None
        self._floor = f"floor-{plan.threads}"
        asked = None if targets is None else {self._name(t) for t in targets.split(",")}
        self._names = {}
        for scenario in self.scenarios:
            names = dict.fromkeys(self._name(target) for target in scenario.targets)
            self._names[scenario.name] = [n for n in names if asked is None or n in asked]
        wanted = dict.fromkeys(name for names in self._names.values() for name in names)
        self._targets = make_targets(wanted, self._work_dir, plan)

    def _name(self, target):
        return self._floor if target == "floor" else target

    def _run_load(self, target, options):
        with target.start() as server:
            out = self._work_dir / "load.json"
            command = [self._program, f"--url=ws://127.0.0.1:{server.port}", f"--server_pid={server.pid}",
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

    def run(self, scenario):
        """By server, a list of rounds."""
        options = [*scenario.load, *(scenario.quick if self._plan.quick else ()), *self._options]
        names = [name for name in self._names[scenario.name] if name in self._targets]
        results = {name: [] for name in names}
        for number in range(self._plan.rounds):
            # Each round begins with another server, so that none has always the same neighbour.
            shift = number % max(1, len(names))
            for name in names[shift:] + names[:shift]:
                print(f"bench: {scenario.name} round {number + 1}/{self._plan.rounds}: {name}", file=sys.stderr)
                try:
                    results[name].append(self._run_load(self._targets[name], options))
                except (BenchError, subprocess.TimeoutExpired) as error:
                    print(f"bench: {error}", file=sys.stderr)
        return {name: runs for name, runs in results.items() if runs}
