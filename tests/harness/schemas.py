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
