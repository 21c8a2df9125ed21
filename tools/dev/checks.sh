# shellcheck shell=bash
# The stages of ./dev test. Each leaves its outcome below run/results, where tally.py counts it.

RESULTS="$ROOT/run/results"

# A failed leak check or a report must fail the test; gRPC and Abseil are not instrumented.
export ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1:detect_container_overflow=0"
export UBSAN_OPTIONS="print_stacktrace=1"
export TSAN_OPTIONS="suppressions=$ROOT/tools/dev/tsan/suppressions.txt:second_deadlock_stack=1"
export LSAN_OPTIONS="suppressions=$ROOT/tools/dev/lsan.supp:print_suppressions=0"

start_results() {
  rm -rf "$RESULTS"
  mkdir -p "$RESULTS"
}

# skip REASON: a function that `check` runs says so where it cannot run, and returns.
SKIPPED=
skip() {
  SKIPPED="$*"
  say "not run: $SKIPPED"
}

# check NAME COMMAND…: one outcome for one command. Output goes to the terminal. Fails only if the command does.
check() {
  local name=$1 outcome=pass
  shift
  say "$name"
  SKIPPED=
  # Without errexit: the command's status is the outcome.
  "$@" || outcome=fail
  [ "$outcome" = fail ] || [ -z "$SKIPPED" ] || outcome=skip
  printf '%s %s%s\n' "$outcome" "$name" "${SKIPPED:+: $SKIPPED}" >>"$RESULTS/checks.txt"
  [ "$outcome" != fail ]
}

# For what fails without a report of its own.
record_failure() { printf 'fail %s\n' "$*" >>"$RESULTS/checks.txt"; }

# A build that fails counts as one failure; one that succeeds is not a test.
build_or_record() {
  build "$@" && return
  record_failure "build $1"
  return 1
}

# unit_tests PRESET [CTEST OPTION…]
unit_tests() {
  local preset=$1 out="$RESULTS/$1-unit"
  shift
  # A sanitizer makes a simulated run some ten times as long; the dev build runs the many seeds.
  # That a seed gives the same run again is for the dev build alone to show.
  [ "$preset" = dev ] || { local -x SIM_SEEDS="${SIM_SEEDS:-20}"; set -- -E '^replay_test$' "$@"; }
  say "unit tests ($preset)"
  mkdir -p "$out"
  GTEST_OUTPUT="json:$out/" ctest --test-dir "$(preset_dir "$preset")" -j "$JOBS" \
    --output-on-failure --no-tests=ignore --output-junit "$out/ctest.xml" "$@" >&2 && return
  [ -s "$out/ctest.xml" ] || record_failure "unit tests ($preset) left no report"
  return 1
}

# Tests spend most of their time waiting: more of them at once than there are cores.
E2E_WORKERS="${E2E_WORKERS:-$((2 * JOBS))}"

# e2e_tests PRESET [PYTEST OPTION…]: over the real processes.
e2e_tests() {
  local preset=$1 patience=60 limit=300 status=0
  shift
  # Sanitizers slow everything down.
  [ "$preset" = dev ] || patience=120 limit=600
  ensure_python || { record_failure "end to end ($preset): no Python"; return 1; }
  ensure_grpcurl || say "grpcurl cannot be installed: what needs it is skipped"
  # In a shell of its own, which ends where nobody may install.
  (ensure_node) || say "Node.js and npm cannot be installed: what needs them is skipped"
  ensure_js_client || record_failure "build clients/js"
  say "end to end ($preset)"
  COVETD="$ROOT/$(program "$preset" covetd)" COVET_TEST_TIMEOUT="$patience" \
    "$PYTHON" -m pytest tests -q -rs -n "$E2E_WORKERS" --dist worksteal -o timeout="$limit" \
    -o faulthandler_timeout="$((limit + 100))" --junitxml="$RESULTS/$preset-e2e.xml" "$@" >&2 </dev/null || status=$?
  # 1: some have failed, which the report tells.
  [ "$status" -le 1 ] && [ -s "$RESULTS/$preset-e2e.xml" ] || record_failure "end to end ($preset) ended with status $status"
  return "$status"
}

# Prints name, source folder of every fuzzer.
list_fuzzers() {
  local file name
  while IFS= read -r file; do
    while IFS= read -r name; do
      printf '%s %s\n' "$name" "$(dirname "$file")"
    done < <(sed -n 's/^ *covet_fuzzer(\([A-Za-z0-9_]*\).*/\1/p' "$file")
  done < <(git ls-files '*CMakeLists.txt')
}

build_fuzzers() {
  local targets
  mapfile -t targets < <(list_fuzzers | cut -d' ' -f1)
  [ ${#targets[@]} -gt 0 ] || die "there are no fuzzers in this tree"
  build_or_record asan "${targets[@]}"
}

# fuzz_one NAME ARGUMENT…: shows the end of its log only if it fails.
fuzz_one() {
  local name=$1 log="run/fuzz-$1.log"
  shift
  "$(program asan "$name")" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build-asan/fuzz/$name-" "$@" >"$log" 2>&1 </dev/null && return
  tail -n 40 "$log" >&2
  return 1
}

# fuzz_all SECONDS: every fuzzer over its corpus, as many at once as there are cores; new inputs stay below build-asan.
fuzz_all() {
  local seconds=$1 fuzzers one name folder corpora pid running=() status=0
  mapfile -t fuzzers < <(list_fuzzers)
  [ ${#fuzzers[@]} -gt 0 ] || { record_failure "fuzz: there are no fuzzers in this tree"; return 1; }
  for one in "${fuzzers[@]}"; do
    read -r name folder <<<"$one"
    mkdir -p "build-asan/fuzz/$name"
    corpora=("build-asan/fuzz/$name")
    if [ -d "$folder/corpus/$name" ]; then
      corpora+=("$folder/corpus/$name")
    elif [ -d "$folder/corpus" ]; then
      corpora+=("$folder/corpus")
    fi
    if [ ${#running[@]} -ge "$JOBS" ]; then
      wait "${running[0]}" || status=1
      running=("${running[@]:1}")
    fi
    check "fuzz $name" fuzz_one "$name" -max_total_time="$seconds" "${corpora[@]}" &
    running+=($!)
  done
  for pid in "${running[@]}"; do wait "$pid" || status=1; done
  [ "$(grep -c ' fuzz ' "$RESULTS/checks.txt")" -ge ${#fuzzers[@]} ] || record_failure "fuzz: some fuzzers left no outcome"
  return "$status"
}

# Prints the closing line and returns its verdict.
tally() { /usr/bin/env python3 tools/dev/tally.py "$RESULTS"; }
