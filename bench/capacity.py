"""Number of clients that a server can handle, and their memory.

    python -m bench.capacity [CLIENTS]

Requires root for the control group. Root can also raise the hard limit on file descriptors, where the kernel
permits it. Otherwise that limits the number of clients.
"""

import contextlib
import os
import resource
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.press_cost import PressServer
from bench.rig import HERE

CLIENTS, PRESSES = 30_000, 20
GROUP_CLIENTS, GROUP_LIMIT = 10_000, 200_000_000
#: File descriptors not available for clients, including the 256 that the server reserves.
SPARE_DESCRIPTORS = 400
#: Ping interval of the product, in seconds.
HEARTBEAT = 10
MEMORY = Path("/sys/fs/cgroup/memory")  # control groups, version 1
UNIFIED = Path("/sys/fs/cgroup")  # version 2


class Product:
    """The product in a temporary folder, with clients of `bench.load`.

    `group` is the folder of a control group for its process, or None.
    """

    def __init__(self, clients, group=None, kind="socketio", checkout=HERE.parent):
        self.clients = clients
        self.presses = PressServer(
            checkout / "app.py",
            host="0.0.0.0",
            max_clients=str(clients),
            before=partial(self._join_group, group),
        )
        self.pid = self.presses.process.pid
        self.initial_memory = self.memory()
        command = [sys.executable, "-m", "bench.load", str(self.presses.port), str(clients), kind]
        self.load = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, cwd=HERE.parent
        )
        assert self.load.stdout.readline() == "ready\n"
        time.sleep(1.0)
        self.report()

    @staticmethod
    def _join_group(group):
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def memory(self):
        """Return the resident memory of the server in bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def report(self):
        """Return counts, bytes, closed connections, and the time of the last count in microseconds."""
        self.load.stdin.write("report\n")
        return tuple(map(int, self.load.stdout.readline().split()))

    def press(self):
        """Press once.

        Returns the seconds until the last client received the count, and the number that received it.
        """
        started_at = time.monotonic()
        self.presses.press(1)
        counts, _, closed, last_count_at = self.report()
        assert not closed, f"{closed} clients were disconnected"
        return last_count_at / 1e6 - started_at, counts

    def stop(self):
        self.load.kill()
        self.load.wait()
        self.load.stdin.close()
        self.load.stdout.close()
        self.presses.stop()


@contextlib.contextmanager
def control_group(limit):
    """Create a control group with a limit in bytes, including socket memory of the kernel."""
    unified = (UNIFIED / "cgroup.controllers").exists()
    group = (UNIFIED if unified else MEMORY) / f"button-bench-{os.getpid()}"
    group.mkdir()
    try:
        if unified:
            (group / "memory.max").write_text(str(limit))
        else:
            (group / "memory.limit_in_bytes").write_text(str(limit))
            with contextlib.suppress(OSError):  # socket buffers, if the kernel accounts for them
                (group / "memory.kmem.tcp.limit_in_bytes").write_text(str(limit))
        yield group
    finally:
        group.rmdir()


def group_memory(group):
    """Return the memory of a control group in bytes, including the kernel's."""
    names = ("memory.current", "memory.usage_in_bytes", "memory.kmem.tcp.usage_in_bytes")
    return sum(int((group / name).read_text()) for name in names if (group / name).exists())


def raise_limit(clients):
    """Raise the descriptor limit if permitted; return how many clients it allows."""
    limit = clients + SPARE_DESCRIPTORS
    with contextlib.suppress(ValueError):  # not permitted
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return min(clients, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE_DESCRIPTORS)


class Capacity(NamedTuple):
    """Figures of a server with many clients."""

    clients: int
    #: Bytes, excluding the kernel's.
    memory: int
    #: Seconds until the last client received the count, by press.
    seconds: list[float]
    #: Number of clients that missed a press.
    missed: int


def many(max_clients=CLIENTS):
    """Connect up to `max_clients`, wait for two heartbeats, press, and return figures."""
    clients = raise_limit(max_clients)
    product = Product(clients)
    time.sleep(2.2 * HEARTBEAT)
    presses = [product.press() for _ in range(PRESSES)]
    growth = product.memory() - product.initial_memory
    product.stop()
    missed = clients - min(counts for _, counts in presses)
    return Capacity(clients, growth, [seconds for seconds, _ in presses], missed)


def limited(clients=GROUP_CLIENTS):
    """Return the memory of a server in a control group, and the number of clients that missed a press."""
    with control_group(GROUP_LIMIT) as group:
        product = Product(clients, group)
        time.sleep(2.2 * HEARTBEAT)
        missed = clients - min(product.press()[1] for _ in range(PRESSES))
        memory = group_memory(group)
        product.stop()
    return memory, missed


def main():
    result = many(int(sys.argv[1]) if len(sys.argv) > 1 else CLIENTS)
    print(f"{result.clients} clients: {result.memory / 1e6:.0f} MB, {result.missed} missed a press")
    median, longest = statistics.median(result.seconds), max(result.seconds)
    print(f"seconds until the last client had the count: median {median:.3f}, max {longest:.3f}")
    memory, missed = limited()
    group = f"a control group of {GROUP_LIMIT / 1e6:.0f} MB"
    print(f"{GROUP_CLIENTS} clients in {group}: {memory / 1e6:.0f} MB, {missed} missed a press")


if __name__ == "__main__":
    main()
