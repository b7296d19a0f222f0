"""How many clients one server serves, and what they take with the memory of the kernel's sockets.

    python -m bench.capacity [CLIENTS]

Needs root for the control group, and for more descriptors than the hard limit, where the kernel permits that; else
there are as many clients as the limit allows.
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

from bench.press_cost import Presses
from bench.rig import HERE

CLIENTS, PRESSES = 30_000, 20
GROUP_CLIENTS, GROUP_LIMIT = 10_000, 200_000_000
#: Descriptors of a server that are not for clients: it reserves 256.
SPARE_DESCRIPTORS = 400
#: Seconds between two pings, of the product.
HEARTBEAT = 10
MEMORY = Path("/sys/fs/cgroup/memory")  # control groups, version 1
UNIFIED = Path("/sys/fs/cgroup")  # version 2


class Product:
    """The product in a temporary folder, with clients of `bench.load` on several loopback addresses.

    `group` is the folder of a control group that its process joins, None: none.
    """

    def __init__(self, clients, group=None, how="socketio", checkout=HERE.parent):
        self.clients = clients
        self.presses = Presses(
            checkout / "app.py",
            host="0.0.0.0",
            max_clients=str(clients),
            before=partial(self._prepare, group),
        )
        self.pid = self.presses.process.pid
        self.memory = self.resident()
        command = [sys.executable, "-m", "bench.load", str(self.presses.port), str(clients), how]
        self.load = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, cwd=HERE.parent
        )
        assert self.load.stdout.readline() == "ready\n"
        time.sleep(1.0)
        self.report()

    @staticmethod
    def _prepare(group):
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def resident(self):
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def report(self):
        """Counts, bytes, closed connections, and the time of the last count in microseconds."""
        self.load.stdin.write("report\n")
        return tuple(map(int, self.load.stdout.readline().split()))

    def press(self):
        """Press once; return the seconds until the last client had the count, and how many had it."""
        started = time.monotonic()
        self.presses.press(1)
        counts, _, closed, last = self.report()
        assert not closed, f"{closed} clients were dropped"
        return last / 1e6 - started, counts

    def stop(self):
        self.load.kill()
        self.load.wait()
        self.load.stdin.close()
        self.load.stdout.close()
        self.presses.stop()


@contextlib.contextmanager
def control_group(limit):
    """A control group whose processes may take `limit` bytes, the kernel's sockets included."""
    unified = (UNIFIED / "cgroup.controllers").exists()
    group = (UNIFIED if unified else MEMORY) / f"button-bench-{os.getpid()}"
    group.mkdir()
    try:
        if unified:
            (group / "memory.max").write_text(str(limit))
        else:
            (group / "memory.limit_in_bytes").write_text(str(limit))
            with contextlib.suppress(OSError):  # counts the buffers of sockets, where the kernel can
                (group / "memory.kmem.tcp.limit_in_bytes").write_text(str(limit))
        yield group
    finally:
        group.rmdir()


def group_memory(group):
    """Bytes that a control group holds now: pages, the kernel's structures, the buffers of sockets."""
    names = ("memory.current", "memory.usage_in_bytes", "memory.kmem.tcp.usage_in_bytes")
    return sum(int((group / name).read_text()) for name in names if (group / name).exists())


def raise_limit(clients):
    """Permit so many clients, for this process and its children, or as many as possible; return the number."""
    limit = clients + SPARE_DESCRIPTORS
    with contextlib.suppress(ValueError):  # without the capability
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return min(clients, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE_DESCRIPTORS)


class Many(NamedTuple):
    """What many clients took."""

    clients: int
    #: Bytes, without the kernel's.
    memory: int
    #: Seconds until the last client had a press, for each press.
    seconds: list[float]
    #: Clients that missed a press.
    missed: int


def many(wanted=CLIENTS):
    """Serve as many clients as are wanted, or permitted, through two heartbeats, then press."""
    clients = raise_limit(wanted)
    product = Product(clients)
    time.sleep(2.2 * HEARTBEAT)
    presses = [product.press() for _ in range(PRESSES)]
    growth = product.resident() - product.memory
    product.stop()
    missed = clients - min(counts for _, counts in presses)
    return Many(clients, growth, [seconds for seconds, _ in presses], missed)


def limited(clients=GROUP_CLIENTS):
    """Return the bytes that a server takes in a control group, and how many clients missed a press."""
    with control_group(GROUP_LIMIT) as group:
        product = Product(clients, group)
        time.sleep(2.2 * HEARTBEAT)
        missed = clients - min(product.press()[1] for _ in range(PRESSES))
        taken = group_memory(group)
        product.stop()
    return taken, missed


def main():
    got = many(int(sys.argv[1]) if len(sys.argv) > 1 else CLIENTS)
    print(
        f"{got.clients} clients take {got.memory / 1e6:.0f} MB; {got.missed} missed one of {PRESSES} presses;"
    )
    print(
        f"the last one after {statistics.median(got.seconds):.3f} s (median), {max(got.seconds):.3f} s (most)"
    )
    taken, missed = limited()
    print(
        f"{GROUP_CLIENTS} clients in a group of {GROUP_LIMIT / 1e6:.0f} MB: {taken / 1e6:.0f} MB; {missed} missed a press"
    )


if __name__ == "__main__":
    main()
