"""The JavaScript client in a page of a running Chromium, driven by the same commands as in Node.js."""

import asyncio
from urllib.parse import urlsplit

from playwright.async_api import async_playwright

from harness.client_agent import AGENTS, JS_CLIENT, ClientAgent

# A secure context, as every `localhost` is. Nothing serves it: requests to a page's origin are answered from the two folders,
# files aside.
ORIGIN = "http://covet.localhost"
FOLDERS = {"client": JS_CLIENT.parent, "agents": AGENTS}
PAGE = """<!doctype html><script type="module">
  import * as library from '/client/index.js';
  import {SOURCES, agent} from '/agents/commands.mjs';

  // What is said in one turn goes out at once: each way out of the page is long.
  let lines = [];
  const flush = () => {
    window.say(lines.join('\\n'));
    lines = [];
  };
  const say = (line) => {
    if (lines.push(JSON.stringify(line)) === 1) setTimeout(flush);
  };
  window.carryOut = agent(library, new URL('/client/index.js', location.href).href, say, SOURCES);
</script>"""


async def _answer(route):
    folder, _, name = urlsplit(route.request.url).path[1:].partition("/")
    if not folder:
        await route.fulfill(content_type="text/html", body=PAGE)
    elif folder in FOLDERS:
        await route.fulfill(content_type="text/javascript", path=FOLDERS[folder] / name)
    elif folder == "files":
        await route.continue_()
    else:
        await route.fulfill(status=404)


class PageAgent(ClientAgent):
    """`async with PageAgent(chromium) as agent`. What the page throws and nobody catches fails the test."""

    def __init__(self, chromium, origin=None):
        super().__init__("js")
        self._origin = origin or ORIGIN
        self._chromium = chromium
        self._said = asyncio.Queue()
        self._to_do = asyncio.Queue()
        self._errors = []

    async def __aenter__(self):
        self._playwright = await async_playwright().start()
        browser = await self._playwright.chromium.connect_over_cdp(self._chromium.url)
        # Chromium asks before a page reaches loopback.
        self._context = await browser.new_context(permissions=["local-network-access"])
        self._page = await self._context.new_page()
        self._page.on("pageerror", lambda error: self._errors.append(str(error)))
        await self._page.expose_function("say", self._said.put_nowait)
        await self._page.route(f"{self._origin}/**", _answer)
        await self._page.goto(self._origin)
        await self._page.wait_for_function("() => window.carryOut !== undefined")
        self._tasks = [asyncio.create_task(work()) for work in (self._read, self._write)]
        return self

    async def __aexit__(self, kind, *_):
        if kind is None:
            await self.do("close")
        for task in self._tasks:
            task.cancel()
        await self._context.close()
        await self._playwright.stop()
        if kind is None:
            assert not self._errors

    def _send(self, line):
        self._to_do.put_nowait(line)

    async def _read(self):
        while True:
            for line in (await self._said.get()).split("\n"):
                await self._hear(line)

    async def _write(self):
        while True:
            await self._page.evaluate("(line) => void window.carryOut(line)", await self._to_do.get())
