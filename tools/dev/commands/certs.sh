# shellcheck shell=bash
#: make the certificates of mutual TLS between roles, for ./dev compose or elsewhere
#:
#: usage: ./dev certs [FOLDER]
#:
#: An authority and a certificate for each role, in deploy/secrets or in FOLDER. What is valid for 30 days more stays.
exec deploy/certs.sh "$@"
