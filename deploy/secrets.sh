#!/usr/bin/env bash
#: Makes once what deploy/docker-compose.yml keeps secret, each random: files in deploy/secrets, and deploy/.env with what
#: compose itself reads. What exists is left alone; remove a file to have it made anew. Needs openssl.
#:
#: usage: deploy/secrets.sh
set -euo pipefail
for argument; do
  case "$argument" in
    -h | --help) sed -n 's/^#: \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "$0: unknown option '$argument'; --help tells what there is" >&2; exit 2 ;;
  esac
done
[ $# -eq 0 ] || { echo "$0: takes no arguments; --help tells more" >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")"

# As in certs.sh: readable for the containers' users, behind a folder that is its owner's only.
umask 022
mkdir -p secrets
chmod 700 secrets

for name in jwt_secret cluster_key database_password postgres_password grafana_password; do
  [ -s "secrets/$name" ] || openssl rand -hex 32 >"secrets/$name"
done
# Read on this side only: containers know its hash.
[ -s secrets/api_key ] || (umask 077 && printf 'svc_admin.%s\n' "$(openssl rand -hex 32)" >secrets/api_key)

[ -s .env ] || cat >.env <<'ENV'
COMPOSE_PROJECT_NAME=covet
# Where ports are published; 0.0.0.0 for everyone.
BIND=127.0.0.1
EDGE_PORT=8000
GRPC_PORT=8001
PROMETHEUS_PORT=9090
GRAFANA_PORT=3000
ENV
grep -q '^PUBLIC_URL=' .env || cat >>.env <<'ENV'
# What links to files begin with: as clients reach EDGE_PORT, which is another address if that is published for everyone.
PUBLIC_URL=http://127.0.0.1:${EDGE_PORT}
ENV
# set_value NAME VALUE: in .env, which stays as it is if that is there.
set_value() {
  ! grep -qx "$1=$2" .env || return 0
  sed -i "/^$1=/d" .env
  printf '%s=%s\n' "$1" "$2" >>.env
}
hash_of() { openssl dgst -sha256 -r | cut -d ' ' -f 1; }
set_value API_KEY_SHA256 "$(tr -d '\n' <secrets/api_key | hash_of)"
# Compose starts a container anew when its environment has changed, not when a file that it reads has.
set_value SECRETS_SHA256 "$(cat secrets/jwt_secret secrets/cluster_key secrets/database_password | hash_of)"
