"""The reference and its machine-readable form agree, and their examples are valid."""

import json
import re

import pytest

from harness import schemas

PAGE = (schemas.DOCS / "protocol.md").read_text()
EXAMPLES = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e['type']}-{e['id']}")
def test_every_example_of_the_page_is_valid(example):
    schemas.check(example)


def test_page_and_document_name_the_same_messages():
    headings = set(re.findall(r"^### ([a-z_]+)$", PAGE, re.MULTILINE))
    documented = set(schemas.asyncapi()["components"]["messages"])
    assert headings == documented
    assert {example["type"] for example in EXAMPLES} == documented


def test_every_message_has_a_direction_and_a_schema_file():
    document = schemas.asyncapi()
    assert document["asyncapi"].startswith("3.")
    documented = set(document["components"]["messages"])
    assert set(document["channels"]["connection"]["messages"]) == documented
    assert schemas.messages_of(schemas.CLIENT) | schemas.messages_of(schemas.SERVER) == documented
    files = {path.stem for path in (schemas.DOCS / "schemas").glob("*.json")}
    assert files - {"definitions"} == documented


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_of_the_document_leads_somewhere():
    document = schemas.asyncapi()
    for ref in references(document):
        if ref.startswith("#/"):
            node = document
            for part in ref[2:].split("/"):
                node = node[part]
        else:
            assert (schemas.DOCS / ref).is_file(), ref


def test_the_page_lists_every_error_code():
    table = set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE))
    schema = json.loads((schemas.DOCS / "schemas/definitions.json").read_text())
    assert table == set(schema["definitions"]["error_code"]["enum"])


@pytest.mark.parametrize(
    "change, complaint",
    [
        (lambda m: m.pop("timestamp"), "timestamp"),
        (lambda m: m["data"].update(undocumented=1), "undocumented"),
        (lambda m: m["data"].update(offset="44"), "offset"),
        (lambda m: m["data"].pop("sender"), "sender"),
    ],
)
def test_the_schemas_find_what_is_wrong(change, complaint):
    example = json.loads(json.dumps(next(e for e in EXAMPLES if e["type"] == "room_event")))
    change(example)
    with pytest.raises(AssertionError, match=complaint):
        schemas.check(example)
