#!/usr/bin/env bash
# Installs the Debian package where systemd runs as process 1, in a container, and holds covetd.service to what docs/operations.md
# says of it: ready when it serves, reloaded, restarted after a crash, drained at a stop and at an upgrade, started at boot.
#
# usage: tests/package/run.sh DEB
#
# As root, with Docker and its daemon running, and an image debian:12-slim (tests/compose/run.sh makes one where no registry answers).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
ROOT="$PWD"
# Debian's docker, whatever else is installed.
export PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"
# shellcheck source=tools/dev/lib.sh
. tools/dev/lib.sh
[ $# -eq 1 ] && [ -f "$1" ] || usage_error "usage: tests/package/run.sh DEB"
docker info >/dev/null 2>&1 || die "the Docker daemon does not answer"

work="$ROOT/run/package/systemd"
mkdir -p "$work"
cp "$1" "$work/covet.deb"
cp tests/package/Dockerfile "$work/"

# systemd wants a hierarchy of its own where the kernel's control groups are of version 1.
container=
mounted=0
clean_up() {
  [ -z "$container" ] || docker rm --force "$container" >/dev/null
  [ "$mounted" = 0 ] || umount --lazy /sys/fs/cgroup/systemd
}
trap clean_up EXIT
if [ ! -e /sys/fs/cgroup/cgroup.controllers ] && ! mountpoint -q /sys/fs/cgroup/systemd; then
  mkdir -p /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
  mounted=1
fi

say "building the image"
docker build -q -t covet-test/systemd "$work" >/dev/null
container="$(docker run --detach --cap-add SYS_ADMIN --security-opt seccomp=unconfined --cgroupns=host --tmpfs /run --tmpfs /tmp \
  -v /sys/fs/cgroup:/sys/fs/cgroup covet-test/systemd)"

inside() { docker exec "$container" "$@"; }
property() { inside systemctl show --property="$1" --value covetd; }
fail() {
  inside journalctl --no-pager --unit covetd --lines 40 >&2 || true
  inside systemctl status --no-pager covetd >&2 || true
  die "$1"
}
# until_true WHAT COMMAND…: within a minute.
until_true() {
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || fail "$what"
    sleep 0.2
  done
}
ready() { inside curl --silent --fail --output /dev/null http://127.0.0.1:8002/readyz; }
active() { [ "$(property ActiveState)" = active ]; }
# logged PID PATTERN: whether that run of covetd has logged it.
logged() { inside sh -c "journalctl --no-pager _PID=$1 --output cat | grep -q '$2'"; }
checked() { printf 'ok  %s\n' "$1"; }

say "checks"
until_true "systemd does not come up" inside systemctl is-system-running
[ "$(inside systemctl is-enabled covetd)" = enabled ] || fail "the package does not enable its unit"
until_true "the unit is not started at boot" active
ready || fail "systemd calls it active before it is ready"
checked "started at boot, and active once it is ready"

inside sed -i 's/pattern: lobby_\*/pattern: hall_*/' /etc/covet/covet.yaml
inside systemctl reload covetd
until_true "a reload changed nothing" logged "$(property MainPID)" '"event":"config_reloaded".*"changed":"[^"]'
checked "reloaded"

before="$(property MainPID)"
inside kill -9 "$before"
until_true "it is not restarted after a crash" ready
[ "$(property NRestarts)" = 1 ] && [ "$(property MainPID)" != "$before" ] || fail "it was not restarted once"
checked "restarted after a crash"

[ "$(inside stat -c '%U %a' /var/lib/covet)" = "covet 750" ] || fail "its data directory is not its own"
[ "$(inside ps -o user= -p "$(property MainPID)")" = covet ] || fail "it runs as another user"
checked "runs as covet, with its data directory"

before="$(property MainPID)"
inside env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --reinstall /covet.deb >/dev/null 2>&1 || fail "an upgrade fails"
until_true "it does not run after an upgrade" ready
[ "$(property MainPID)" != "$before" ] || fail "an upgrade leaves the old program running"
checked "an upgrade restarts it"

pid="$(property MainPID)"
inside systemctl stop covetd
[ "$(property Result) $(property ExecMainStatus) $(property ActiveState)" = "success 0 inactive" ] || fail "a stop is not clean"
{ logged "$pid" '"event":"draining"' && logged "$pid" '"event":"stopped"'; } || fail "a stop does not drain"
checked "drained at a stop"

inside env DEBIAN_FRONTEND=noninteractive apt-get purge -y -qq covet >/dev/null 2>&1 || fail "it cannot be purged"
inside sh -c '! systemctl cat covetd >/dev/null 2>&1 && [ -d /var/lib/covet ]' || fail "a purge leaves the unit, or takes the data"
checked "purged, its data kept"
