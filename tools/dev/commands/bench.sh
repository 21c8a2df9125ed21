# shellcheck shell=bash
#: run the benchmarks; arguments go to bench/run.sh
#:
#: usage: ./dev bench [ARGUMENT…]
#:
#: Builds the release preset and calls bench/run.sh with BUILD_DIR set. Its own --help tells what there is.
[ -f bench/run.sh ] || die "bench/run.sh is not in this tree yet"
ensure_packages
build release
BUILD_DIR="$(preset_dir release)" exec bash bench/run.sh "$@"
