"""Prints the configuration of tests/compose: that of the deployment, and over it what the tests rely on."""

import pathlib
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from harness.config import BASE, merged  # noqa: E402


def main():
    deployed = yaml.safe_load((ROOT / "deploy/config/compose.yaml").read_text())
    base = merged(BASE)
    # Roles go on proving themselves to each other by what the deployment made.
    del base["peers"]
    # Keys of services come from the environment, which replaces them all: override.yml has both.
    del base["auth"]["api_keys"]
    result = merged(deployed, base)
    result["auth"]["jwt"]["keys"] = deployed["auth"]["jwt"]["keys"] + base["auth"]["jwt"]["keys"]
    result["streams"]["resources"] = deployed["streams"]["resources"] + [
        resource for resource in base["streams"]["resources"] if not known(deployed, resource)
    ]
    yaml.safe_dump(result, sys.stdout, sort_keys=False)


def known(config, resource):
    return any((r["type"], r["id"]) == (resource["type"], resource["id"]) for r in config["streams"]["resources"])


if __name__ == "__main__":
    main()
