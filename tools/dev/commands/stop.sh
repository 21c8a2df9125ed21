# shellcheck shell=bash
#: drain and stop what ./dev run --detach started
#:
#: usage: ./dev stop [--now]
#:
#: Sends SIGTERM and waits until the process has drained. --now sends a second one, which ends it at once.
. tools/dev/demo.sh

now=0
while [ $# -gt 0 ]; do
  case "$1" in
    --now) now=1 ;;
    *) bad_option "$1" ;;
  esac
  shift
done
pid="$(running_pid)" || die "nothing is running"
kill -TERM "$pid"
[ "$now" = 0 ] || kill -TERM "$pid" 2>/dev/null || true
# Not a child of this shell: tail waits for it to end.
timeout 60 tail --pid="$pid" -f /dev/null || die "process $pid has not ended after 60 s"
rm -f "$PID_FILE"
say "stopped"
