# shellcheck shell=bash
#: run Autobahn's fuzzing client against the transport's echo mode
#:
#: usage: ./dev autobahn [ARGUMENT…]
#:
#: A lab command: needs Python 2.7 for the PyPI package autobahntestsuite. Arguments go to tests/autobahn/run.sh.
[ -f tests/autobahn/run.sh ] || die "tests/autobahn/run.sh is not in this tree yet"
ensure_packages
build release
BUILD_DIR="$(preset_dir release)" exec bash tests/autobahn/run.sh "$@"
