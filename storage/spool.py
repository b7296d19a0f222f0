"""Presses that wait on the server's own disk while the database is away: a power cut loses none of them."""

import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .count import Change
from .errors import DatabaseError, Unavailable
from .sqlite_file import connect, transact
from .threads import Worker

T = TypeVar("T")

#: "ButS"; tells a spool from a database (PRAGMA application_id).
APPLICATION_ID = 0x42757453

_SCHEMA = """
CREATE TABLE owner (database TEXT NOT NULL);
CREATE TABLE press (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, source TEXT NOT NULL);
"""


class Spool:
    """A file for one server and one database, which `database` names; made if missing, with mode 0600.

    Raises `DatabaseError` if the file is none of ours, or holds presses for another database: those are
    never replayed into this one. `add` and `drop` raise `Unavailable`.
    """

    def __init__(self, path: Path, database: str) -> None:
        self._worker = Worker()
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._db = self._worker.run(lambda: _open(path, database))
        except (OSError, sqlite3.Error) as error:
            raise DatabaseError(f"BUTTON_SPOOL: {path}: cannot be used: {error}") from error

    def waiting(self) -> list[Change]:
        """The presses in it, oldest first."""
        rows = self._run(lambda db: db.execute("SELECT source, key FROM press ORDER BY number").fetchall())
        return [Change("press", source, key=key) for source, key in rows]

    def add(self, presses: Sequence[Change]) -> None:
        """Keep presses: they are on the disk when this returns."""
        rows = [(press.key, press.source) for press in presses]
        self._change("INSERT OR IGNORE INTO press (key, source) VALUES (?, ?)", rows)

    def drop(self, keys: Collection[str]) -> None:
        """Forget the presses of these keys, which the database has now."""
        self._change("DELETE FROM press WHERE key = ?", [(key,) for key in keys])

    def _change(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._run(lambda db: transact(db, lambda db: db.executemany(sql, rows)))

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._worker.run(lambda: work(self._db))
        except sqlite3.Error as error:
            raise Unavailable(str(error)) from error


def _open(path: Path, database: str) -> sqlite3.Connection:
    db = connect(path)
    if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(f"BEGIN; {_SCHEMA} PRAGMA application_id = {APPLICATION_ID}; COMMIT;")
    elif db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise DatabaseError(f"BUTTON_SPOOL: {path}: is no spool; name another file")
    owner = db.execute("SELECT database FROM owner").fetchone()
    if owner != (database,):
        waiting = db.execute("SELECT count(*) FROM press").fetchone()[0]
        if waiting:
            raise DatabaseError(
                f"BUTTON_SPOOL: {path}: holds {waiting} presses for another database; move it away or name"
                " another file"
            )
        db.executescript("BEGIN; DELETE FROM owner; COMMIT;")
        db.execute("INSERT INTO owner VALUES (?)", (database,))
    return db
