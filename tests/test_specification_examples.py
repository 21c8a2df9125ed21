"""The specification's examples of the client libraries (tests/specification), unchanged but for address and token."""

import asyncio

import pytest

from harness import credentials
from harness.client_agent import NO_JS, ROOT
from harness.examples import TOKEN, URL, Example, prepare
from harness.pages import Block
from harness.proxy import Proxy

FILES = {"js": "tests/specification/client.mjs", "python": "tests/specification/client.py"}


@pytest.mark.parametrize("language", FILES)
async def test_example(make_covet, postgres, tmp_path, language):
    if language == "js" and NO_JS:
        pytest.skip(NO_JS)
    prepare(tmp_path)
    block = Block(FILES[language], 1, language, (ROOT / FILES[language]).read_text(), "", "")
    async with Proxy(f"127.0.0.1:{postgres.port}") as database:
        address = {"port": int(database.address.rpartition(":")[2]), "connect_timeout": "5m"}
        covet = await asyncio.to_thread(make_covet, databases={"db_conn_123": postgres.config | address})
        # The call is answered once metrics have come.
        database.stall()
        async with Example(block, tmp_path, {URL: covet.ws_url, TOKEN: credentials.token()}) as program:
            await program.said("Received metrics: {")
            database.go()
            called = asyncio.to_thread(covet.edge.wait_log, "rpc_call", method="database.test_connection", code="OK")
            if language == "js":
                await called
                # It follows the stream until it is ended.
                assert program.running, program.lines
            else:
                await asyncio.gather(called, program.ends())
                results = [line for line in program.lines if line.startswith("Connection test result: {'success': True")]
                assert len(results) == 1, program.lines
