# shellcheck shell=bash
#: run every fuzzer over its corpus
#:
#: usage: ./dev fuzz [SECONDS]
#:
#: SECONDS for each one, 60 unless given. New inputs and crashes are kept below build-asan/fuzz.
. tools/dev/checks.sh

seconds=${1:-60}
[ $# -le 1 ] || bad_option "$2"
[[ "$seconds" =~ ^[1-9][0-9]*$ ]] || usage_error "SECONDS must be a whole number above 0, not '$seconds'"
ensure_packages tests
start_results
! build_fuzzers || fuzz_all "$seconds" || true
tally
