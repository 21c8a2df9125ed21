#!/usr/bin/env bash
# Runs Autobahn's fuzzing client against covet-echo and writes docs/autobahn.md. Fails if a case does.
#
# usage: [BUILD_DIR=build-release] tests/autobahn/run.sh [CASE…]
#
# CASE is a pattern as Autobahn takes it (`7.*`); all cases by default. With any, docs/autobahn.md stays as it is.
# Needs Python 2.7: PYTHON27 names it, else python2.7, else pyenv's, which is installed where missing.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
ROOT="$(cd "$HERE/../.." && pwd)"
BUILD_DIR="${BUILD_DIR:-$ROOT/build}"
BUILD_DIR="$(cd "$ROOT" && cd "$BUILD_DIR" && pwd)"
WORK="$BUILD_DIR/autobahn"
ECHO="$BUILD_DIR/edge/transport/covet-echo"
PYTHON27_VERSION=2.7.18

python27() {
  if [ -n "${PYTHON27:-}" ]; then
    echo "$PYTHON27"
  elif command -v pyenv >/dev/null; then
    pyenv install --skip-existing "$PYTHON27_VERSION" >&2
    echo "$(pyenv root)/versions/$PYTHON27_VERSION/bin/python2.7"
  elif command -v python2.7 >/dev/null; then
    command -v python2.7
  else
    echo "autobahn: needs Python 2.7 (set PYTHON27, or install pyenv)" >&2
    return 1
  fi
}

install_suite() {
  [ -x "$WORK/venv/bin/wstest" ] && cmp -s "$HERE/requirements.txt" "$WORK/venv/requirements.txt" && return
  local python
  python="$(python27)"
  rm -rf "$WORK/venv" "$WORK/tools"
  mkdir -p "$WORK"
  # The last virtualenv that runs on Python 2.7.
  "$python" -m pip install -q --target "$WORK/tools" virtualenv==20.15.1
  PYTHONPATH="$WORK/tools" "$python" -m virtualenv -q "$WORK/venv"
  "$WORK/venv/bin/pip" install -q -r "$HERE/requirements.txt"
  cp "$HERE/requirements.txt" "$WORK/venv/requirements.txt"
}

[ -x "$ECHO" ] || { echo "autobahn: $ECHO is not built (ninja -C $BUILD_DIR covet-echo)" >&2; exit 1; }
install_suite

cases="$(printf '"%s", ' "${@:-*}")"
rm -rf "$WORK/reports"
"$ECHO" 0 >"$WORK/echo.out" &
echo_pid=$!
trap 'kill "$echo_pid" 2>/dev/null || true; wait "$echo_pid" 2>/dev/null || true' EXIT
port=
while [ -z "$port" ]; do
  kill -0 "$echo_pid" || { echo "autobahn: covet-echo did not start" >&2; exit 1; }
  port="$(sed -n 's/^listening on 127.0.0.1:\([0-9]*\)$/\1/p' "$WORK/echo.out")"
done
sed -e "s|@REPORTS@|$WORK/reports|" -e "s|@PORT@|$port|" -e "s|@CASES@|[${cases%, }]|" \
  "$HERE/spec.json.in" >"$WORK/spec.json"
(cd "$WORK" && venv/bin/wstest --mode fuzzingclient --spec spec.json >wstest.log 2>&1) ||
  { tail -20 "$WORK/wstest.log" >&2; exit 1; }
kill -0 "$echo_pid" || { echo "autobahn: covet-echo died" >&2; exit 1; }

if [ $# -eq 0 ]; then
  python3 "$HERE/summarize.py" "$WORK/reports/index.json" "$ROOT/docs/autobahn.md"
else
  python3 "$HERE/summarize.py" "$WORK/reports/index.json"
fi
