"""The examples of the client libraries' pages, as programs.

A block that makes no client of its own goes on with the one that the page's first example has connected. What it prints is
said beside it, `prints …`; ids, times and numbers may differ."""

import asyncio
import os
import re
import sys
import textwrap

from harness import console
from harness.client_agent import JS_CLIENT, NODE, ROOT
from harness.process import TIMEOUT

PRINTS = re.compile(r"(?://|#) prints (.*)")
URL, TOKEN = "ws://localhost:8000/ws", "your_jwt_token"


def javascript(text):
    """A module that runs a block."""
    name = "CovetPyWebSocketClient"
    parts = [text]
    if not re.search(rf"import \{{[^}}]*\b{name}\b", text):
        parts.insert(0, f"import {{ {name} }} from '@covetpy/client';")
    if "const client =" not in text:
        parts.insert(1, f"const client = new {name}({{ url: '{URL}', token: '{TOKEN}' }});\nawait client.connect();")
        parts.append("await client.close();")
    return "\n".join(parts)


def python(text):
    """A script that runs a block."""
    if "asyncio.run(" in text:
        return text
    body = text
    if "client = WebSocketClient(" not in text:
        body = f'async with WebSocketClient(url="{URL}", token="{TOKEN}") as client:\n' + textwrap.indent(text, "    ")
    head = "import asyncio\nfrom covetpy.client import WebSocketClient\n\nasync def main():\n"
    return head + textwrap.indent(body, "    ") + "\nasyncio.run(main())\n"


LANGUAGES = {"js": (javascript, "example.mjs", [NODE]), "python": (python, "example.py", [sys.executable, "-u"])}


def prepare(folder):
    """Makes a folder in which examples find both libraries as they are built in the tree."""
    scope = folder / "node_modules/@covetpy"
    scope.mkdir(parents=True)
    (scope / "client").symlink_to(JS_CLIENT.parent.parent)


def expected(text):
    return [console.masked(line) for line in PRINTS.findall(text)]


class Example:
    """`async with Example(block, folder, words) as program`. `words` are replaced in its text. Runs until it ends by
    itself, which `check` waits for."""

    def __init__(self, block, folder, words, command=None):
        make, name, run = LANGUAGES[block.language]
        self.block = block
        self.lines = []
        text = make(block.text)
        for here, there in words.items():
            text = text.replace(here, there)
        self._file = folder / name
        self._file.write_text(text)
        self._command = [*(command or run), str(self._file)]
        self._changed = asyncio.Condition()

    async def __aenter__(self):
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "clients/python/src")}
        self._process = await asyncio.create_subprocess_exec(
            *self._command, cwd=self._file.parent, env=environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_):
        if self.running:
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self):
        async for line in self._process.stdout:
            async with self._changed:
                self.lines.append(line.decode().rstrip("\n"))
                self._changed.notify_all()

    @property
    def running(self):
        return self._process.returncode is None

    async def said(self, start):
        """Waits until it has printed a line that begins so."""
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(lambda: any(line.startswith(start) for line in self.lines)), TIMEOUT)
            except asyncio.TimeoutError:
                raise AssertionError(f"{self.block} has not said {start!r}: {self.lines}") from None

    async def ends(self):
        """Waits until it has ended, which it does without an error."""
        try:
            status = await asyncio.wait_for(self._process.wait(), TIMEOUT)
        except asyncio.TimeoutError:
            raise AssertionError(f"{self.block} has not ended: {self.lines}") from None
        await self._reading
        assert status == 0, f"{self.block} ended with {status}:\n" + "\n".join(self.lines)

    async def check(self):
        """It ends, and prints what its page says, nothing else."""
        await self.ends()
        assert {console.masked(line) for line in self.lines} == set(expected(self.block.text)), self.lines
