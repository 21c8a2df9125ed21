# shellcheck shell=bash
# The demo instance that ./dev run starts. Its variables are for the commands that source it.
# shellcheck disable=SC2034

DEMO_CONFIG=deploy/config/demo.yaml
DATA_DIR=run/data
PID_FILE=run/covetd.pid
LOG_FILE=run/covetd.log
NO_LIMITS=(--set limits.unlimited=true)
ADMIN_URL=http://127.0.0.1:8002
PAGES_URL=http://127.0.0.1:8000
# The example pages, and the client that they use.
PAGES=(--set 'edge.static_files=[{path: /, directory: deploy/examples/web}, {path: /client/, directory: clients/js/dist}]')

# Prints the pid of a running covetd that ./dev run started; fails if there is none.
running_pid() {
  local pid
  pid="$(cat "$PID_FILE" 2>/dev/null)" || return 1
  [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && printf '%s\n' "$pid"
}

# wait_ready PID: until /readyz answers 200; fails once the process is gone.
wait_ready() {
  local tries
  for ((tries = 0; tries < 600; tries++)); do
    kill -0 "$1" 2>/dev/null || return 1
    curl -fsS -o /dev/null --max-time 1 "$ADMIN_URL/readyz" 2>/dev/null && return
    sleep 0.1
  done
  return 1
}

# Whether the Covet that runs has the example pages.
serves_pages() { curl -fsS -o /dev/null --max-time 5 "$PAGES_URL/client/index.js" 2>/dev/null; }

# The same preset as ./dev run, so that the two share one build.
demo_token() {
  ensure_packages
  build_quietly release covet-token
  "$(program release covet-token)" "$@"
}

# The demo's service-account key, which demo.yaml names in a comment `demo key: …` beside its hash.
demo_key() { sed -n 's/.*demo key: *\([^ ]*\).*/\1/p' "$DEMO_CONFIG" | sed -n 1p; }

print_hints() {
  local token key grpcurl=grpcurl
  command -v grpcurl >/dev/null || [ ! -x run/bin/grpcurl ] || grpcurl=run/bin/grpcurl
  token="$(demo_token --user user_123 --roles admin --ttl 1h)"
  key="$(demo_key)"
  cat <<HINTS

Covet is ready:  ws://127.0.0.1:8000/ws   gRPC 127.0.0.1:8001   http://127.0.0.1:8002/metrics
Token (1 h):     $token
API key:         $key
$(! serves_pages || printf 'Example pages:   %s/#token=%s\n' "$PAGES_URL" "$token")

Try:
  .venv/bin/python -m websockets "ws://127.0.0.1:8000/ws?token=\$(./dev token)"
      then type: {"type":"join_room","id":"1","data":{"room_id":"project_123"}}
  $grpcurl -plaintext -H "x-api-key: $key" -d '{"room_id":"project_123"}' 127.0.0.1:8001 covet.rooms.v1.RoomService/Join
  $grpcurl -plaintext -H "x-api-key: $key" -d '{"room_id":"project_123","event_type":"hello","payload":{"json":"{\"n\":1}"}}' 127.0.0.1:8001 covet.rooms.v1.RoomService/Publish

./dev stop drains and stops what --detach started.
HINTS
}
