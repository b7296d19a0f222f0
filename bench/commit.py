"""Throughput and hub lag of group commits on a disk as slow as an SD card."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.rig import HERE, percentile, slow_disk

SECONDS = 6.0
SYNC_MS = 30
#: Number of clients that press continuously.
CLIENTS = 40


def measure():
    """Press from many greenlets and measure the lag of a timer.

    Runs in a separate process with a slow disk.
    """
    import gevent

    from storage import Change, SqliteDatabase, Store

    database = SqliteDatabase(Path(tempfile.mkdtemp()) / "button.db", goal=20)
    store = Store(database)
    for task in store.tasks():
        gevent.spawn(task)
    lags = []
    end = time.monotonic() + SECONDS

    def measure_lag():
        while time.monotonic() < end:
            started_at = time.monotonic()
            gevent.sleep(0.001)
            lags.append(time.monotonic() - started_at - 0.001)

    def press():
        while time.monotonic() < end:
            store.submit(Change("press", "api"))

    greenlets = [gevent.spawn(measure_lag), *[gevent.spawn(press) for _ in range(CLIENTS)]]
    gevent.joinall(greenlets, raise_error=True)
    rate = store.current.seq / SECONDS
    print(f"presses stored per second          {rate:.0f} (one per commit: {1000 // SYNC_MS})")
    p99, longest = percentile(lags, 0.99) * 1000, max(lags) * 1000
    print(f"hub lag meanwhile                  p99 {p99:.2f} ms, max {longest:.2f} ms")


def main():
    command = [
        sys.executable,
        "-c",
        "from gevent import monkey; monkey.patch_all(); import bench.commit as b; b.measure()",
    ]
    subprocess.run(command, env=os.environ | slow_disk(SYNC_MS), cwd=HERE.parent, check=True)


if __name__ == "__main__":
    main()
