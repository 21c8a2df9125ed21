"""What the pages tell people to type is run by a test, or says why it is not.

A block of commands or of a program is run if test_console or test_client_pages takes it. Otherwise a comment stands
right before it: `<!-- not run: the reason -->`, or `<!-- run by tests/test_….py -->` if another test takes it."""

import re

import pytest

import test_client_pages
import test_console
from harness import pages

TO_RUN = {"console", "sh", "bash", "shell", "js", "ts", "python"}
NOT_TO_RUN = {"json", "yaml", "toml", "ini", "proto", "sql", "text", "html", "promql"}


def problem(block):
    """What is wrong with a block; None if nothing is."""
    if block.language in NOT_TO_RUN:
        return None
    if block.language not in TO_RUN:
        return "needs a fence that says its language: " + " ".join(sorted(TO_RUN | NOT_TO_RUN))
    if re.fullmatch(r"not run: \S.*", block.note, re.DOTALL):
        return None
    if by := re.fullmatch(r"run by (tests/test_\w+\.py)", block.note):
        test = pages.ROOT / by[1]
        known = test.exists() and block.page in test.read_text()
        return None if known else f"{by[1]} does not name this page"
    if block in test_client_pages.EXAMPLES or block.language == "console" and block.page in test_console.PAGES:
        return None
    return "is run by no test; see tests/test_commands_in_pages.py"


def test_every_block_is_run_or_says_why_not():
    found = [block for page in pages.pages() for block in pages.blocks(page)]
    assert {"README.md", "docs/sources.md"} <= {block.page for block in found}
    problems = [f"{block} {what}" for block in found if (what := problem(block))]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("text, complaint", [
    ("```sh\nmake\n```", "is run by no test"),
    ("```console\n$ make\n```", "is run by no test"),
    ("```python\nprint()\n```", "is run by no test"),
    ("```\nmake\n```", "says its language"),
    ("Do this:\n\n    make\n", "says its language"),
    ("<!-- not run: -->\n```sh\nmake\n```", "is run by no test"),
    ("<!-- not run: it is only said here -->\n\nText.\n\n```sh\nmake\n```", "is run by no test"),
    ("<!-- run by tests/test_nothing.py -->\n```sh\nmake\n```", "does not name this page"),
])
def test_the_check_finds(text, complaint):
    (block,) = pages.parse(text, "docs/page.md")
    assert complaint in problem(block)


@pytest.mark.parametrize("text", [
    "<!-- not run: it installs packages -->\n```sh\nmake\n```",
    "<!-- not run: a long\nreason -->\n\n```sh\nmake\n```",
    "```json\n{}\n```",
])
def test_the_check_passes(text):
    (block,) = pages.parse(text, "docs/page.md")
    assert problem(block) is None
