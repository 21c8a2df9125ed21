"""What each client library does: client_behaviours.yaml lists it, the modules here say how it is shown.

A behaviour is either data, `steps` that harness.steps carries out, or a function of its `id` in one of MODULES, which
takes fixtures as a test does, `agent` among them."""

import importlib
from pathlib import Path

import yaml

from harness import steps

LIST = Path(__file__).resolve().parent.parent / "client_behaviours.yaml"
MODULES = ("calls", "connecting", "conversation", "files", "notifications", "rooms", "streams")

BEHAVIOURS = {entry["id"]: entry for entry in yaml.safe_load(LIST.read_text())["behaviours"]}


def entry(name):
    """What the list says of a behaviour, for those whose functions have their material there."""
    return BEHAVIOURS[name]


def implementations():
    """id → function, of every module."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(f"behaviours.{name}")
        for function in vars(module).values():
            # Helpers begin with an underscore or come from elsewhere.
            if callable(function) and getattr(function, "__module__", "") == module.__name__ and not function.__name__.startswith("_"):
                assert function.__name__ not in found, function.__name__
                found[function.__name__] = function
    return found


def problems():
    """Where the list and the implementations disagree."""
    functions = implementations()
    for name, entry in BEHAVIOURS.items():
        if not {"title", "shows"} <= entry.keys():
            yield f"{name} has no title, or does not say what it shows"
        if name not in functions and "steps" not in entry:
            yield f"{name} has neither steps nor an implementation"
    for name in functions.keys() - BEHAVIOURS.keys():
        yield f"{name} is implemented, and not in the list"


def tests():
    """name → test function, for a test module to take up as its own."""
    functions = implementations()
    for name, entry in BEHAVIOURS.items():
        if name in functions:
            yield f"test_{name}", functions[name]
        elif "steps" in entry:
            yield f"test_{name}", _by_steps(entry)


def _by_steps(entry):
    async def by_steps(covet, agent, room, user):
        await steps.run(entry["steps"], covet, agent, entry.get("wrong"), room=room, user=user)

    by_steps.__name__ = f"test_{entry['id']}"
    by_steps.__doc__ = entry["title"]
    return by_steps
