# shellcheck shell=bash
#: build and run every check; the last line is `N passed, N failed`
#:
#: usage: ./dev test [--unit | --e2e | --sanitize | --quick] [--ci] [-- PYTEST ARGUMENTS]
#:
#: With no option all of it: unit tests with the simulation, the end-to-end suite over real processes, the
#: fast lint checks, ASan+UBSan and TSan builds with the unit tests and the tests marked `protocol`, and every fuzzer for 20 s.
#: Under sanitizers the simulations try 20 seeds each instead of their thousands; SIM_SEEDS=n says otherwise.
#:   --unit      unit tests only
#:   --e2e       end-to-end tests only
#:   --sanitize  sanitizer builds and fuzzers only
#:   --quick     unit tests, end-to-end tests and lint, without sanitizers and fuzzers
#:   --ci        what CI runs: every check once, where it finds most. The fast lint; the simulations and the end-to-end tests
#:               over the optimised build; all other unit tests and the tests marked `protocol` under ASan+UBSan and TSan
#:               instead; every fuzzer for 5 s. Left to ./dev test: these two over the optimised build
. tools/dev/checks.sh
. tools/dev/lint_checks.sh

unit=1 e2e=1 lint=1 sanitize=1 fuzz_seconds=20 pytest_args=()
# What of the optimised build is built and run.
targets=() unit_args=() e2e_args=()
chosen=
while [ $# -gt 0 ]; do
  case "$1" in
    --unit | --e2e | --sanitize | --quick | --ci)
      [ -z "$chosen" ] || usage_error "$chosen and $1 exclude each other"
      chosen=$1
      ;;
    --) shift; pytest_args=("$@"); break ;;
    *) bad_option "$1" ;;
  esac
  shift
done
case "$chosen" in
  --unit) e2e=0 lint=0 sanitize=0 ;;
  --e2e) unit=0 lint=0 sanitize=0 ;;
  --sanitize) unit=0 e2e=0 lint=0 ;;
  --quick) sanitize=0 ;;
  --ci)
    fuzz_seconds=5
    targets=(covetd covet-token covet_protoset simulation_test stream_simulation_test replay_test)
    unit_args=(-R '^(simulation|stream_simulation|replay)_test$')
    e2e_args=(-m 'not protocol')
    ;;
esac

ensure_packages tests
start_results
# A stage that fails doesn't stop the next ones: the tally decides.
if [ "$unit" = 1 ] || [ "$e2e" = 1 ] || [ "$lint" = 1 ]; then
  if build_or_record dev "${targets[@]}"; then
    [ "$lint" = 0 ] || fast_lint || true
    [ "$unit" = 0 ] || unit_tests dev "${unit_args[@]}" || true
    [ "$e2e" = 0 ] || e2e_tests dev "${e2e_args[@]}" "${pytest_args[@]}" || true
  fi
fi
if [ "$sanitize" = 1 ]; then
  if build_or_record asan; then
    unit_tests asan || true
    e2e_tests asan -m protocol "${pytest_args[@]}" || true
    fuzz_all "$fuzz_seconds" || true
  fi
  if build_or_record tsan; then
    unit_tests tsan || true
    e2e_tests tsan -m protocol "${pytest_args[@]}" || true
  fi
fi
tally
