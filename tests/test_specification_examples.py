"""The specification's examples of the client libraries (tests/specification), unchanged but for address and token."""

import asyncio
import shutil

import pytest

from harness import credentials
from harness.client_agent import JS_CLIENT, ROOT
from harness.examples import TOKEN, URL, Example, prepare
from harness.pages import Block

FILES = {"js": "tests/specification/client.mjs", "python": "tests/specification/client.py"}


@pytest.mark.parametrize("language", FILES)
async def test_example(make_covet, postgres, tmp_path, language):
    if language == "js" and not (shutil.which("node") and JS_CLIENT.exists()):
        pytest.skip("clients/js is not built: it needs Node.js and npm")
    covet = make_covet(databases={"db_conn_123": postgres.config})
    prepare(tmp_path)
    block = Block(FILES[language], 1, language, (ROOT / FILES[language]).read_text(), "", "")
    async with Example(block, tmp_path, {URL: covet.ws_url, TOKEN: credentials.token()}) as program:
        called = asyncio.to_thread(covet.edge.wait_log, "rpc_call", method="database.test_connection", code="OK")
        if language == "js":
            # It follows the stream until it is ended.
            await asyncio.gather(called, program.said("Received metrics: {"))
            assert program.running, program.lines
        else:
            await asyncio.gather(called, program.ends())
            results = [line for line in program.lines if line.startswith("Connection test result: {'success': True")]
            assert len(results) == 1, program.lines
