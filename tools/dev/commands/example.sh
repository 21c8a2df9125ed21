# shellcheck shell=bash
#: open an example page in a browser: chat, dashboard or upload
#:
#: usage: ./dev example [chat | dashboard | upload] [--user ID]… [--ttl DURATION]
#:
#: Starts Covet in the background as ./dev run --detach does, unless it runs already, and prints a link to the page for
#: each user. A link holds a token of the demo's role `member`, after `#`, which browsers send to nobody.
#:   --user ID       a user, any number of times; two for the chat and one for the others unless given
#:   --ttl DURATION  how long the tokens are good for, 1h unless given
#: Where npm is missing, Debian's is installed: the pages use the JavaScript client, which is built here. ./dev stop ends it.
. tools/dev/demo.sh

page=chat users=() ttl=1h
case "${1:-}" in
  chat | dashboard | upload) page=$1; shift ;;
esac
while [ $# -gt 0 ]; do
  case "$1" in
    --user) need_value "$1" "$@"; users+=("$2"); shift 2 ;;
    --ttl) need_value "$1" "$@"; ttl=$2; shift 2 ;;
    *) bad_option "$1" ;;
  esac
done
if [ "${#users[@]}" = 0 ]; then
  users=(ada)
  [ "$page" != chat ] || users+=(ben)
fi

if ! running_pid >/dev/null; then
  ensure_node
  ./dev run --detach >/dev/null
fi
serves_pages || die "the Covet that runs has no pages; ./dev stop ends it, and then this starts one that does"
for user in "${users[@]}"; do
  printf '%s: %s/%s.html#token=%s\n' "$user" "$PAGES_URL" "$page" \
    "$(demo_token --user "$user" --roles member --ttl "$ttl")"
done
