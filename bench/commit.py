"""Group commit on a disk as slow as an SD card: presses a second stored, and how late the hub is."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.rig import HERE, percentile, slow_disk

SECONDS = 6.0
SYNC_MS = 30
#: Clients that press without a pause.
CLIENTS = 40


def work():
    """Within the slow process: press from many greenlets, and watch how late a timer is."""
    import gevent

    from storage import Change, SqliteDatabase, Store

    database = SqliteDatabase(Path(tempfile.mkdtemp()) / "button.db", goal=20)
    store = Store(database)
    for task in store.tasks():
        gevent.spawn(task)
    late = []
    end = time.monotonic() + SECONDS

    def watch():
        while time.monotonic() < end:
            begun = time.monotonic()
            gevent.sleep(0.001)
            late.append(time.monotonic() - begun - 0.001)

    def press():
        while time.monotonic() < end:
            store.submit(Change("press", "api"))

    gevent.joinall([gevent.spawn(watch), *[gevent.spawn(press) for _ in range(CLIENTS)]], raise_error=True)
    commits = store.current.seq / SECONDS
    print(f"presses stored a second            {commits:.0f} (one a commit: {1000 // SYNC_MS})")
    p99, most = percentile(late, 0.99) * 1000, max(late) * 1000
    print(f"hub lag meanwhile                  p99 {p99:.2f} ms, most {most:.2f} ms")


def main():
    command = [
        sys.executable,
        "-c",
        "from gevent import monkey; monkey.patch_all(); import bench.commit as b; b.work()",
    ]
    subprocess.run(command, env=os.environ | slow_disk(SYNC_MS), cwd=HERE.parent, check=True)


if __name__ == "__main__":
    main()
