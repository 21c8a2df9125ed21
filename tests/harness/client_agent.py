"""A client library in a process of its own, driven by commands; see agents/."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

from harness.process import TIMEOUT

ROOT = Path(__file__).resolve().parent.parent.parent
AGENTS = ROOT / "tests/harness/agents"
JS_CLIENT = ROOT / "clients/js/dist/index.js"
NODE = os.environ.get("COVET_TEST_NODE", "node")
# Why the JavaScript client cannot be run; None where it can.
NO_JS = None if shutil.which(NODE) and JS_CLIENT.exists() else "clients/js is not built: it needs Node.js 18 or newer, and npm"
COMMANDS = {
    # Another one shows that the library holds what it says of old versions: an environment with `websockets`.
    "python": [os.environ.get("COVET_TEST_PYTHON", sys.executable), str(AGENTS / "agent.py"), str(ROOT / "clients/python/src")],
    "js": [NODE, str(AGENTS / "agent.mjs"), str(JS_CLIENT)],
}


class AgentError(Exception):
    """What a command failed with; `type` is the class's name, which both libraries share."""

    def __init__(self, error):
        super().__init__(str(error))
        self.type = error["type"]
        self.code = error.get("code")
        self.reason = error.get("reason")
        self.details = error.get("details")
        self.status = error.get("status")
        self.close_code = error.get("close_code")
        self.rate_limit = error.get("rate_limit")
        self.cause = error.get("cause")


class Agents:
    """Makes agents of one platform: `async with agents() as agent: await agent.do('connect', url=…)`. `origin` is where a page
    comes from; programs have none."""

    def __init__(self, platform, make):
        self.platform = platform
        self._make = make

    def __call__(self, origin=None):
        return self._make(origin)


class ClientAgent:
    """The library in a process of its own."""

    def __init__(self, language):
        self._command = COMMANDS[language]
        self._answers = {}
        self._changed = asyncio.Condition()
        self.events = []

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(*self._command, stdin=asyncio.subprocess.PIPE,
                                                             stdout=asyncio.subprocess.PIPE, limit=1 << 26)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, kind, *_):
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), TIMEOUT)
        except asyncio.TimeoutError:
            self._process.kill()
            raise
        await self._reading
        if kind is None:
            assert self._process.returncode == 0, f"the agent has ended with {self._process.returncode}; see its standard error"

    def start(self, command, **args):
        """A future of the command's answer."""
        number = len(self._answers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        self._send(json.dumps({"id": number, "command": command, "args": args}))
        return asyncio.ensure_future(asyncio.wait_for(self._answers[number], TIMEOUT * 2))

    async def do(self, command, **args):
        return await self.start(command, **args)

    async def until(self, condition, what):
        """Until it holds; asked after each event."""
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(condition), TIMEOUT * 2)
            except asyncio.TimeoutError:
                raise AssertionError(f"not yet: {what}; the last events: {self.events[-5:]}") from None

    def told(self, event):
        """Those of that name that have come so far."""
        return [told for told in self.events if told["event"] == event]

    async def take(self, event, count=1, of=None):
        """The first `count` events of that name, once there are so many."""
        found, seen = [], 0

        def enough():
            # Of thousands of events, each is looked at once.
            nonlocal seen
            found.extend(told for told in self.events[seen:] if told["event"] == event and (of is None or told.get("of") == of))
            seen = len(self.events)
            return len(found) >= count

        await self.until(enough, f"{count} {event}")
        return found[:count]

    async def items(self, event, count=1, of=None):
        return [told["item"] for told in await self.take(event, count, of)]

    def _send(self, line):
        self._process.stdin.write(line.encode() + b"\n")

    async def _read(self):
        async for line in self._process.stdout:
            await self._hear(line)

    async def _hear(self, line):
        told = json.loads(line)
        if "id" in told:
            answer = self._answers[told["id"]]
            if answer.done():
                return
            if "error" in told:
                answer.set_exception(AgentError(told["error"]))
            else:
                answer.set_result(told["result"])
            return
        async with self._changed:
            self.events.append(told)
            self._changed.notify_all()
