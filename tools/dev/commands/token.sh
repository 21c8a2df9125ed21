# shellcheck shell=bash
#: print one JWT that the demo configuration accepts, and nothing else
#:
#: usage: ./dev token [--user ID] [--roles ROLE,…] [--ttl DURATION] [OPTION…]
#:
#: The defaults are user_123, admin and 1h. Options go to covet-token, whose --help tells all of them.
. tools/dev/demo.sh
demo_token "$@"
