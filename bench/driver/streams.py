"""Records/s from gRPC Publish to 1, 100 and 1,000 subscribers."""

import json
import subprocess
import sys

from driver import covetd
from driver.processes import BenchError

RUN_LIMIT_SECONDS = 120
# Subscribers, records in all: what is delivered is their product.
SHAPES = ((1, 2_000_000), (100, 40_000), (1000, 4_000))


def run(plan):
    """By number of subscribers, a list of rounds of covet-stream-load's figures."""
    results = {}
    grants = [("stream:publish", "*"), ("stream:read", "*")]
    config = {"streams": {"resources": [{"type": "events", "id": "orders"}]}}
    for _ in range(plan.rounds):
        for subscribers, records in SHAPES:
            print(f"bench: streams: {subscribers} subscribers", file=sys.stderr)
            records = records // 4 if plan.quick else records
            with covetd.deployment(plan, plan.folder("streams"), grants, config) as covet:
                command = [plan.program("covet-stream-load"), f"--target={covet.grpc_address('streams')}", f"--subscribers={subscribers}",
                           f"--records={records}", f"--server_pid={covet.process('streams').pid}", *covetd.token_options()]
                done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_LIMIT_SECONDS, check=False)
            if not done.stdout:
                raise BenchError(f"covet-stream-load: {done.stderr.strip()}")
            results.setdefault(str(subscribers), []).append(json.loads(done.stdout))
    return results
