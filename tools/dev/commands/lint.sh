# shellcheck shell=bash
#: check formatting, clang-tidy's list, protos, include rules, scripts, Dockerfiles and Compose
#:
#: usage: ./dev lint [--all]
#:
#: clang-tidy looks at the files that differ from main, or at every file with --all.
. tools/dev/checks.sh
. tools/dev/lint_checks.sh

scope=changed
while [ $# -gt 0 ]; do
  case "$1" in
    --all) scope=all ;;
    *) bad_option "$1" ;;
  esac
  shift
done
ensure_packages tests
start_results
if build_or_record dev covet_proto covet_protoset; then
  fast_lint || true
  slow_lint "$scope" || true
fi
tally
