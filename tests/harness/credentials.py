"""Tokens and keys that the test configuration accepts. Tokens are signed by PyJWT, which the project did not write."""

import hashlib
import time

import jwt

SECRET = "the-secret-of-the-tests-is-long-enough"
KEY_ID = "test"
API_KEY = "svc1.the-api-key-of-the-tests-0123456789"
API_KEY_USER = "service_one"
CLUSTER_KEY = "the-cluster-key-of-the-tests"


def token(user="user_123", roles=("admin",), ttl=3600, secret=SECRET, kid=KEY_ID, algorithm="HS256", **claims):
    """`ttl` in seconds, negative for a token that has ended; a claim of None is left out."""
    now = time.time()
    payload = {"sub": user, "roles": list(roles), "iat": int(now), "exp": int(now) + ttl} | claims
    payload = {name: value for name, value in payload.items() if value is not None}
    headers = {"kid": kid} if kid else {}
    return jwt.encode(payload, secret, algorithm=algorithm, headers=headers)


def api_key_hash():
    return hashlib.sha256(API_KEY.encode()).hexdigest()
