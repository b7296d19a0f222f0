"""Program that records presses, for tests/rigs/test_power_cut.py.

    python tests/support/power_workload.py FOLDER PRESSES

For each announced event, it writes a byte to the file `announced` in the folder, to record the moment.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import gevent

from storage import Change, SqliteDatabase, Store


def main(folder, presses):
    database = SqliteDatabase(folder / "button.db", goal=20)
    with (folder / "announced").open("wb", buffering=0) as announced:
        store = Store(database)
        store.subscribe(lambda _event: announced.write(b"."))
        for task in store.tasks():
            gevent.spawn(task)
        while store.current.seq < presses:
            jobs = [gevent.spawn(store.submit, Change("press", "api")) for _ in range(3)]
            store.press("button")
            gevent.joinall(jobs, raise_error=True)
        store.stop(5)
        store.close()
    database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
