# shellcheck shell=bash
#: build and start Covet with the demo configuration
#:
#: usage: ./dev run [--detach] [--no-limits] [-- COVETD OPTION…]
#:
#: Installs what is missing, builds the release preset and starts all roles in one process. Data is kept in run/data.
#:   --detach     return when it is ready; ./dev stop ends it; the log is run/covetd.log
#:   --no-limits  lift rate and connection limits, for load tools
. tools/dev/demo.sh

detach=0 options=()
while [ $# -gt 0 ]; do
  case "$1" in
    --detach) detach=1 ;;
    --no-limits) options+=("${NO_LIMITS[@]}") ;;
    --) shift; options+=("$@"); break ;;
    *) bad_option "$1" ;;
  esac
  shift
done
! pid="$(running_pid)" || die "already running as process $pid; ./dev stop ends it"

ensure_packages
build release covetd covet-token
# For the clients in the hints; Covet itself runs without them.
(ensure_python) || say "the Python environment could not be made"
(ensure_grpcurl) || say "grpcurl could not be installed; docs/grpcurl.md names where it comes from"
# The example pages are served where the JavaScript client could be built: where there is Node.js.
ensure_js_client || say "the JavaScript client could not be built: no example pages"
[ ! -f clients/js/dist/index.js ] || options=("${PAGES[@]}" "${options[@]}")
mkdir -p "$DATA_DIR"
command_line=("$(program release covetd)" --config "$DEMO_CONFIG" --set "storage.data_dir=$DATA_DIR" "${options[@]}")

if [ "$detach" = 1 ]; then
  setsid "${command_line[@]}" >"$LOG_FILE" 2>&1 </dev/null &
else
  "${command_line[@]}" </dev/null &
fi
pid=$!
printf '%s\n' "$pid" >"$PID_FILE"
if ! wait_ready "$pid"; then
  [ "$detach" = 0 ] || tail -n 20 "$LOG_FILE" >&2
  rm -f "$PID_FILE"
  die "covetd ended before it was ready"
fi
print_hints
[ "$detach" = 0 ] || exit 0

# Ctrl-C and SIGTERM drain; a second one ends at once, as covetd itself has it.
trap 'kill -TERM "$pid" 2>/dev/null || true' INT TERM
status=0
while kill -0 "$pid" 2>/dev/null; do
  status=0
  wait "$pid" || status=$?
done
rm -f "$PID_FILE"
exit "$status"
