"""Google Benchmark programs of the build."""

import json
import os
import subprocess
import sys
from pathlib import Path

LIMIT_SECONDS = 60


def run(plan):
    results = []
    folder = plan.folder("micro")
    for path in sorted(Path(plan.build_dir).rglob("*_benchmark")):
        if not path.is_file() or not os.access(path, os.X_OK):
            continue
        out = folder / f"{path.name}.json"
        try:
            subprocess.run([path, f"--benchmark_min_time={0.05 if plan.quick else 0.2}", f"--benchmark_out={out}",
                            "--benchmark_out_format=json"],
                           check=True, capture_output=True, timeout=LIMIT_SECONDS)
            runs = json.loads(out.read_text())["benchmarks"]
        except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
            print(f"bench: {path.name}: {error}", file=sys.stderr)
            continue
        results += [dict(program=path.name, **entry) for entry in runs if entry.get("run_type") != "aggregate"]
    return results
