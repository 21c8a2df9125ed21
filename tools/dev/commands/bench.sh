# shellcheck shell=bash
#: run the benchmarks; arguments go to bench/run.sh
#:
#: usage: ./dev bench [ARGUMENT…]
#:
#: Builds the release preset and calls bench/run.sh with BUILD_DIR set. Its own --help tells what there is.
[ -f bench/run.sh ] || die "bench/run.sh is not in this tree yet"
ensure_packages tests
# Uploads are measured beside it; nothing else needs it.
if ! PATH="$PATH:/usr/sbin" command -v nginx >/dev/null && command -v apt-get >/dev/null; then
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light >&2 </dev/null ||
    say "nginx could not be installed; uploads are not measured"
fi
ensure_python
build release
BUILD_DIR="$(preset_dir release)" PYTHON="$PYTHON" exec bash bench/run.sh "$@"
