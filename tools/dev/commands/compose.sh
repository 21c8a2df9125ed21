# shellcheck shell=bash
#: start everything in containers: a role each, a database, the example backend, Prometheus, Grafana
#:
#: usage: ./dev compose [up | token [OPTION…] | DOCKER COMPOSE ARGUMENT…]
#:        ./dev compose --test [PYTEST OPTION…]
#:
#: `up`, the default, makes secrets and certificates once, builds the images, starts everything, waits until it is healthy
#: and says what to open. `token` prints a JWT for it; options go to covet-token. Everything else goes to Docker Compose
#: with deploy/docker-compose.yml: `./dev compose down`, `./dev compose logs -f edge`.
#: `--test` brings it up under another name from images made with debootstrap, and runs the protocol's tests against it:
#: as root, on Debian 12 (tests/compose/README.md).
. tools/dev/compose.sh

compose_hints() {
  local edge grpc key
  edge="$(published gateway 8000)" grpc="$(published gateway 8001)" key="$(cat deploy/secrets/api_key)"
  cat <<HINTS

Covet is ready:  ws://$edge/ws   gRPC over TLS $grpc
Prometheus:      http://$(published prometheus 9090)
Grafana:         http://$(published grafana 3000)   (admin, password in deploy/secrets/grafana_password)
API key:         $key   (deploy/secrets/api_key)
Token (1 h):     ./dev compose token

Try:
  .venv/bin/python -m websockets "ws://$edge/ws?token=\$(./dev compose token)"
      then type: {"type":"subscribe","id":"1","data":{"stream_type":"database_changes","resource_id":"shop"}}
  grpcurl -cacert deploy/secrets/ca.pem -H "x-api-key: \$(cat deploy/secrets/api_key)" $grpc covet.rooms.v1.RoomService/ListRooms

./dev compose down drains and stops it; ./dev compose down --volumes forgets its data.
HINTS
}

case "${1:-up}" in
  --test)
    shift
    exec tests/compose/run.sh "$@"
    ;;
  up)
    need_compose
    compose_secrets
    compose up --build --detach --remove-orphans "${@:2}"
    wait_healthy || die "not everything is healthy; ./dev compose ps and ./dev compose logs tell more"
    compose_hints
    ;;
  token)
    shift
    need_compose
    compose exec -T rooms covet-token "$@"
    ;;
  *)
    need_compose
    compose "$@"
    ;;
esac
