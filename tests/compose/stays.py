"""A client that stays: says `connected`, then how its connection ended. run.sh stops the deployment meanwhile."""

import asyncio
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from harness import credentials  # noqa: E402
from harness.client import Connecting  # noqa: E402

KNOWN = json.loads(pathlib.Path(os.environ["COVET_TEST_EXTERNAL"]).read_text())


async def main():
    async with Connecting(f"ws://{KNOWN['http']}/ws", token=credentials.token("stays")) as client:
        print("connected", flush=True)
        print("closed", *await client.closed())


if __name__ == "__main__":
    asyncio.run(main())
