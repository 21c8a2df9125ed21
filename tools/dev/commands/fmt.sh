# shellcheck shell=bash
#: format the C++ files
#:
#: usage: ./dev fmt
[ $# -eq 0 ] || bad_option "$1"
. tools/dev/lint_checks.sh
ensure_packages tests
cpp_files | xargs -r -d '\n' "$(clang_tool clang-format)" -i
