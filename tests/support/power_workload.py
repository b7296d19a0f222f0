"""Presses, and says on standard output what was announced: the program that test_power.py unplugs.

    python press_and_tell.py FOLDER PRESSES

What it announces it writes to the file `told` in the folder, a byte each, so that the recorder sees when.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import gevent

from storage import Change, SqliteDatabase, Store


def main(folder, presses):
    database = SqliteDatabase(folder / "button.db", goal=20)
    with (folder / "told").open("wb", buffering=0) as told:
        store = Store(database)
        store.subscribe(lambda _event: told.write(b"."))
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
