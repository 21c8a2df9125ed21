#!/usr/bin/env bash
#: Makes what mutual TLS between roles needs, in deploy/secrets or in FOLDER: an authority (ca.pem, ca.key) and for each role
#: and the gateway a certificate and key (rooms.pem, rooms.key, …) that names it. What exists and is valid for 30 days more
#: is left alone; roles read theirs at start. Needs openssl.
#:
#: usage: deploy/certs.sh [FOLDER]
set -euo pipefail
for argument; do
  case "$argument" in
    -h | --help) sed -n 's/^#: \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "$0: unknown option '$argument'; --help tells what there is" >&2; exit 2 ;;
  esac
done
[ $# -le 1 ] || { echo "$0: one FOLDER, not $#; --help tells more" >&2; exit 2; }
folder="${1:-$(dirname "${BASH_SOURCE[0]}")/secrets}"
names=(gateway edge rooms streams rpc files)
authority_days=3650 days=397 spare_seconds=$((30 * 24 * 3600))

# Containers run as users of their own and see the single files, so those are readable; the folder is its owner's only.
umask 022
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }
valid() { [ -s "$1" ] && openssl x509 -in "$1" -noout -checkend "$spare_seconds" >/dev/null; }

# An authority whose key is kept elsewhere is left alone.
if [ ! -e ca.pem ] || { [ -s ca.key ] && ! valid ca.pem; }; then
  (umask 077 && new_key ca.key)
  openssl req -x509 -new -key ca.key -days "$authority_days" -subj "/CN=Covet peers" \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign -out ca.pem
  echo "made the authority $folder/ca.pem"
fi
for name in "${names[@]}"; do
  valid "$name.pem" && [ -s "$name.key" ] && openssl verify -CAfile ca.pem "$name.pem" >/dev/null 2>&1 && continue
  [ -s ca.key ] || { echo "$folder/$name.pem is missing, expires or is not of ca.pem; ca.key is not here to make it" >&2; exit 1; }
  new_key "$name.key"
  chmod 644 "$name.key"
  openssl req -new -key "$name.key" -subj "/CN=$name" |
    openssl x509 -req -CA ca.pem -CAkey ca.key -days "$days" -out "$name.pem" 2>/dev/null -extfile <(
      printf '%s\n' "subjectAltName=DNS:$name,DNS:localhost,IP:127.0.0.1,IP:::1" basicConstraints=critical,CA:FALSE \
        keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth,clientAuth
    )
  echo "made $folder/$name.pem"
done
