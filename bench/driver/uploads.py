"""Uploads to Covet beside `curl -T` to nginx (WebDAV PUT), on the same disk: MB/s, CPU per MB, memory.

nginx is given the file as one PUT and does not sync it; Covet acknowledges every chunk after fdatasync.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from harness.ports import free_port

from driver import covetd
from driver.processes import BenchError, Server, cpu_seconds, family

CHUNKS = (65536, 262144, 524288)
BYTES = 256 << 20
PARALLEL, PARALLEL_BYTES, PARALLEL_CHUNK = 100, 8 << 20, 262144
LIMIT_SECONDS = 120

NGINX = """\
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_max_body_size 0;
  client_body_temp_path {folder}/temp;
  server {{
    listen 127.0.0.1:{port};
    location / {{ root {folder}/files; dav_methods PUT; }}
  }}
}}
"""


def _memory(pid, key):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"no {key} of process {pid}")


def _covet(plan):
    config = {"files": {"default_limits": {"max_uploads": 0, "max_files": 0, "max_total_bytes": 0}}}
    return covetd.deployment(plan, plan.folder("uploads", "covet"), [("file:upload", "*")], config)


def _upload(plan, covet, size, chunk, uploads=1):
    """Seconds that Covet's uploads took."""
    command = [plan.program("covet-upload"), f"--port={covet.http_address.rpartition(':')[2]}", f"--bytes={size}", f"--chunk={chunk}",
               f"--uploads={uploads}", *covetd.token_options()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    if done.returncode != 0:
        raise BenchError(f"covet-upload: {done.stderr.strip()}")
    return json.loads(done.stdout)["seconds"]


def _nginx(folder):
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        raise BenchError("nginx is not installed")
    (folder / "files").mkdir()
    port = free_port()
    config = folder / "nginx.conf"
    # Without it the workers of a master that is root would be another user, who may not write here.
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(NGINX.format(folder=folder.resolve(), port=port, user=user))
    return Server([program, "-e", folder.resolve() / "error.log", "-c", config.resolve()], folder, port)


def _put(folder, port, size):
    source = folder / "source"
    with open(source, "wb") as file:
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    begin = time.perf_counter()
    subprocess.run(["curl", "-sSf", "-T", str(source), f"http://127.0.0.1:{port}/file"], check=True, timeout=LIMIT_SECONDS,
                   stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begin
    source.unlink()
    return seconds


def _figures(pid, size, upload):
    pids = family(pid)
    before = cpu_seconds(*pids)
    seconds = upload()
    used = cpu_seconds(*pids) - before
    return {"mb_per_s": size / 1e6 / seconds, "cpu_ms_per_mb": used * 1000 / (size / 1e6)}


def _parallel(plan):
    """Many uploads at once: beside the rest, memory that each takes, in chunks."""
    with _covet(plan) as covet:
        pid = covet.edge.pid
        _upload(plan, covet, 1 << 20, PARALLEL_CHUNK)
        idle = _memory(pid, "VmRSS")
        figures = _figures(pid, PARALLEL * PARALLEL_BYTES, lambda: _upload(plan, covet, PARALLEL_BYTES, PARALLEL_CHUNK, PARALLEL))
        grown = _memory(pid, "VmHWM") - idle
    return figures | {"bytes_each": grown / PARALLEL, "chunks_each": grown / PARALLEL / PARALLEL_CHUNK}


def run(plan):
    """By server, a list of rounds."""
    results = {}
    size = BYTES // 4 if plan.quick else BYTES
    for number in range(plan.rounds):
        print(f"bench: uploads, round {number + 1}/{plan.rounds}", file=sys.stderr)
        folder = plan.folder("uploads", "nginx")
        with _nginx(folder) as server:
            results.setdefault("nginx, curl -T", []).append(_figures(server.pid, size, lambda: _put(folder, server.port, size)))
        for chunk in CHUNKS:
            with _covet(plan) as covet:
                results.setdefault(f"covet, chunks of {chunk >> 10} KiB", []).append(
                    _figures(covet.edge.pid, size, lambda: _upload(plan, covet, size, chunk)))
        results.setdefault(f"covet, {PARALLEL} files at once, chunks of {PARALLEL_CHUNK >> 10} KiB", []).append(_parallel(plan))
    shutil.rmtree(plan.folder("uploads"), ignore_errors=True)
    return results
