"""The configuration that test processes run with."""

import copy

from harness import credentials

# Rates are out of the way unless a test is about them; times are short where tests wait for them.
BASE = {
    "edge": {"threads": 2, "drain_window": "500ms", "handshake_timeout": "30s"},
    "limits": {
        "connection_attempts": "1000000/min",
        "failed_attempts": "1000000/min",
        "address_attempts": "1000000/min",
        "messages": "1000000/min",
        "uploads": "1000000/h",
    },
    "auth": {
        "jwt": {
            "keys": [{"kid": credentials.KEY_ID, "algorithm": "HS256", "secret": {"value": credentials.SECRET}}],
            "leeway": "0s",
        },
        "api_keys": [
            {
                "id": credentials.API_KEY.split(".")[0],
                "sha256": credentials.api_key_hash(),
                "user_id": credentials.API_KEY_USER,
                "roles": ["admin"],
            }
        ],
    },
    "roles": {
        "admin": {"grants": [{"action": "*", "pattern": "*"}]},
        "member": {
            "grants": [
                {"action": "room:read", "pattern": "lobby_*"},
                {"action": "room:write", "pattern": "lobby_*"},
            ]
        },
        "viewer": {"grants": [{"action": "room:read", "pattern": "lobby_*"}]},
    },
    "rooms": {
        "patterns": [{"pattern": "lobby_*"}, {"pattern": "memory_*", "durability": "MEMORY"}],
        "rooms": [
            {
                "room_id": "project_123",
                "metadata": {"name": "Project Alpha"},
                "created_at": "2025-09-01T10:00:00Z",
            }
        ],
        "presence_grace": "500ms",
        "metrics_interval": "200ms",
    },
    "streams": {
        "resources": [
            {"type": "metrics", "id": "db_conn_123", "durability": "MEMORY", "host": {"interval": "200ms"}},
            {"type": "events", "id": "orders", "description": "Orders"},
            {"type": "logs", "id": "app"},
            {"type": "metrics", "id": "volatile", "durability": "MEMORY"},
            {"type": "events", "id": "short", "retention": {"max_count": 100}},
        ]
    },
    "peers": {"cluster_key": {"value": credentials.CLUSTER_KEY}},
    "logging": {"level": "DEBUG"},
}


def merged(*layers):
    """Later layers win; mappings are merged, everything else replaced."""
    result = {}
    for layer in layers:
        for key, value in (layer or {}).items():
            if isinstance(value, dict) and isinstance(result.get(key), dict):
                result[key] = merged(result[key], value)
            else:
                result[key] = copy.deepcopy(value)
    return result
