"""How this run measures: what every part of the driver is told."""

import os
from dataclasses import dataclass
from pathlib import Path

from driver.processes import BenchError, find_program, fresh_dir


@dataclass(frozen=True)
class Plan:
    build_dir: Path
    threads: int  # Of Covet's edge and of the floor.
    rounds: int
    quick: bool
    settings: tuple = ()  # For covetd, KEY=VALUE.

    def program(self, name):
        path = find_program(self.build_dir, name)
        if path is None:
            raise BenchError(f"no {name} in {self.build_dir}")
        return path

    def folder(self, *names):
        """An empty folder below the run's own."""
        return fresh_dir(Path(self.build_dir, "bench", "work", *names))


def make_plan(arguments):
    return Plan(build_dir=Path(os.environ.get("BUILD_DIR", "build-release")), threads=arguments.threads,
                rounds=arguments.rounds or (1 if arguments.quick else 3), quick=arguments.quick,
                settings=tuple(arguments.settings))
