"""Uploads to Covet beside `curl -T` to nginx (WebDAV PUT), on the same disk: MB/s, CPU per MB, memory.

    PYTHONPATH=bench:tests python3 -m driver.uploads [--rounds N] [--megabytes N]

nginx is given the file as one PUT and does not sync it; Covet acknowledges every chunk after fdatasync.
"""

import argparse
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from harness.ports import free_port

from driver.processes import BenchError, Server, find_program, fresh_dir

TICK = os.sysconf("SC_CLK_TCK")
CHUNKS = (65536, 262144, 524288)
PARALLEL = 100

COVET = """\
targets: [all]
edge: {{listen: "127.0.0.1:{port}", drain_window: 0s}}
grpc: {{listen: "127.0.0.1:{grpc_port}"}}
admin: {{listen: "127.0.0.1:{admin_port}"}}
limits: {{unlimited: true}}
files: {{default_limits: {{max_uploads: 0, max_files: 0, max_total_bytes: 0}}}}
auth: {{jwt: {{keys: [{{kid: bench, algorithm: HS256, secret: {{value: {secret}}}}}]}}}}
roles: {{bench: {{grants: [{{action: "file:upload", pattern: "*"}}]}}}}
storage: {{data_dir: {data_dir}}}
"""

NGINX = """\
daemon off;
worker_processes 1;
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


def family(pid):
    """The process and its children."""
    pids = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        pids += [int(child) for child in (task / "children").read_text().split()]
    return pids


def cpu_seconds(pid):
    total = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def memory(pid, key):
    total = 0
    for one in family(pid):
        for line in Path(f"/proc/{one}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                total += int(line.split()[1]) * 1024
    return total


class Covet:
    def __init__(self, build_dir, work_dir):
        self.build_dir, self.folder = build_dir, work_dir / "covet"
        self.secret = secrets.token_hex(32)

    def start(self):
        fresh_dir(self.folder)
        ports = {"port": free_port(), "grpc_port": free_port(), "admin_port": free_port()}
        config = self.folder / "config.yaml"
        config.write_text(COVET.format(secret=self.secret, data_dir=(self.folder / "data").resolve(), **ports))
        return Server([find_program(self.build_dir, "covetd"), "--config", config], self.folder, ports["port"],
                      ready_url=f"http://127.0.0.1:{ports['admin_port']}/readyz")

    def upload(self, server, size, chunk, uploads=1):
        out = subprocess.run(
            [find_program(self.build_dir, "covet-upload"), f"--port={server.port}", f"--jwt_secret={self.secret}",
             "--jwt_key_id=bench", "--jwt_roles=bench", f"--bytes={size}", f"--chunk={chunk}", f"--uploads={uploads}"],
            capture_output=True, text=True, timeout=120, check=False)
        if out.returncode != 0:
            raise BenchError(out.stderr)
        return json.loads(out.stdout)["seconds"]


class Nginx:
    def __init__(self, work_dir):
        self.folder = work_dir / "nginx"

    def start(self):
        fresh_dir(self.folder)
        (self.folder / "files").mkdir()
        port = free_port()
        config = self.folder / "nginx.conf"
        config.write_text(NGINX.format(folder=self.folder.resolve(), port=port))
        for path in (self.folder, self.folder / "files"):
            path.chmod(0o777)
        return Server([shutil.which("nginx") or "/usr/sbin/nginx", "-c", config.resolve()], self.folder, port)

    def upload(self, server, size):
        source = self.folder / "source"
        with open(source, "wb") as file:
            for _ in range(size >> 20):
                file.write(bytes(1 << 20))
        begin = time.perf_counter()
        subprocess.run(["curl", "-sSf", "-T", str(source), f"http://127.0.0.1:{server.port}/file"], check=True, timeout=120,
                       stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - begin
        source.unlink()
        return seconds


def measure(server, upload, size):
    before = cpu_seconds(server.pid)
    seconds = upload()
    used = cpu_seconds(server.pid) - before
    return {"mb_per_s": size / 1e6 / seconds, "cpu_ms_per_mb": used * 1000 / (size / 1e6)}


def main():
    parser = argparse.ArgumentParser(prog="driver.uploads", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=256)
    arguments = parser.parse_args()
    build_dir = Path(os.environ.get("BUILD_DIR", "build-release"))
    work_dir = fresh_dir(build_dir / "bench" / "uploads")
    size = arguments.megabytes << 20
    covet, nginx = Covet(build_dir, work_dir), Nginx(work_dir)
    results = {}

    def note(name, result):
        results.setdefault(name, []).append(result)

    for _ in range(arguments.rounds):
        with nginx.start() as server:
            note("nginx, curl -T", measure(server, lambda: nginx.upload(server, size), size))
        for chunk in CHUNKS:
            with covet.start() as server:
                note(f"covet, chunks of {chunk >> 10} KiB", measure(server, lambda: covet.upload(server, size, chunk), size))
    print("| | MB/s | server's CPU ms/MB |\n|---|---:|---:|")
    for name, runs in results.items():
        print(f"| {name} | {statistics.median(r['mb_per_s'] for r in runs):.0f} | {statistics.median(r['cpu_ms_per_mb'] for r in runs):.2f} |")
    with covet.start() as server:
        covet.upload(server, 1 << 20, CHUNKS[1])
        idle = memory(server.pid, "VmRSS")
        each = 8 << 20
        result = measure(server, lambda: covet.upload(server, each, CHUNKS[1], PARALLEL), each * PARALLEL)
        grown = memory(server.pid, "VmHWM") - idle
        print(f"\n{PARALLEL} uploads at once of {each >> 20} MiB in chunks of {CHUNKS[1] >> 10} KiB: {result['mb_per_s']:.0f} MB/s, "
              f"{result['cpu_ms_per_mb']:.2f} ms of CPU per MB, {grown / PARALLEL / CHUNKS[1]:.1f} chunks of memory each "
              f"({grown / 1e6:.0f} MB over the {idle / 1e6:.0f} MB before)")
    shutil.rmtree(work_dir, ignore_errors=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
