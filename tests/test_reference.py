"""The API references of the client libraries can be made from their comments, and no public name is without one."""

import subprocess
import sys

import pytest

from harness.client_agent import ROOT

JS = ROOT / "clients/js"
TYPEDOC = JS / "node_modules/.bin/typedoc"


@pytest.mark.skipif(not TYPEDOC.exists(), reason="the packages of clients/js are not installed: they need Node.js and npm")
def test_every_name_of_the_javascript_client_is_documented(tmp_path):
    # Its configuration makes a name without a comment an error.
    done = subprocess.run([TYPEDOC, "--out", str(tmp_path / "pages")], cwd=JS, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "pages/classes/CovetPyWebSocketClient.html").exists()


def undocumented(members):
    """Public names without a docstring, those of Python's own classes aside."""
    import pdoc.doc

    for member in members:
        if member.name.startswith("_") or not member.taken_from[0].startswith("covetpy"):
            continue
        if not member.docstring.strip():
            yield member.fullname
        if isinstance(member, pdoc.doc.Class):
            yield from undocumented(member.members.values())


def test_every_name_of_the_python_client_is_documented(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "clients/python/src"))
    import pdoc.doc

    import covetpy.client

    module = pdoc.doc.Module(covetpy.client)
    assert {"WebSocketClient", "Room", "RpcError", "Token"} <= module.members.keys()
    assert not list(undocumented(module.members.values()))
    monkeypatch.setattr(covetpy.client.Gap, "__doc__", "")
    assert list(undocumented([pdoc.doc.Module(covetpy.client).members["Gap"]])) == ["covetpy.client.Gap"]

    command = [sys.executable, "-m", "pdoc", "--output-directory", str(tmp_path), "covetpy.client"]
    environment = {"PYTHONPATH": str(ROOT / "clients/python/src"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WebSocketClient" in (tmp_path / "covetpy/client.html").read_text()
