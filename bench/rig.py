"""Helpers for the benchmarks, such as a server, statistics and a slow disk."""

import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests/support"))

from attacks import ATTACKS
from client_swarm import ClientSwarm
from postgres import Postgres
from proxy import Deployed
from raw_client import Wire
from server import DEADLINE, ROOT, TOKEN, Server, until
from siege import Siege

__all__ = [
    "ATTACKS",
    "DEADLINE",
    "HERE",
    "ROOT",
    "TOKEN",
    "ClientSwarm",
    "Deployed",
    "Postgres",
    "Server",
    "Siege",
    "Wire",
    "cpu_seconds",
    "fill",
    "machine",
    "percentile",
    "server",
    "slow_disk",
    "spread",
    "until",
]


def server(**settings):
    """Start a server in a temporary folder and return it."""
    return Server(tempfile.mkdtemp(prefix="button-bench-"), **settings)


def machine():
    """Return a description of the machine, the kernel and Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    cpu = next(iter(names), platform.machine())
    linux, python = platform.release().split("-")[0], platform.python_version()
    return f"{os.cpu_count()} cores of {cpu}, Linux {linux}, Python {python}"


def fill(path, name, lines):
    """Replace the lines of a document between the markers with this name."""
    block = "\n".join([f"<!-- {name} -->", *lines, f"<!-- /{name} -->"])
    text, number = re.subn(rf"(?s)<!-- {name} -->.*<!-- /{name} -->", lambda _: block, path.read_text())
    if not number:
        raise SystemExit(f"{path}: expected the markers <!-- {name} --> and <!-- /{name} -->")
    path.write_text(text)


def percentile(values, share):
    """Return the value below which `share` of `values` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(name, values, unit="ms", scale=1000.0):
    """Return a line with the median, 99th percentile, minimum and maximum."""
    lowest, median = min(values) * scale, statistics.median(values) * scale
    p99, highest = percentile(values, 0.99) * scale, max(values) * scale
    return f"{name:<34} median {median:7.2f} {unit}   p99 {p99:7.2f}   min {lowest:7.2f}   max {highest:7.2f}"


def cpu_seconds(pid):
    """Return the user and system time of a process, in seconds."""
    return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3); 2: CPUCLOCK_SCHED


def slow_disk(milliseconds):
    """Return environment variables that make each fsync take `milliseconds`."""
    library = Path(tempfile.mkdtemp(prefix="button-bench-")) / "slowsync.so"
    command = ["gcc", "-O2", "-shared", "-fPIC", "-o", library, HERE / "slowsync.c"]
    subprocess.run(command, check=True)
    return {"LD_PRELOAD": str(library), "SYNC_MS": str(milliseconds)}
