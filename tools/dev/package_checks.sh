# shellcheck shell=bash
# What ./dev package holds the Debian package to.

PACKAGE_ROOT="$ROOT/run/package/root"

# check_contents DEB: what must be in it is, where Debian expects it.
check_contents() {
  local deb=$1 listed path
  say "contents"
  listed="$(dpkg-deb -c "$deb")"
  for path in usr/bin/covetd usr/bin/covet-token usr/sbin/covet-backup etc/covet/covet.yaml usr/lib/systemd/system/covetd.service \
    usr/share/doc/covet/operations.md usr/share/doc/covet/copyright usr/share/doc/covet/changelog.gz; do
    grep -q " \./$path\$" <<<"$listed" || die "the package lacks /$path"
  done
  ! grep -vE ' root/root ' <<<"$listed" || die "not everything is root's"
  [ "$(dpkg-deb --ctrl-tarfile "$deb" | tar -xO ./conffiles)" = /etc/covet/covet.yaml ] || die "covet.yaml is no conffile"
  dpkg-deb -f "$deb" Depends | grep -q 'libgrpc++1.*libsqlite3-0' || die "the libraries are not among Depends"
}

check_lintian() {
  say "lintian"
  package_installed lintian || as_root apt-get install -y -qq --no-install-recommends lintian >&2 </dev/null
  # The project has no mail address of its own.
  lintian --fail-on error --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog "$1" >&2 || die "lintian found errors"
}

in_root() { as_root chroot "$PACKAGE_ROOT" "$@"; }

# A fresh Debian of the machine's own release, kept between runs.
make_root() {
  local mirror release
  [ ! -e "$PACKAGE_ROOT/.made" ] || return 0
  package_installed debootstrap || as_root apt-get install -y -qq --no-install-recommends debootstrap >&2 </dev/null
  release="$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")"
  mirror="$(apt-cache policy | sed -n "s#.* \(https\?://[^ ]*\) $release/main .*#\1#p" | sed -n 1p)"
  say "debootstrap $release"
  as_root rm -rf "$PACKAGE_ROOT"
  mkdir -p "$PACKAGE_ROOT"
  as_root debootstrap --variant=minbase "$release" "$PACKAGE_ROOT" "$mirror" >&2 </dev/null || die "debootstrap failed"
  # Nobody starts daemons in there, and it is reached as this machine reaches its mirror.
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$PACKAGE_ROOT/usr/sbin/policy-rc.d" >/dev/null
  as_root chmod 755 "$PACKAGE_ROOT/usr/sbin/policy-rc.d"
  as_root sh -c "cp -a /etc/apt/apt.conf.d/. '$PACKAGE_ROOT/etc/apt/apt.conf.d/' && cp -L /etc/resolv.conf '$PACKAGE_ROOT/etc/'"
  as_root touch "$PACKAGE_ROOT/.made"
}

# check_installed DEB
check_installed() {
  local deb=$1
  make_root
  say "installing"
  as_root cp "$deb" "$PACKAGE_ROOT/tmp/covet.deb"
  in_root apt-get update -qq >&2
  in_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --reinstall /tmp/covet.deb >&2 </dev/null ||
    die "the package cannot be installed"
  in_root stat -c '%U:%G %a' /var/lib/covet /etc/covet/jwt_secret | tr '\n' ' ' | grep -q '^covet:covet 750 root:covet 640 $' ||
    die "the data directory or the secret is not as it should be"
  check_unit
  check_running
  say "taking it away"
  in_root env DEBIAN_FRONTEND=noninteractive apt-get purge -y -qq covet >&2 </dev/null
  in_root sh -c '[ ! -e /usr/bin/covetd ] && [ ! -e /etc/covet ] && [ -d /var/lib/covet ]' || die "a purge left what it should not, or took data"
}

check_unit() {
  local unit=/usr/lib/systemd/system/covetd.service
  command -v systemd-analyze >/dev/null || { say "no systemd-analyze here: the unit is not verified"; return; }
  say "unit"
  # A minimal root has neither systemd's own units nor kill.
  cp "$PACKAGE_ROOT$unit" "$ROOT/run/package/covetd.service"
  sed -i "s#/usr/bin/covetd#$PACKAGE_ROOT/usr/bin/covetd#" "$ROOT/run/package/covetd.service"
  systemd-analyze verify --man=no "$ROOT/run/package/covetd.service" || die "the unit is not valid"
  systemd-analyze security --offline=true --threshold=30 --no-pager "$ROOT/run/package/covetd.service" | tail -n 1 >&2 ||
    die "the unit is less hardened than it was"
}

# Starts the installed program with the installed configuration, as the unit's user, on ports of its own.
check_running() {
  say "running"
  ensure_python
  in_root covetd --config /etc/covet/covet.yaml --check-config >/dev/null || die "the installed configuration is not valid"
  as_root env -i PATH="$PATH" LC_ALL=C.UTF-8 "$PYTHON" tools/dev/package_run.py "$PACKAGE_ROOT" >&2 || die "the installed covetd does not work"
}
