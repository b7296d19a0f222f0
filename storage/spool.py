"""Presses stored on disk while the database or the server is unavailable."""

import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .database import DatabaseError, Unavailable
from .rules import Change
from .sqlite_files import connect, in_transaction
from .threads import Worker

T = TypeVar("T")

#: "ButS", which identifies a spool (PRAGMA application_id).
APPLICATION_ID = 0x42757453

_SCHEMA = """
CREATE TABLE owner (database TEXT NOT NULL);
CREATE TABLE press (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, source TEXT NOT NULL);
"""


class Spool:
    """A file with presses that one server has yet to record in one database.

    `add`, `drop`, `waiting` and `claim` raise `Unavailable`.

    Args:
        path: The file, which is created with mode 0600 if missing.
        database: ID of the database. If None, call `claim` later.

    Raises:
        DatabaseError: The file is not a spool, or has presses for another database, which are never replayed
            into this one.
    """

    def __init__(self, path: Path, database: str | None = None) -> None:
        self._worker = Worker()
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._db = self._worker.run(lambda: _open(path))
            claimed = database is None or self.claim(database)
            waiting = len(self.waiting())
        except (OSError, sqlite3.Error, Unavailable) as error:
            raise DatabaseError(f"BUTTON_SPOOL: {path}: cannot be used: {error}") from error
        if not claimed:
            raise DatabaseError(
                f"BUTTON_SPOOL: {path}: holds {waiting} presses for another database; move it away or use"
                " another file"
            )

    def claim(self, database: str, url: str | None = None) -> bool:
        """Assign the spool to the database with this ID.

        Returns False if it has presses for another database. `url` is the address of a remote button's
        server. Version 1.1.0 identifies the owner by that alone, so it is stored as well, and a spool from
        1.1.0 is recognized by it.
        """
        owner = database if url is None else url

        def work(db: sqlite3.Connection) -> bool:
            claims, owners = (
                [row[0] for row in db.execute(f"SELECT database FROM {table}")]  # noqa: S608
                for table in ("claim", "owner")
            )
            if (claims, owners) == ([database], [owner]):
                return True  # no write, which would fail on a full disk
            known = [*claims, *owners]
            is_other = bool(known) and known[0].rstrip("/") not in (database, owner.rstrip("/"))
            if is_other and db.execute("SELECT 1 FROM press").fetchone():
                return False
            for table, value in (("owner", owner), ("claim", database)):
                db.execute(f"DELETE FROM {table}")  # noqa: S608
                db.execute(f"INSERT INTO {table} VALUES (?)", (value,))  # noqa: S608
            return True

        return self._run(lambda db: in_transaction(db, work))

    def waiting(self) -> list[Change]:
        """Return the stored presses, oldest first."""
        rows = self._run(lambda db: db.execute("SELECT source, key FROM press ORDER BY number").fetchall())
        return [Change("press", source, key=key) for source, key in rows]

    def add(self, presses: Sequence[Change]) -> None:
        """Store presses, which are on disk when this returns."""
        rows = [(press.key, press.source) for press in presses]
        self._change("INSERT OR IGNORE INTO press (key, source) VALUES (?, ?)", rows)

    def drop(self, keys: Collection[str]) -> None:
        """Delete the presses with these keys."""
        self._change("DELETE FROM press WHERE key = ?", [(key,) for key in keys])

    def _change(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._run(lambda db: in_transaction(db, lambda db: db.executemany(sql, rows)))

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._worker.run(lambda: work(self._db))
        except sqlite3.Error as error:
            raise Unavailable(str(error)) from error


def _open(path: Path) -> sqlite3.Connection:
    db = connect(path)
    if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(f"BEGIN; {_SCHEMA} PRAGMA application_id = {APPLICATION_ID}; COMMIT;")
    elif db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise DatabaseError(f"BUTTON_SPOOL: {path}: is not a spool; use another file")
    db.execute("CREATE TABLE IF NOT EXISTS claim (database TEXT NOT NULL)")
    return db
