# shellcheck shell=bash
# What the commands of ./dev share. Sourced with ROOT set and as the working directory; `command` is the command's name.
# shellcheck disable=SC2154

export LC_ALL="${LC_ALL:-C.UTF-8}"
JOBS="${JOBS:-$(nproc)}"
export CCACHE_BASEDIR="$ROOT" CCACHE_NOHASHDIR=1
export CCACHE_SLOPPINESS=time_macros,locale

say() { printf '== %s\n' "$*" >&2; }
die() { printf 'dev: %s\n' "$*" >&2; exit 1; }
usage_error() { printf 'dev: %s\n' "$*" >&2; exit 2; }

# A command's help is the lines of its file that begin with `#:`.
command_help() { sed -n 's/^#: \{0,1\}//p' "$COMMAND_FILE"; }
bad_option() { usage_error "unknown argument '$1'; ./dev $command --help tells what there is"; }
# need_value OPTION "$@": fails unless OPTION is followed by a value.
need_value() { [ $# -ge 3 ] || usage_error "$1 needs a value"; }

list_commands() {
  printf 'usage: ./dev COMMAND [OPTION…]\n\n'
  local file
  for file in tools/dev/commands/*.sh; do
    printf '  %-10s %s\n' "$(basename "$file" .sh)" "$(sed -n 's/^#: //p' "$file" | sed -n 1p)"
  done
  printf '\n./dev COMMAND --help tells more.\n'
}

# shellcheck source=tools/dev/packages.sh
. tools/dev/packages.sh
# shellcheck source=tools/dev/build.sh
. tools/dev/build.sh
