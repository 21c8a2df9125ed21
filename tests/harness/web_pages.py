"""Pages in a headless Chromium. What one of them logs as an error, or asks of other machines, fails the test.

A Chromium for each test, not the one that agents share: over a DevTools address files are chosen slowly, a large one too slowly,
and pages in the background are hardly drawn."""

import urllib.parse

from playwright.async_api import async_playwright, expect

from harness import browser
from harness.process import TIMEOUT

expect.set_options(timeout=TIMEOUT * 1000)


class Pages:
    """`async with Pages() as pages: await pages.open(url)`. `expected` is how an error begins that belongs to the test."""

    def __init__(self, expected=None):
        self._expected = expected
        self._contexts = []
        self.errors = []

    async def __aenter__(self):
        self._playwright = await async_playwright().start()
        self._browser = await self._playwright.chromium.launch(executable_path=browser.PROGRAM, args=["--disable-dev-shm-usage"], timeout=TIMEOUT * 1000)
        return self

    async def __aexit__(self, kind, *_):
        for context in self._contexts:
            await context.close()
        await self._browser.close()
        await self._playwright.stop()
        if kind is None:
            assert not self.errors

    async def open(self, url, **options):
        """A page of somebody of its own: nobody shares its storage."""
        context = await self._browser.new_context(**options)
        context.set_default_timeout(TIMEOUT * 1000)
        self._contexts.append(context)
        page = await context.new_page()
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._on_request)
        await page.goto(url)
        return page

    def _on_console(self, message):
        if message.type in ("error", "warning") and not (self._expected and message.text.startswith(self._expected)):
            self.errors.append(f"{message.type}: {message.text}")

    def _on_request(self, request):
        parts = urllib.parse.urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            self.errors.append(f"asks {request.url}")
