# shellcheck shell=bash
#: build the Debian package and install it into a fresh Debian to see that it works
#:
#: usage: ./dev package [--no-install]
#:
#: The package is build-release/covet_VERSION_ARCH.deb. The check needs root, and debootstrap and lintian, which it installs: it
#: looks through the package, installs it into run/package/root, starts covetd there as the unit would, and takes it away again.
#:   --no-install  only build it and look through it
. tools/dev/package_checks.sh

install=1
while [ $# -gt 0 ]; do
  case "$1" in
    --no-install) install=0 ;;
    *) bad_option "$1" ;;
  esac
  shift
done
ensure_packages
build release covetd covet-token
rm -f build-release/covet_*.deb
say "packing"
(cd build-release && cpack -G DEB >/dev/null) || die "cpack failed"
deb="$(ls build-release/covet_*.deb)"
check_contents "$deb"
check_lintian "$deb"
[ "$install" = 0 ] || check_installed "$deb"
say "$deb is good"
printf '%s\n' "$deb"
