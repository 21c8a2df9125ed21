"""Files that the edge serves: what is there, what is not, and that nothing else can be reached."""

import http.client

import pytest


@pytest.fixture
def site(make_covet, tmp_path):
    """(deployment, directory): what `directory` holds is at /, and /app/ has a directory of its own."""
    root = tmp_path / "site"
    (root / "deep").mkdir(parents=True)
    (root / "index.html").write_text("home")
    (root / "404.html").write_text("nothing here")
    (root / "deep/data.bin").write_bytes(bytes(range(256)) * 4096)
    (root / ".hidden").write_text("hidden")
    (tmp_path / "secret.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    app = tmp_path / "app"
    app.mkdir()
    (app / "index.html").write_text("app")
    files = [{"path": "/", "directory": str(root)}, {"path": "/app/", "directory": str(app)}]
    return make_covet(edge={"static_files": files}), root


def ask(covet, target, method="GET", headers=None):
    """(status, headers, body). The target goes out as it is."""
    connection = http.client.HTTPConnection(covet.http_address, timeout=60)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def test_what_is_there_is_served(site):
    covet, root = site
    status, headers, body = ask(covet, "/")
    assert (status, body) == (200, b"home")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'self'; ")
    assert ask(covet, "/", headers={"If-None-Match": headers["ETag"]})[0] == 304
    assert ask(covet, "/deep/data.bin")[2] == (root / "deep/data.bin").read_bytes()
    status, headers, body = ask(covet, "/deep/data.bin", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(1 << 20), b"")
    status, headers, _ = ask(covet, "/app")
    assert (status, headers["Location"]) == (301, "/app/")
    assert ask(covet, "/app/")[2] == b"app"
    assert ask(covet, "/", "POST")[0] == 405


def test_what_the_edge_has_itself_stays(site):
    covet, _ = site
    assert ask(covet, "/ws")[0] == 426
    assert ask(covet, "/files/file_none?expires=1&signature=x")[0] in (403, 404)


@pytest.mark.parametrize("target", [
    "/../secret.txt", "/deep/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/%2e%2e%2fsecret.txt",
    "/.%2e/secret.txt", "/..\\secret.txt", "/app/../../secret.txt", "/app//../../secret.txt", "/./../secret.txt",
    "/link.txt", "/.hidden", "//secret.txt", "/deep/..;/secret.txt", "/%00", "/index.html%00.txt", "/etc/passwd",
    "//etc/passwd", "/%252e%252e/secret.txt", "/..%c0%afsecret.txt", "/index.html/", "/none",
])
def test_nothing_else_can_be_reached(site, target):
    covet, _ = site
    status, _, body = ask(covet, target)
    # /app/ has no page of its own for that.
    assert status == 404 and body == (b'{"error":"not found"}\n' if target.startswith("/app/") else b"nothing here"), target


def test_files_are_read_again_on_sighup(site):
    covet, root = site
    (root / "index.html").write_text("new home")
    assert ask(covet, "/")[2] == b"home"
    covet.edge.reload()
    assert ask(covet, "/")[2] == b"new home"


def test_a_directory_that_is_missing_is_told(make_covet, tmp_path):
    with pytest.raises(AssertionError, match="edge.static_files.0..directory: cannot read"):
        make_covet(edge={"static_files": [{"path": "/", "directory": str(tmp_path / "none")}]})
