"""README.md and the guides: each `console` block is run as it stands, against the demo configuration.

`pytest tests/test_console.py --write-console` puts what the commands print into the pages."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from harness import console
from harness.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
               if "```console" in page.read_text())


class Loader(yaml.SafeLoader):
    """Leaves times as they are written."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
DEMO = yaml.load((ROOT / "deploy/config/demo.yaml").read_text(), Loader)


def covet_token():
    return next(path for path in Path(os.environ["COVETD"]).parents[1].rglob("covet-token") if path.is_file())


@pytest.mark.parametrize("page", PAGES)
def test_console(page, make_covet, request):
    if not shutil.which("grpcurl") and "grpcurl" in (ROOT / page).read_text():
        pytest.skip("grpcurl is not installed, and could not be")
    demo = {key: value for key, value in DEMO.items() if key != "edge"}
    # The example backend, where a page starts it.
    shop = free_port()
    demo["backends"] = {"shop": {**demo["backends"]["shop"], "addresses": [f"127.0.0.1:{shop}"]}}
    covet = make_covet(limits={"unlimited": True}, **demo)
    # Links to files lead to this server.
    covet.edge.stop()
    covet.edge.config["files"] = {**covet.edge.config["files"], "public_url": f"http://{covet.http_address}"}
    covet.edge.start()
    shell = console.Shell(ROOT, os.environ | {"TALK_URL": covet.ws_url, "TALK_SECONDS": "3"}, {
        "127.0.0.1:8000": covet.http_address,
        "127.0.0.1:8001": covet.grpc_address(),
        "127.0.0.1:8002": covet.edge.config["admin"]["listen"],
        # Of servers that a page starts itself.
        **{f"127.0.0.1:{port}": f"127.0.0.1:{free_port()}" for port in (8010, 8011, 8012)},
        "build-release/tools/covetd/covetd": os.environ["COVETD"],
        "--port 50051": f"--port {shop}",
        "./dev token": str(covet_token()),
    })
    try:
        commands = console.commands(ROOT / page)
        outputs = [shell.run(command.text) for command in commands]
    finally:
        shell.close()
    if request.config.getoption("--write-console"):
        console.rewrite(ROOT / page, outputs)
        return
    for command, shown in zip(commands, outputs):
        missing, extra = console.differences(command.output, shown)
        assert not missing and not extra, f"{command.text}\nnot printed: {missing}\nprinted: {extra}"
