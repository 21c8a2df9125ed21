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

case "${1:-up}" in
  --test)
    shift
    exec tests/compose/run.sh "$@"
    ;;
  up)
    need_compose
    # For the client in the hints; the containers run without it.
    (ensure_python) || say "the Python environment could not be made"
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
