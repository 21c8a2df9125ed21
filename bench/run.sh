#!/usr/bin/env bash
# Runs the benchmarks on what BUILD_DIR holds, with the tests' Python; ./dev bench builds and sets both up first.
# Options: bench/run.sh --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export BUILD_DIR="${BUILD_DIR:-build-release}"

peers=bench/peers
if command -v npm >/dev/null &&
  [ ! "$peers/node_modules/.package-lock.json" -nt "$peers/package-lock.json" ]; then
  npm ci --prefix "$peers" --no-audit --no-fund --loglevel=error >&2 </dev/null ||
    printf 'bench: npm ci failed; ws and socket.io are left out\n' >&2
fi
PYTHONPATH=bench:tests exec "${PYTHON:-.venv/bin/python}" -m driver "$@"
