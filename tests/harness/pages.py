"""The project's pages and their code blocks."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent.parent
COMMENT = re.compile(r"<!--\s*(.*?)\s*-->\s*", re.DOTALL)


@dataclass
class Block:
    page: str  # Its path from the root.
    line: int
    language: str  # '' for one that is indented, or does not say.
    text: str
    note: str  # The comment before it, '' if there is none.
    heading: str  # What it stands below.

    def __str__(self):
        return f"{self.page}:{self.line}"


def pages():
    """Every Markdown file that is kept, or is about to be."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT,
                            capture_output=True, text=True, check=True)
    return [page for page in sorted(set(listed.stdout.split())) if (ROOT / page).exists()]


def blocks(page):
    return list(parse((ROOT / page).read_text(), page))


def parse(text, page=""):
    note = heading = ""
    tokens = MarkdownIt().parse(text)
    for token, after in zip(tokens, [*tokens[1:], None]):
        if token.type == "heading_open":
            heading = after.content
        if token.type in ("fence", "code_block"):
            yield Block(page, token.map[0] + 1, token.info.split(" ")[0], token.content, note, heading)
        comment = COMMENT.fullmatch(token.content) if token.type == "html_block" else None
        note = comment[1] if comment else ""
