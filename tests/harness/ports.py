"""Ports for servers that must come back at the same address after a restart."""

import os
import socket

# Below Linux's ephemeral range: a client that retries a port in that range can connect to itself.
FIRST, LAST = 20000, 32000
_next = FIRST + (os.getpid() * 97) % (LAST - FIRST)


def free_port():
    """A port on loopback that nobody uses; never the same one twice in a process."""
    global _next
    for _ in range(LAST - FIRST):
        port, _next = _next, FIRST + (_next + 1 - FIRST) % (LAST - FIRST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")
