# shellcheck shell=bash
# Configuring and building by the presets of CMakePresets.json.

# Sets CLANG and CLANGXX: the unversioned programs, or else the newest versioned ones.
find_clang() {
  CLANGXX="$(command -v clang++ || compgen -c clang++- | sort -uV | tail -n 1)"
  [ -n "$CLANGXX" ] || die "no clang++ found"
  CLANG="$(command -v "${CLANGXX/clang++/clang}")" || die "no clang beside $CLANGXX"
}

preset_dir() {
  case "$1" in
    dev) echo build ;;
    *) echo "build-$1" ;;
  esac
}

# configure PRESET: runs cmake where the folder isn't configured yet, or by presets of an earlier day; ninja does it otherwise.
configure() {
  local dir
  dir="$(preset_dir "$1")"
  [ -f "$dir/build.ninja" ] && [ ! CMakePresets.json -nt "$dir/build.ninja" ] && return
  say "configuring $dir"
  local compilers=()
  if [ "$1" != gcc ]; then
    find_clang
    compilers=("-DCMAKE_C_COMPILER=$CLANG" "-DCMAKE_CXX_COMPILER=$CLANGXX")
  fi
  cmake --preset "$1" "${compilers[@]}" >&2
}

# build PRESET [TARGET…]: everything if no target is given.
build() {
  local preset=$1
  shift
  configure "$preset"
  say "building $(preset_dir "$preset") ${*:-(all)}"
  NINJA_STATUS='[%f/%t %es] ' ninja -C "$(preset_dir "$preset")" -j "$JOBS" "$@" >&2
}

# build_quietly PRESET TARGET…: shows its output only if it fails.
build_quietly() {
  local log=run/build.log
  mkdir -p run
  build "$@" >"$log" 2>&1 || { cat "$log" >&2; die "the build failed"; }
}

# program PRESET NAME: the path of a built program.
program() {
  local path
  path="$(find "$(preset_dir "$1")" -type f -name "$2" -perm -u+x -not -path '*/CMakeFiles/*' -print -quit)"
  [ -n "$path" ] || die "no program $2 in $(preset_dir "$1")"
  printf '%s\n' "$path"
}
