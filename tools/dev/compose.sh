# shellcheck shell=bash
# Docker Compose, either of its two kinds, for the commands and tests that source this.

COMPOSE_FILES=(-f deploy/docker-compose.yml)
COMPOSE_PATIENCE="${COMPOSE_PATIENCE:-300}"
# The Dockerfile's cache mounts need it; it is not the default of older releases.
export DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1

# Prints the kinds that are installed.
compose_kinds() {
  ! docker compose version >/dev/null 2>&1 || echo docker compose
  ! command -v docker-compose >/dev/null || echo docker-compose
}

# compose ARGUMENT…: by `docker compose` where it is installed, else by docker-compose.
compose() {
  if docker compose version >/dev/null 2>&1; then
    docker compose "${COMPOSE_FILES[@]}" "$@"
  else
    docker-compose "${COMPOSE_FILES[@]}" "$@"
  fi
}

need_compose() {
  command -v docker >/dev/null || die "docker is not installed"
  [ -n "$(compose_kinds)" ] || die "neither docker compose nor docker-compose is installed"
  docker info >/dev/null 2>&1 || die "the Docker daemon does not answer; does it run, and may you use it?"
}

# Secrets and certificates, made once.
compose_secrets() {
  command -v openssl >/dev/null || die "openssl is not installed; secrets and certificates are made with it"
  deploy/secrets.sh && deploy/certs.sh
}

# Until every container runs and is healthy, if it can tell. Fails, and shows why, if one ends or is not in time.
wait_healthy() {
  local deadline=$((SECONDS + COMPOSE_PATIENCE)) id state waiting
  while :; do
    waiting=()
    for id in $(compose ps -a -q); do
      state="$(docker inspect -f '{{.Name}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' "$id")"
      case "$state" in
        *" running healthy" | *" running ") ;;
        *) waiting+=("${state#/}") ;;
      esac
    done
    [ "${#waiting[@]}" -gt 0 ] || return 0
    if [ "$SECONDS" -ge "$deadline" ]; then
      printf 'not healthy after %s s: %s\n' "$COMPOSE_PATIENCE" "${waiting[@]}" >&2
      compose logs --tail=20 >&2
      return 1
    fi
    sleep 1
  done
}

# published SERVICE PORT: where it is reachable.
published() { compose port "$1" "$2"; }

# What can be opened and tried.
compose_hints() {
  local edge grpc key websocket=
  edge="$(published gateway 8000)" grpc="$(published gateway 8001)" key="$(cat deploy/secrets/api_key)"
  [ ! -x "$PYTHON" ] || websocket="
  .venv/bin/python -m websockets \"ws://$edge/ws?token=\$(./dev compose token)\"
      then type: {\"type\":\"subscribe\",\"id\":\"1\",\"data\":{\"stream_type\":\"database_changes\",\"resource_id\":\"shop\"}}"
  cat <<HINTS

Covet is ready:  ws://$edge/ws   gRPC over TLS $grpc
Prometheus:      http://$(published prometheus 9090)
Grafana:         http://$(published grafana 3000)   (admin, password in deploy/secrets/grafana_password)
API key:         $key   (deploy/secrets/api_key)
Token (1 h):     ./dev compose token

Try:$websocket
  grpcurl -cacert deploy/secrets/ca.pem -H "x-api-key: \$(cat deploy/secrets/api_key)" $grpc covet.rooms.v1.RoomService/ListRooms

./dev compose down drains and stops it; ./dev compose down --volumes forgets its data.
HINTS
}
