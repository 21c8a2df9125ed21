"""Ports for servers that must come back at the same address after a restart."""

import os
import socket

# Below Linux's ephemeral range: a client that retries a port in that range can connect to itself.
FIRST, LAST = 20000, 32000
_next = FIRST + (os.getpid() * 97) % (LAST - FIRST)
_reserved = []


def _reserve(port):
    """Keeps a port from other processes of the suite while its server is down; the kernel ends it with this process."""
    lock = socket.socket(socket.AF_UNIX)
    try:
        lock.bind(f"\0covet-test-port-{port}")
    except OSError:
        lock.close()
        return False
    _reserved.append(lock)
    return True


def free_port():
    """A port on loopback that nobody uses and no other run of the suite takes; never the same one twice in a process."""
    global _next
    for _ in range(LAST - FIRST):
        port, _next = _next, FIRST + (_next + 1 - FIRST) % (LAST - FIRST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if _reserve(port):
            return port
    raise RuntimeError("no free port")
