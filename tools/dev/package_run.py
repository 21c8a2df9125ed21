"""Runs the covetd that a package put into a root directory, as its unit does: as its user, told to say when it is ready.

usage: package_run.py ROOT"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import websockets

SECONDS = 60


def installed(root, *command, **options):
    return subprocess.run(["chroot", root, *command], check=True, capture_output=True, text=True, timeout=SECONDS, **options).stdout


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def told(manager, process):
    """The next that the process tells its manager."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return manager.recv(100).decode()
        except TimeoutError:
            assert process.poll() is None, f"covetd ended with {process.returncode}"
            assert time.monotonic() < deadline, "covetd tells nothing"


async def speak(url):
    """One message to oneself."""
    async with websockets.connect(url) as ws:
        await ws.recv()
        await ws.send(json.dumps({"type": "join_room", "id": "1", "data": {"room_id": "lobby_1"}}))
        await ws.send(json.dumps({"type": "room_message", "id": "2", "data": {"room_id": "lobby_1", "event_type": "t", "payload": 1}}))
        async with asyncio.timeout(SECONDS):
            while json.loads(await ws.recv())["type"] != "room_message_ack":
                pass


def main():
    root = sys.argv[1]
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = f"covet-package-{os.getpid()}"
    manager.bind("\0" + name)
    manager.settimeout(0.2)
    edge, grpc, admin = free_ports(3)
    ids = dict(line.split(":")[:3:2] for line in open(f"{root}/etc/passwd"))
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "NOTIFY_SOCKET": "@" + name}
    for key, port in (("EDGE", edge), ("GRPC", grpc), ("ADMIN", admin)):
        environment[f"COVET_{key}__LISTEN"] = f"127.0.0.1:{port}"
    process = subprocess.Popen(
        ["chroot", "--userspec=covet:covet", root, "/usr/bin/covetd", "--config", "/etc/covet/covet.yaml"],
        env=environment, stdin=subprocess.DEVNULL,
    )
    try:
        assert told(manager, process) == "READY=1"
        with urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=SECONDS) as answer:
            assert answer.status == 200
        token = installed(root, "covet-token", "--secret-file", "/etc/covet/jwt_secret", "--kid", "covet").strip()
        asyncio.run(speak(f"ws://127.0.0.1:{edge}/ws?token={token}"))
        # As `systemctl reload` and `systemctl stop` do.
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert told(manager, process) == "STOPPING=1"
        assert process.wait(SECONDS) == 0
        assert {entry.stat().st_uid for entry in os.scandir(f"{root}/var/lib/covet")} == {int(ids["covet"])}
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
