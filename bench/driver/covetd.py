"""Covet as the benchmarks run it: limits lifted, one signing key, and what the loads do granted."""

import os

from harness import credentials
from harness.config import merged
from harness.deployment import Deployment

ROLE = "bench"


def deployment(plan, folder, grants, config=None, mode="all"):
    """Not started yet. `grants` are (action, pattern); `config` is added to the rest."""
    os.environ["COVETD"] = str(plan.program("covetd"))
    base = {
        "edge": {"threads": plan.threads, "drain_window": "0s"},
        "limits": {"unlimited": True},
        "auth": {"jwt": {"keys": [{"kid": credentials.KEY_ID, "algorithm": "HS256", "secret": {"value": credentials.SECRET}}]}},
        "roles": {ROLE: {"grants": [{"action": action, "pattern": pattern} for action, pattern in grants]}},
        "peers": {"cluster_key": {"value": credentials.CLUSTER_KEY}},
    }
    covet = Deployment(mode, folder.resolve(), base=merged(base, config))
    for process in covet.processes.values():
        for setting in plan.settings:
            process.arguments += ["--set", setting]
    return covet


def token_options(role=ROLE):
    """With these the loads make tokens that `deployment` accepts."""
    return [f"--jwt_secret={credentials.SECRET}", f"--jwt_key_id={credentials.KEY_ID}", f"--jwt_roles={role}"]
