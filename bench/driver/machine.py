"""What the figures were measured on."""

import os
import platform
import re
import subprocess
from pathlib import Path


def _first(pattern, text, default="unknown"):
    match = re.search(pattern, text, re.MULTILINE)
    return match.group(1).strip() if match else default


def _output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def describe(build_dir):
    cache = Path(build_dir, "CMakeCache.txt")
    cache_text = cache.read_text() if cache.exists() else ""
    compiler = _first(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache_text)
    return {
        "cpu": _first(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text()),
        "cores": os.cpu_count(),
        "memory_gb": round(int(_first(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), "0")) / 2**20),
        "kernel": platform.release(),
        # BBR paces with timers of its own, which shows in the cost of a send.
        "congestion_control": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        "system": _first(r'^PRETTY_NAME="(.*)"$', Path("/etc/os-release").read_text()),
        "compiler": _output(compiler, "--version").split("\n")[0] if compiler != "unknown" else compiler,
        "build_type": _first(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", cache_text),
        "node": _output("node", "--version"),
        "revision": _output("git", "rev-parse", "--short", "HEAD"),
    }


def busy():
    """Whether others use the machine so much that figures would mean little."""
    return os.getloadavg()[0] > 0.5 * (os.cpu_count() or 1)
