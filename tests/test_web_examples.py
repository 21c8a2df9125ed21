"""The pages of deploy/examples/web in a headless Chromium, served by an edge, with connections that break between."""

import asyncio
import itertools
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from harness import browser, credentials
from harness.client_agent import JS_CLIENT
from harness.deployment import Deployment
from harness.web_pages import Pages
from harness.process import TIMEOUT
from harness.proxy import CLIENT, Proxy
from harness.uploads import random_bytes, sha256

ROOT = Path(__file__).resolve().parent.parent
STATIC = [{"path": "/", "directory": str(ROOT / "deploy/examples/web")}, {"path": "/client/", "directory": str(JS_CLIENT.parent)}]
# Chromium's own words for a connection that is refused while the test wants none to be.
REFUSED = "WebSocket connection to "

pytestmark = [
    pytest.mark.skipif(not browser.PROGRAM, reason="there is no Chromium"),
    pytest.mark.skipif(not JS_CLIENT.exists(), reason="clients/js is not built: it needs Node.js 18 or newer, and npm"),
]


def deployment(folder, **overrides):
    """One that serves the pages, not started yet; links to files lead to it."""
    made = Deployment("all", folder, {"edge": {"static_files": STATIC, "threads": 2}, **overrides})
    made.edge.config.setdefault("files", {})["public_url"] = f"http://{made.http_address}"
    return made


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    patterns = {"rooms": {"patterns": [{"pattern": "short_*", "retention": {"max_count": 5}}, {"pattern": "lobby_*"}]}}
    with deployment(tmp_path_factory.mktemp("site"), **patterns) as running:
        yield running


def address(at, page, user, **query):
    """The address of a page as its user's link has it; `at` is a deployment or a proxy before it."""
    host = at.ws_url.removeprefix("ws://").removesuffix("/ws")
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return f"http://{host}/{page}.html?{asked}#token={credentials.token(user)}"


async def state(page, name):
    await expect(page.locator("#status")).to_have_attribute("data-state", name)


async def opened(pages, url, **options):
    page = await pages.open(url, **options)
    await state(page, "online")
    return page


async def say(page, text):
    await page.locator("#text").fill(text)
    await page.locator("#text").press("Enter")


def words(page):
    """What has been said and is on the server, oldest first."""
    return page.locator(".message:not(.pending):not(.sent):not(.failed) .words")


async def hears(page, *texts):
    await expect(words(page)).to_have_text([*texts])


async def test_the_first_page_leads_to_the_others(site):
    async with Pages() as pages:
        page = await pages.open(f"http://{site.http_address}/#token={credentials.token('ada')}")
        for name in ("Chat", "Dashboard", "Upload"):
            await page.get_by_role("link", name=name, exact=True).click()
            await state(page, "online")
            await expect(page.locator("#user")).to_have_text("ada")
            # The token has left the address; it goes on in the tab's own storage.
            assert "token" not in page.url
            await page.get_by_role("link", name="Covet").click()


async def test_without_a_good_token_a_page_asks_for_one(site):
    async with Pages() as pages:
        page = await pages.open(f"http://{site.http_address}/chat.html")
        await state(page, "signed-out")
        field = page.get_by_label("Token")
        await field.fill("nonsense")
        await field.press("Enter")
        await expect(page.locator("#sign-in")).to_contain_text("refused")
        await page.get_by_label("Token").fill(credentials.token("ada", ttl=-10))
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator("#sign-in")).to_contain_text("has ended")
        await page.get_by_label("Token").fill(credentials.token("ada"))
        await page.get_by_role("button", name="Sign in").click()
        await state(page, "online")
        await expect(page.locator("#sign-in")).to_have_count(0)


async def test_a_chat_goes_on_with_another_token(tmp_path, room):
    with deployment(tmp_path) as running:
        async with Proxy(running.http_address) as proxy, Pages() as pages:
            page = await opened(pages, address(proxy, "chat", "ada", room=room))
            await say(page, "before")
            await hears(page, "before")
            # Tokens of another key only.
            secret = credentials.SECRET[::-1]
            running.edge.config["auth"]["jwt"]["keys"][0]["secret"] = {"value": secret}
            running.edge.reload()
            proxy.cut()
            await expect(page.locator("#sign-in")).to_contain_text("refused")
            await page.get_by_label("Token").fill(credentials.token("ada", secret=secret))
            await page.get_by_role("button", name="Sign in").click()
            await state(page, "online")
            await say(page, "after")
            await hears(page, "before", "after")


async def test_a_message_that_is_refused_can_be_sent_again(tmp_path, room):
    limits = {"limits": {"messages": "4/s"}}
    with deployment(tmp_path, **limits) as running:
        async with Pages() as pages:
            page = await opened(pages, address(running, "chat", "ada", room=room))
            # Faster than the limit lets them through.
            texts = [str(n) for n in range(12)]
            await page.evaluate("""texts => { for (const each of texts) {
                document.getElementById('text').value = each;
                document.getElementById('compose').requestSubmit();
            } }""", texts)
            await expect(page.locator(".message.failed").first).to_contain_text("possible again at")
            async with asyncio.timeout(TIMEOUT):
                while await page.locator(".message.failed, .message.pending, .message.sent").count():
                    again = page.get_by_role("button", name="Send again")
                    if await again.count():
                        await again.first.click()
                    await asyncio.sleep(0.3)
            assert sorted(await words(page).all_text_contents()) == sorted(texts)


async def test_two_chat(site, room):
    async with Pages() as pages:
        ada = await opened(pages, address(site, "chat", "ada", room=room))
        ben = await opened(pages, address(site, "chat", "ben", room=room))
        for page in (ada, ben):
            await expect(page.locator("#members .name")).to_have_text(["ada", "ben"])
        await ben.locator("#text").press_sequentially("hel")
        await expect(ada.locator("#typing")).to_have_text("ben is typing…")
        await say(ben, "hello")
        await hears(ada, "hello")
        await expect(ada.locator("#typing")).to_be_empty()
        # Markup is text, and lines stay lines.
        await say(ada, "<img src=x onerror=alert(1)>")
        await ada.locator("#text").fill("two")
        await ada.locator("#text").press("Shift+Enter")
        await ada.locator("#text").press_sequentially("lines")
        await ada.get_by_role("button", name="Send").click()
        for page in (ada, ben):
            await hears(page, "hello", "<img src=x onerror=alert(1)>", "two\nlines")
            await expect(page.locator("#messages img")).to_have_count(0)
        # Somebody who comes later gets the history, and nobody's typing.
        eve = await opened(pages, address(site, "chat", "eve", room=room))
        await hears(eve, "hello", "<img src=x onerror=alert(1)>", "two\nlines")
        await expect(eve.locator("#typing")).to_be_empty()
        await expect(eve.locator(".divider")).to_have_count(0)
        await eve.context.close()
        await expect(ada.locator("#members .name")).to_have_text(["ada", "ben"])


async def test_a_chat_loses_nothing_over_cuts(site, room):
    async with Proxy(site.http_address) as proxy, Pages(expected=REFUSED) as pages:
        ada = await opened(pages, address(proxy, "chat", "ada", room=room))
        ben = await opened(pages, address(site, "chat", "ben", room=room))
        await say(ben, "before")
        await hears(ada, "before")
        proxy.refuse()
        proxy.cut()
        await state(ada, "reconnecting")
        missed = [f"missed {n}" for n in range(20)]
        for text in missed:
            await say(ben, text)
        await hears(ben, "before", *missed)
        await say(ada, "written without a connection")
        await expect(ada.locator(".message.pending .note")).to_have_text("waits for a connection")
        proxy.refuse(False)
        await state(ada, "online")
        for page in (ada, ben):
            await hears(page, "before", *missed, "written without a connection")
        await expect(ada.locator(".divider.away")).to_have_count(1)
        await expect(ada.locator(".divider.gap")).to_have_count(0)
        # Cut at every message.
        for n in range(5):
            proxy.cut()
            await say(ada, f"after cut {n}")
        for page in (ada, ben):
            await hears(page, "before", *missed, "written without a connection", *(f"after cut {n}" for n in range(5)))
        await expect(ada.locator(".pending, .failed")).to_have_count(0)


async def test_a_chat_goes_offline_and_comes_back(site, room):
    async with Pages() as pages:
        ada = await opened(pages, address(site, "chat", "ada", room=room))
        ben = await opened(pages, address(site, "chat", "ben", room=room))
        await say(ben, "before")
        await hears(ada, "before")
        await ada.get_by_role("button", name="Go offline").click()
        await state(ada, "offline")
        await expect(ben.locator("#members .name")).to_have_text(["ben"])
        await say(ada, "kept")
        await say(ben, "meanwhile")
        await hears(ben, "before", "meanwhile")
        await ada.get_by_role("button", name="Go online").click()
        for page in (ada, ben):
            await hears(page, "before", "meanwhile", "kept")
        await expect(ada.locator(".divider.away")).to_have_count(1)


async def test_a_chat_tells_of_a_gap(site):
    async with Proxy(site.http_address) as proxy, Pages(expected=REFUSED) as pages, site.connect("other") as other:
        ada = await opened(pages, address(proxy, "chat", "ada", room="short_gap"))
        await other.join("short_gap")
        proxy.refuse()
        proxy.cut()
        await state(ada, "reconnecting")
        for n in range(2001):
            await other.request("room_message", {"room_id": "short_gap", "event_type": "chat", "payload": {"text": str(n)}})
        proxy.refuse(False)
        await expect(ada.locator(".divider.gap")).to_contain_text("no longer there")
        await expect(words(ada).last).to_have_text("2000")


async def test_rooms_change_and_may_be_refused(site, room):
    async with Pages() as pages:
        host = f"http://{site.http_address}/chat.html?room={room}"
        ada = await opened(pages, f"{host}#token={credentials.token('ada', ('member',))}")
        await say(ada, "here")
        await hears(ada, "here")
        await ada.get_by_label("Room", exact=True).fill("secret")
        await ada.get_by_role("button", name="Join").click()
        await expect(ada.get_by_role("alert")).to_contain_text("secret cannot be joined: You may not room:read")
        await expect(words(ada)).to_have_count(0)
        await ada.get_by_label("Room", exact=True).fill(room)
        await ada.get_by_label("Room", exact=True).press("Enter")
        await hears(ada, "here")
        await expect(ada.get_by_role("alert")).to_be_hidden()
        reader = await opened(pages, f"{host}#token={credentials.token('reader', ('viewer',))}")
        await hears(reader, "here")
        await expect(reader.locator("#text")).to_be_disabled()


def points(d):
    return re.findall(r"[ML][\d.]+ [\d.]+", d)


async def test_the_dashboard_draws_live_metrics(site):
    async with Proxy(site.http_address) as proxy, Pages(expected=REFUSED) as pages:
        page = await opened(pages, address(proxy, "dashboard", "ada"))
        lines = page.locator(".chart", has_text="CPU and memory").locator("path.line")
        await expect(lines).to_have_count(2)

        async def moves(times):
            """Draws anew so often, each time with something else."""
            drawn = {await lines.first.get_attribute("d")}
            async with asyncio.timeout(TIMEOUT):
                while len(drawn) <= times:
                    await asyncio.sleep(0.05)
                    drawn.add(await lines.first.get_attribute("d"))
            assert len(points(max(drawn, key=len))) > times

        await moves(5)
        await expect(page.locator(".chart", has_text="CPU and memory").locator(".legend")).to_have_text(re.compile(r"CPU \d+ %.*Memory \d+ %"))
        for title in ("Load", "Network"):
            await expect(page.locator(".chart", has_text=title).locator("path.line").first).to_have_attribute("d", re.compile(r"M[\d.]+ [\d.]+L"))
        # Nothing is missing after a break: the line does not end and begin anew.
        proxy.refuse()
        proxy.cut()
        await state(page, "reconnecting")
        proxy.refuse(False)
        await state(page, "online")
        await moves(5)
        assert (await lines.first.get_attribute("d")).count("M") == 1
        await expect(page.locator(".lost")).to_have_count(0)
        # The arrow keys read values.
        plot = page.locator(".chart", has_text="CPU and memory").locator("svg")
        await plot.focus()
        await plot.press("ArrowLeft")
        await expect(page.locator(".tip").first).to_contain_text("CPU")
        await expect(page.locator("#changes-note")).to_contain_text("follows no database")
        await page.get_by_label("1 min", exact=True).check()
        await moves(1)


async def test_the_axes_of_time_can_be_read_in_a_narrow_window(site):
    async with Pages() as pages:
        page = await opened(pages, address(site, "dashboard", "ada"), viewport={"width": 390, "height": 844})
        plot = page.locator(".chart", has_text="CPU and memory").locator("svg")
        await expect(plot.locator("text", has_text=":").nth(1)).to_be_attached()
        # In the next frame, which is drawn for what has been chosen, and all at once: it is drawn anew all the time.
        places = """plot => new Promise(resolve => requestAnimationFrame(() => resolve(
            [...plot.querySelectorAll('text')].filter(each => each.textContent.includes(':')).map(each => {
                const {left, right} = each.getBoundingClientRect();
                return [each.textContent, left, right];
            }))))"""
        told = []
        for span in ("1 min", "5 min", "15 min"):
            await page.get_by_label(span, exact=True).check()
            labels = await plot.evaluate(places)
            # Two of them tell how long a line is; they stand apart.
            assert len(labels) > 1 and all(right < left for (_, _, right), (_, left, _) in itertools.pairwise(labels)), labels
            told.append([text for text, _, _ in labels])
        assert told[0] != told[1] != told[2], told
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_the_dashboard_shows_changes_of_a_database(tmp_path, postgres):
    postgres.execute("CREATE TABLE IF NOT EXISTS web_orders (id int PRIMARY KEY, item text, price numeric)")
    postgres.execute("ALTER TABLE web_orders REPLICA IDENTITY FULL")
    overrides = {
        "databases": {"main": postgres.config},
        "streams": {"resources": [
            {"type": "metrics", "id": "db_conn_123", "durability": "MEMORY", "host": {"interval": "200ms", "database": "main"}},
            {"type": "database_changes", "id": "main", "database_changes": {"database": "main", "tables": ["web_orders"], "slot": "web_examples", "publication": "web_examples"}},
        ]},
    }
    with deployment(tmp_path, **overrides) as running:
        async with Pages() as pages:
            page = await opened(pages, address(running, "dashboard", "ada"))
            await expect(page.locator("#changes-note")).to_have_text("Nothing has changed yet.")
            rows = page.locator("#changes tr")
            async with asyncio.timeout(TIMEOUT):
                # Changes are followed from when the slot has been made.
                for n in itertools.count(1):
                    await asyncio.to_thread(postgres.execute, "INSERT INTO web_orders VALUES (%s, '<b>tea</b>', 2.50)", (n,))
                    if await rows.count():
                        break
                    await asyncio.sleep(0.2)
            await asyncio.to_thread(postgres.execute, "UPDATE web_orders SET price = 3.75 WHERE id = %s", (n,))
            await asyncio.to_thread(postgres.execute, "DELETE FROM web_orders WHERE id = %s", (n,))
            await expect(rows.first).to_contain_text("delete")
            await expect(rows.nth(1)).to_contain_text("price 2.53.75")
            await expect(rows.last).to_contain_text("<b>tea</b>")
            await expect(page.locator("#changes b")).to_have_count(0)
            for number, name in enumerate(("Inserts", "Updates", "Deletes"), 1):
                await expect(page.locator(f"#changes-chart rect.s{number}").first).to_be_visible()
                await expect(page.locator("#changes-chart .legend")).to_contain_text(re.compile(rf"{name} [1-9]"))
            await expect(page.locator(".chart", has_text="Transactions/s").locator("path.line").first).to_have_attribute("d", re.compile("L"))


# Chunks of `data` that pass before a proxy stalls: more than are in flight, and far from all.
PART = 40


@pytest.fixture
def data(tmp_path):
    """A file of 123 chunks."""
    path = tmp_path / "some data.bin"
    path.write_bytes(random_bytes(32_000_123))
    return path


async def sent(page):
    return await page.locator(".upload progress").evaluate("bar => bar.value / bar.max")


async def reach(page, part):
    async with asyncio.timeout(TIMEOUT):
        while await sent(page) < part:
            await asyncio.sleep(0.01)


async def downloaded(page, path):
    """The bytes behind the page's link."""
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download").click()
    await (await download.value).save_as(path)
    return path.read_bytes()


async def test_an_upload_goes_on_after_a_cut(site, data, tmp_path):
    async with Proxy(site.http_address) as proxy, Pages(expected=REFUSED) as pages:
        page = await opened(pages, address(proxy, "upload", "ada"))
        proxy.stall_after(CLIENT, PART)
        await page.locator("#files").set_input_files(data)
        await proxy.until(lambda: proxy.stalled)
        await reach(page, 0.1)
        # What does not move has no speed.
        await expect(page.locator(".says")).to_contain_text("waits for the server")
        proxy.refuse()
        proxy.cut()
        proxy.go()
        await expect(page.locator(".says")).to_contain_text("waits for the connection")
        assert 0.1 <= await sent(page) < 1
        proxy.refuse(False)
        await expect(page.locator(".upload.done")).to_have_count(1)
        await expect(page.locator(".digest")).to_have_text(f"SHA-256 {sha256(data.read_bytes())}")
        assert await downloaded(page, tmp_path / "downloaded") == data.read_bytes()
        assert proxy.accepted > 1


async def test_an_upload_pauses_and_goes_on_when_the_page_is_loaded_again(site, data, tmp_path):
    async with Proxy(site.http_address) as proxy, Pages() as pages:
        page = await opened(pages, address(proxy, "upload", "ada"))
        proxy.stall_after(CLIENT, PART)
        await page.locator("#files").set_input_files(data)
        await proxy.until(lambda: proxy.stalled)
        await reach(page, 0.1)
        await page.get_by_role("button", name="Pause").click()
        proxy.go()
        await expect(page.locator(".says")).to_contain_text("paused")
        assert await sent(page) < 1
        await page.reload()
        await state(page, "online")
        await expect(page.locator(".upload.unfinished")).to_contain_text("Choose the file again")
        sent_before = proxy.messages[CLIENT]
        await page.locator("#files").set_input_files(data)
        await expect(page.locator(".upload.done")).to_have_count(1)
        # Some of the chunks were there.
        assert proxy.messages[CLIENT] - sent_before < 123
        assert await downloaded(page, tmp_path / "downloaded") == data.read_bytes()
        await page.reload()
        await state(page, "online")
        await expect(page.locator(".upload")).to_have_count(0)


async def test_files_are_dropped(site):
    async with Pages() as pages:
        page = await opened(pages, address(site, "upload", "ada"))
        await page.evaluate("""() => {
            const carried = new DataTransfer();
            carried.items.add(new File(['one'], 'one.txt', {type: 'text/plain'}));
            carried.items.add(new File(['two'], 'two.txt', {type: 'text/plain'}));
            document.getElementById('drop').dispatchEvent(new DragEvent('drop', {dataTransfer: carried, bubbles: true, cancelable: true}));
        }""")
        await expect(page.locator(".upload.done .file")).to_have_text(["two.txt", "one.txt"])


async def test_an_upload_is_cancelled(site, data):
    async with Proxy(site.http_address) as proxy, Pages() as pages:
        page = await opened(pages, address(proxy, "upload", "ada"))
        proxy.stall_after(CLIENT, PART)
        await page.locator("#files").set_input_files(data)
        await proxy.until(lambda: proxy.stalled)
        await reach(page, 0.1)
        await page.get_by_role("button", name="Cancel").click()
        proxy.go()
        await expect(page.locator(".upload")).to_have_count(0)
        assert await page.evaluate("localStorage.getItem('covet.uploads')") == "[]"


async def test_a_refused_upload_says_why(tmp_path):
    small = {"files": {"default_limits": {"max_file_bytes": "1KiB"}}}
    with deployment(tmp_path, **small) as running:
        async with Pages() as pages:
            page = await opened(pages, address(running, "upload", "ada"))
            await page.locator("#files").set_input_files({"name": "big.bin", "mimeType": "application/x-test", "buffer": b"x" * 2000})
            await expect(page.locator(".upload.failed")).to_contain_text("Not uploaded")


async def test_a_page_that_is_not_there(site):
    async with Pages() as pages:
        page = await pages.open(f"http://{site.http_address}/")
        answer = await page.request.get(f"http://{site.http_address}/none.html")
        assert answer.status == 404 and "Nothing here" in await answer.text()
