#!/usr/bin/env bash
# Brings deploy/docker-compose.yml up for real, runs the protocol's tests and those of deployed.py against it, and takes it
# down. README.md tells what it needs and how it differs from what users run.
#
# usage: tests/compose/run.sh [--keep] [PYTEST OPTION…]
#   --keep  leave it running
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
ROOT="$PWD"
# Debian's docker and docker-compose belong together, whatever else is installed.
export PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"
# shellcheck source=tools/dev/lib.sh
. tools/dev/lib.sh
# shellcheck source=tools/dev/compose.sh
. tools/dev/compose.sh

keep=0
[ "${1:-}" != --keep ] || { keep=1; shift; }
[ "$(id -u)" -eq 0 ] || die "needs root, for debootstrap and the Docker daemon"
grep -q '^VERSION_ID="12"' /etc/os-release || die "needs Debian 12, whose packages the images are made of"

work="$ROOT/run/compose"
mkdir -p "$work"
daemon=
# shellcheck disable=SC2329  # The trap below calls it.
clean_up() {
  local status=$?
  if [ "$keep" = 0 ]; then
    compose down --volumes --timeout 30 >/dev/null 2>&1 || true
    if [ -n "$daemon" ]; then kill "$daemon" && wait "$daemon" || true; fi
  fi
  exit "$status"
}

install_docker() {
  command -v dockerd >/dev/null && command -v docker-compose >/dev/null && command -v debootstrap >/dev/null && return
  say "installing Docker and debootstrap"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    docker.io docker-compose debootstrap iptables >&2 </dev/null
}

start_daemon() {
  docker info >/dev/null 2>&1 && return
  say "starting dockerd"
  dockerd >"$work/dockerd.log" 2>&1 </dev/null &
  daemon=$!
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    docker info >/dev/null 2>&1 && return
    kill -0 "$daemon" 2>/dev/null || break
    sleep 0.2
  done
  tail -n 20 "$work/dockerd.log" >&2
  die "dockerd does not start"
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# What a registry would give: Debian itself, and stand-ins for what is built on it.
base_images() {
  local mirror name
  if ! has_image debian:12-slim; then
    say "making debian:12-slim with debootstrap"
    # shellcheck disable=SC2016
    mirror="$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
      awk '$2 == "bookworm" && $3 == "main" {print $1; exit}')"
    rm -rf "$work/debian"
    debootstrap --variant=minbase --include=ca-certificates bookworm "$work/debian" "${mirror:-http://deb.debian.org/debian}" >"$work/debootstrap.log"
    tar -C "$work/debian" -c . | docker import -c 'CMD ["bash"]' - debian:12-slim >/dev/null
    rm -rf "$work/debian"
  fi
  rm -rf "$work/images"
  cp -r tests/compose/images "$work/images"
  cp /etc/ssl/certs/ca-certificates.crt "$work/images"
  for name in python nginx prometheus postgres; do
    say "making the stand-in for $name"
    docker build -q -f "$work/images/$name.Dockerfile" -t "covet-test/$name" "$work/images" >/dev/null
  done
  has_image python:3.11-slim || docker tag covet-test/python python:3.11-slim
}

# Every kind of Compose that is here takes the file.
check_configuration() {
  local kind
  while read -r -a kind; do
    "${kind[@]}" -f deploy/docker-compose.yml config -q </dev/null || die "${kind[*]} does not take deploy/docker-compose.yml"
  done < <(compose_kinds)
}

# Debug symbols, compilers and headers stay out of the image.
IMAGE_BYTES=300000000
check_image() {
  local image="covet:${COVET_VERSION:-dev}" size
  size="$(docker image inspect -f '{{.Size}}' "$image")"
  say "$image has $size bytes"
  [ "$size" -le "$IMAGE_BYTES" ] || die "$image has $size bytes, more than $IMAGE_BYTES"
}

# What ./dev compose says is there, and its first command connects and is let in.
check_hints() {
  local hints command address tries
  # There is no Grafana to name.
  hints="$(compose_hints 2>/dev/null)"
  for address in "ws://$(published gateway 8000)/ws " "gRPC over TLS $(published gateway 8001)"; do
    grep -qF "$address" <<<"$hints" || die "the hints do not name $address: $hints"
  done
  command="$(sed -n 's/^  \(.*-m websockets .*\)/\1/p' <<<"$hints")"
  rm -f "$work/hint"
  # It ends with its input. Who is refused is connected first, and closed then.
  # shellcheck disable=SC2094  # The file is watched as it is written.
  for ((tries = 0; tries < 300; tries++)); do
    grep -qsE 'connection_ack|closed|Failed' "$work/hint" && break
    sleep 0.1
  done | eval "$command" >"$work/hint" 2>&1 || true
  grep -q connection_ack "$work/hint" || die "this does not connect: $command: $(cat "$work/hint")"
}

# Where everything is, for tests/harness/external.py.
describe() {
  local role id roles=()
  for role in edge rooms streams rpc files; do
    id="$(compose ps -q "$role" | sed -n 1p)"
    roles+=("\"$role\": \"$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$id"):8001\"")
  done
  printf '{"http": "%s", "grpc": "%s", "prometheus": "%s", "project": "%s", "secrets": "%s", "roles": {%s}}\n' \
    "$(published gateway 8000)" "$(published gateway 8001)" "$(published prometheus 9090)" "$COMPOSE_PROJECT_NAME" \
    "$ROOT/deploy/secrets" "$(IFS=,; echo "${roles[*]}")"
}

# Each container ends well on its signal, and a client by way of the gateway is told when to come back.
stop_all() {
  local id state stays
  rm -f "$work/stays"
  "$PYTHON" tests/compose/stays.py >"$work/stays" &
  stays=$!
  until grep -qs '^connected' "$work/stays"; do
    kill -0 "$stays" 2>/dev/null || die "the client that should stay does not connect"
    sleep 0.1
  done
  compose stop >/dev/null 2>&1
  wait "$stays" || die "the client that stays fails"
  grep -q '^closed 1001 reconnect_after_ms=' "$work/stays" || die "the client that stays is told: $(tail -n 1 "$work/stays")"
  for id in $(compose ps -a -q); do
    state="$(docker inspect -f '{{.Name}} {{.State.ExitCode}}' "$id")"
    [ "${state##* }" = 0 ] || die "${state% *} ended with status ${state##* }"
  done
}

# With no edge there each request of a client fails, and what the gateway logs of it holds no token.
check_gateway_log() {
  local tries status='' token=the-token-of-a-client
  compose start gateway >/dev/null 2>&1
  for ((tries = 0; tries < 300; tries++)); do
    status="$(curl -s -o /dev/null -w '%{http_code}' "http://$(published gateway 8000)/ws?token=$token" || true)"
    [ "$status" != 502 ] || break
    sleep 0.2
  done
  [ "$status" = 502 ] || die "without an edge the gateway answers $status"
  ! compose logs gateway 2>&1 | grep -F "$token" >&2 || die "the gateway logs tokens"
}

install_docker
ensure_python
start_daemon
trap clean_up EXIT
COMPOSE_FILES+=(-f tests/compose/override.yml)
export COMPOSE_PROJECT_NAME=covet-test EDGE_PORT=0 GRPC_PORT=0 PROMETHEUS_PORT=0 PUBLIC_URL=https://files.example.com:8443
export TEST_CONFIG="$work/covet.yaml" COVET_TEST_EXTERNAL="$work/external.json"
TEST_KEY_SHA256="$(cd tests && "$PYTHON" -c 'from harness import credentials; print(credentials.api_key_hash())')"
export TEST_KEY_SHA256
"$PYTHON" tests/compose/configuration.py >"$TEST_CONFIG"
chmod 644 "$TEST_CONFIG"
compose_secrets
check_configuration
base_images
say "building the images"
compose build >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; die "the images could not be built"; }
check_image
say "starting"
compose up --detach --scale edge=2 >"$work/up.log" 2>&1 || { cat "$work/up.log" >&2; die "it does not start"; }
wait_healthy
check_hints
describe >"$COVET_TEST_EXTERNAL"
status=0
say "tests"
# test_rpc.py makes databases of its own; the two others expect the tests' resources and no more.
"$PYTHON" -m pytest tests/compose/deployed.py tests -m protocol --ignore=tests/test_rpc.py \
  --deselect=test_streams_grpc.py::test_permissions --deselect=test_streams_grpc.py::test_resources_come_in_pages -q -rs \
  -n "${E2E_WORKERS:-$((2 * JOBS))}" --dist worksteal --junitxml="$work/tests.xml" "$@" >&2 </dev/null || status=1
stop_all || status=1
check_gateway_log || status=1
exit "$status"
