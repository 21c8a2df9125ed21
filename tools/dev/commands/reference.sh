# shellcheck shell=bash
#: make the API references of the client libraries from their comments
#:
#: usage: ./dev reference
#:
#: Writes pages to open in a browser: run/reference/js/index.html, run/reference/python/index.html. They are made, not kept: what
#: they say ships with the packages, as types and docstrings, and a test finds public names without a comment.
[ $# -eq 0 ] || bad_option "$1"

ensure_python
say "run/reference/python"
PYTHONPATH=clients/python/src "$PYTHON" -m pdoc --output-directory run/reference/python covetpy.client

command -v npm >/dev/null || die "the reference of the JavaScript client needs Node.js and npm"
ensure_js_packages || die "the packages of clients/js could not be installed"
say "run/reference/js"
npm run --silent --prefix clients/js reference -- --out ../../run/reference/js
