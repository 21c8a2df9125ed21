# shellcheck shell=bash
#: run the whole suite under a sanitizer
#:
#: usage: ./dev sanitize address|thread [-- PYTEST ARGUMENTS]
#:
#: `address` is AddressSanitizer with UBSan, `thread` ThreadSanitizer; unit tests and all end-to-end tests.
. tools/dev/checks.sh

[ $# -ge 1 ] || usage_error "which one: address or thread"
case "$1" in
  address) preset=asan ;;
  thread) preset=tsan ;;
  *) bad_option "$1" ;;
esac
shift
[ "${1:-}" != -- ] || shift
ensure_packages tests
start_results
if build_or_record "$preset"; then
  unit_tests "$preset" || true
  e2e_tests "$preset" "$@" || true
fi
tally
