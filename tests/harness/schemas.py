"""The JSON Schemas of docs/asyncapi.yaml, ready for checking messages."""

import functools
import json
import pathlib

import jsonschema
import referencing
import yaml

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


@functools.cache
def asyncapi():
    return yaml.safe_load((DOCS / "asyncapi.yaml").read_text())


CLIENT, SERVER = "receive", "send"  # Who sends, by what the server does.


def messages_of(action):
    """The message names that the document's operations with this action have, replies included."""
    names = set()
    for operation in asyncapi()["operations"].values():
        refs = operation["messages"] if operation["action"] == action else []
        if action == SERVER:
            refs = refs + operation.get("reply", {}).get("messages", [])
        names.update(ref["$ref"].rsplit("/", 1)[1] for ref in refs)
    return names


@functools.cache
def validators():
    """Message type → validator."""
    schemas = {path.name: json.loads(path.read_text()) for path in (DOCS / "schemas").glob("*.json")}
    registry = referencing.Registry().with_resources(
        (name, referencing.Resource.from_contents(schema)) for name, schema in schemas.items()
    )
    result = {}
    for name, message in asyncapi()["components"]["messages"].items():
        file = message["payload"]["$ref"].removeprefix("schemas/")
        jsonschema.Draft7Validator.check_schema(schemas[file])
        result[name] = jsonschema.Draft7Validator(schemas[file], registry=registry)
    return result


def check(message):
    """Fails with all that is wrong with a message of either side."""
    kind = message.get("type")
    assert kind in validators(), f"undocumented message type: {message}"
    errors = sorted(validators()[kind].iter_errors(message), key=lambda e: list(e.absolute_path))
    assert not errors, f"{message}\nviolates schemas/{kind}.json: " + "; ".join(
        f"{'/'.join(map(str, e.absolute_path)) or '(message)'}: {e.message}" for e in errors
    )
