"""Import of an SQLite database into an empty SQLite or PostgreSQL database."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from . import sqlite_files
from .database import COLUMNS, Database, DatabaseError


def import_database(path: Path, open_target: Callable[[], Database]) -> int:
    """Copy the SQLite database at `path` into an empty database in one transaction.

    Keeps the events with their seq, times and keys, the password and the ID, but not the sessions.

    Args:
        path: An SQLite database of any version of this program, which is only read.
        open_target: Opens the empty database. Called after `path` was checked.

    Returns:
        The number of events.

    Raises:
        DatabaseError: `path` is not an intact database, or the target is not empty.
    """
    path = sqlite_files.resolve(path)
    if not path.exists():
        raise DatabaseError(f"{path}: no such file")
    sqlite_files.check(path, "import another file")
    target = open_target()
    with contextlib.closing(sqlite_files.connect(path)) as source:
        source.execute("BEGIN")  # a consistent snapshot
        at, goal = source.execute("SELECT at, goal FROM origin").fetchone()
        newer = sqlite_files.schema_version(source)[0] > 1
        columns = ", ".join(COLUMNS if newer else (*COLUMNS[:-1], "NULL"))
        rows = source.execute(f"SELECT {columns} FROM event ORDER BY seq")  # noqa: S608
        secrets = dict(source.execute("SELECT name, value FROM secret").fetchall())
        return target.load(goal, at, rows.fetchall(), secrets)
