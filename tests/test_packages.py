"""The client libraries as packages. Each is built as its users get it and installed, by the commands of its page
(clients/js/README.md, clients/python/README.md), where nothing else is; then the page's first example runs."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from harness import credentials, pages
from harness.deployment import Deployment
from harness.examples import LANGUAGES, TOKEN, URL, Example

ROOT = pages.ROOT
# What npm and pip say where there is no registry to ask.
NO_NETWORK = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|NewConnectionError|NameResolutionError|ConnectTimeout")


def run(command, folder, **options):
    """Runs what may ask a registry; skips the test where there is none."""
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if done.returncode != 0 and NO_NETWORK.search(done.stdout + done.stderr):
        pytest.skip(f"no package registry can be reached for: {command}")
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def covet(tmp_path_factory):
    with Deployment("all", tmp_path_factory.mktemp("packages")) as deployment:
        yield deployment


def page_of(client):
    """The install commands and the first example of its page."""
    blocks = pages.blocks(f"clients/{client}/README.md")
    return (next(block.text for block in blocks if block.heading == "Install"),
            next(block for block in blocks if block.language in LANGUAGES))


@pytest.fixture
def checkout(tmp_path):
    """A project beside a checkout, of which there are only the clients' sources."""
    leave_out = shutil.ignore_patterns("node_modules", "dist", "build", "*.egg-info", "__pycache__", "*.tgz")
    shutil.copytree(ROOT / "clients", tmp_path / "covet/clients", ignore=leave_out)
    return tmp_path


def files_of_pages(module, seen=None):
    """The module, and what it imports whatever the platform."""
    seen = {module} if seen is None else seen
    for name in re.findall(r"""^(?:import|export)\b[^;]*?\bfrom ['"]([^'"]+)""", module.read_text(), re.MULTILINE):
        assert name.startswith("."), f"{module} imports {name}"
        imported = (module.parent / name).resolve()
        if imported not in seen:
            seen.add(imported)
            files_of_pages(imported, seen)
    return seen


async def runs(block, folder, covet, command=None):
    words = {URL: covet.ws_url, TOKEN: credentials.token("user_123")}
    async with Example(block, folder, words, command) as program:
        await program.check()


async def test_npm_package(checkout, covet):
    if not shutil.which("npm"):
        pytest.skip("there is no npm")
    install, example = page_of("js")
    (checkout / "package.json").write_text('{"private": true}')
    run(["bash", "-euc", install], checkout)
    installed = checkout / "node_modules/@covetpy/client"
    assert not installed.is_symlink()
    package = json.loads((installed / "package.json").read_text())
    files = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert {"package.json", "README.md", "dist/index.js", "dist/index.d.ts"} <= files
    assert {Path(file).suffix for file in files if file.startswith("dist/")} == {".js", ".ts"}
    assert all(file.startswith("dist/") for file in files - {"package.json", "README.md"})
    assert package["dependencies"].keys() == {"ws"}
    assert {path.name for path in (checkout / "node_modules").iterdir() if path.is_dir()} == {"@covetpy", "ws"}

    # A page needs nothing else: neither by itself, nor by way of a bundler.
    for module in files_of_pages(installed / "dist/index.js"):
        assert module.parent == installed / "dist", module
    tools = checkout / "covet/clients/js/node_modules/.bin"
    (checkout / "page.mjs").write_text(example.text)
    run([tools / "esbuild", "page.mjs", "--bundle", "--platform=browser", "--format=esm", "--metafile=meta.json",
         "--outfile=bundle.mjs"], checkout)
    bundled = json.loads((checkout / "meta.json").read_text())["inputs"]
    assert {Path(name).parent for name in bundled} == {Path("."), Path("node_modules/@covetpy/client/dist")}

    # Its types hold, under both ways to find them.
    program = checkout / "typed.mts"
    program.write_text(example.text.replace("event.sender.user_id, event.payload.text", "event.sender?.user_id, event.payload"))
    for module, resolution in (("nodenext", "nodenext"), ("es2022", "bundler")):
        run([tools / "tsc", "--noEmit", "--strict", "--target", "es2022", "--module", module, "--moduleResolution", resolution,
             program], checkout)
    await runs(example, checkout, covet)


def test_python_client_holds_to_its_types_and_its_oldest_version(tmp_path):
    run([sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path)], ROOT / "clients/python")
    run([str(Path(sys.executable).parent / "vermin"), "--target=3.9-", "--violations", "src"], ROOT / "clients/python")


async def test_python_package(checkout, covet):
    install, example = page_of("python")
    source = checkout / "covet/clients/python"
    built = checkout / "built"
    # The wheel is made from the sdist.
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(source)], checkout)
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    modules = {str(path.relative_to(source / "src")) for path in (source / "src/covetpy").rglob("*.py")}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata_file,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(metadata_file).decode())
    assert {name for name in names if ".dist-info/" not in name} == modules | {"covetpy/py.typed"}
    assert metadata["Name"] == "covetpy"
    assert metadata["Requires-Python"] == ">=3.9"
    assert metadata.get_all("Requires-Dist") == ["websockets>=13"]
    assert "## Connect" in metadata.get_payload()
    with tarfile.open(sdist) as archive:
        kept = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "pyproject.toml", "src/covetpy/py.typed", *(f"src/{name}" for name in modules)} <= kept

    venv = checkout / "venv"
    run([sys.executable, "-m", "venv", str(venv)], checkout)
    python = venv / "bin/python"
    run(["bash", "-euc", install], checkout, env={"PATH": f"{venv / 'bin'}:/usr/bin:/bin"})
    await runs(example, checkout, covet, [str(python), "-Iu"])
    run([python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", str(wheel)], checkout)
    await runs(example, checkout, covet, [str(python), "-Iu"])
