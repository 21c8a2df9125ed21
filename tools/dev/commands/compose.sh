# shellcheck shell=bash
#: start the deployment of deploy/docker-compose.yml
#:
#: usage: ./dev compose [DOCKER COMPOSE ARGUMENT…]
#:
#: Arguments default to `up --build`.
compose_file=deploy/docker-compose.yml
[ -f "$compose_file" ] ||
  die "not available yet: deploy/Dockerfile and $compose_file are missing. ./dev run starts everything in one process."
command -v docker >/dev/null || die "docker is not installed"
[ $# -gt 0 ] || set -- up --build
exec docker compose -f "$compose_file" "$@"
