"""SQLite database, for a single server."""

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import gevent
from gevent.lock import RLock

from . import sqlite_backup, sqlite_files, sqlite_migration
from .database import COLUMNS, SELECT, Database, DatabaseError, Outcome, Unavailable, row
from .rules import Change, Event, apply_all, origin
from .threads import Worker

T = TypeVar("T")

log = logging.getLogger(__name__)

_INSERT = f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_NEWEST = f"{SELECT} ORDER BY seq DESC LIMIT 1"
_AFTER = f"{SELECT} WHERE seq > ? ORDER BY seq LIMIT ?"
#: Bytes of free space below which a test write checks whether there is enough.
LITTLE_SPACE = 2**20
#: Attempts to checkpoint the log while other connections read it, 10 ms apart.
CHECKPOINT_ATTEMPTS = 100


class LogDeleted(sqlite3.OperationalError):
    """The log was deleted or replaced while it was open."""


class SqliteDatabase(Database):
    """An SQLite database file of one server.

    Native threads read and write (see `_workers`), so that the event loop never waits for the disk. A commit
    on an SD card takes 30 ms.

    Args:
        path: The file, which is created if missing, checked, migrated and locked.
        goal: Goal of a new database. If None, the file must exist, and a server may be using it.

    Raises:
        DatabaseError: It cannot be opened.
    """

    def __init__(self, path: Path, goal: int | None) -> None:
        path = sqlite_files.resolve(path)
        if goal is None:
            sqlite_backup.check_not_restoring(path)
            sqlite_files.check(path)
        self._locks = [] if goal is None else sqlite_migration.open_or_create(path, goal)
        self.path = path
        self._log_path = path.with_name(path.name + "-wal")
        self._inode = path.stat().st_ino
        self._log_inode: int | None = None  # None: no connection is open
        # `public` serves requests without a login, and `check` can hang with the disk. Neither delays the
        # others.
        self._workers = {name: Worker() for name in ("write", "read", "news", "public", "check")}
        self._connections: dict[str, sqlite3.Connection] = {}
        self._reopening = RLock()
        self._closed = False
        try:
            for name in ("write", "news", "public"):  # opened now, before file descriptors can run out
                self._run(name, lambda db: db.execute("SELECT 1 FROM origin").fetchall())
            self._origin = self._run("read", self._read_origin)
        except Unavailable as error:
            self.close()
            raise DatabaseError(f"{path}: cannot be opened: {error}") from error

    def record(self, changes: Sequence[Change]) -> list[Outcome]:
        return self._run("write", lambda db: self._record(db, changes))

    def record_and_read(
        self, changes: Sequence[Change], after: int, limit: int
    ) -> tuple[list[Outcome], list[Event] | None]:
        def work(db: sqlite3.Connection) -> tuple[list[Outcome], list[Event] | None]:
            outcomes = self._record(db, changes)
            try:
                return outcomes, [Event(*found) for found in db.execute(_AFTER, (after, limit)).fetchall()]
            except sqlite3.Error:  # the announcer reads them later
                return outcomes, None

        return self._run("write", work)

    def now(self) -> float:
        return time.time()

    def newest(self) -> Event:
        return self._run("read", self._newest)

    def rows(self, lane: str, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        return self._run(lane, lambda db: db.execute(sql, values).fetchall())

    def change(self, *statements: tuple[str, dict[str, Any]]) -> None:
        def write(db: sqlite3.Connection) -> None:
            for sql, values in statements:
                db.execute(sql, values)

        self._run("write", lambda db: sqlite_files.in_transaction(db, write))

    def load(self, goal: int, at: float, rows: Iterable[tuple[Any, ...]], secrets: dict[str, str]) -> int:
        def write(db: sqlite3.Connection) -> int:
            if db.execute("SELECT 1 FROM event").fetchone():
                raise DatabaseError(f"{self.path}: is not empty; use a new database")
            db.execute("UPDATE origin SET at = ?, goal = ?", (at, goal))
            db.executemany(_INSERT, rows)
            db.execute("DELETE FROM session")
            db.executemany("INSERT OR REPLACE INTO secret VALUES (?, ?)", secrets.items())
            return int(db.execute("SELECT count(*) FROM event").fetchone()[0])

        return self._run("write", lambda db: sqlite_files.in_transaction(db, write))

    def probe(self) -> None:
        self.change(("UPDATE probe SET at = :now", {"now": time.time()}))

    def is_suspect(self) -> bool:
        """Return whether the file may not be writable.

        That is the case if the disk is full or read-only, or the file or its log was moved. The check does
        not write, since a write per second would cause half of an SD card's wear.
        """
        return self._workers["check"].run(self._is_suspect)

    def try_lock(self, lock: int) -> bool:
        return True

    def listen(self, wake: Callable[[], None]) -> None:
        """Return immediately, since no other server writes to the file."""

    def close(self) -> None:
        """Close the file and release its locks."""
        self._closed = True
        self._close_connections()
        for worker in self._workers.values():
            worker.stop()
        sqlite_files.unlock(self._locks)

    def _close_connections(self) -> None:
        for name, worker in self._workers.items():
            if name in self._connections:
                worker.run(self._connections.pop(name).close)
        self._log_inode = None

    def _run(self, name: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the worker `name` on its connection."""

        def run() -> T:
            self._check_files()
            db = self._connections.get(name)
            if db is None:
                db = self._connections[name] = self._connect()
            return work(db)

        if self._closed:  # a new connection would leave a log file behind
            raise Unavailable("the database is closed")
        try:
            if self._reopening.locked():
                with self._reopening:
                    pass
            try:
                return self._workers[name].run(run)
            except LogDeleted:
                self._reopen()
                return self._workers[name].run(run)
        except sqlite3.DatabaseError as error:
            if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
                raise  # a bug in the SQL, not an I/O error
            if "readonly" in str(error):  # the connection would stay read-only
                self._drop(name)
            raise Unavailable(str(error)) from error

    def _connect(self) -> sqlite3.Connection:
        db = sqlite_files.connect(self.path)
        db.execute("SELECT 1 FROM origin").fetchall()  # opens the log file
        if self._log_inode is None:
            with contextlib.suppress(OSError):
                self._log_inode = self._log_path.stat().st_ino
        return db

    def _drop(self, name: str) -> None:
        connection = self._connections.pop(name, None)
        if connection is not None:
            self._workers[name].run(connection.close)

    def _check_files(self) -> None:
        """Raise an error if the file or its log was moved, deleted or replaced."""
        try:
            inode = self.path.stat().st_ino
        except OSError as error:
            raise sqlite3.OperationalError(f"the file is missing: {error.strerror}") from error
        if inode != self._inode:
            raise sqlite3.OperationalError("the file was replaced by another file")
        if self._log_inode is not None and not self._has_log():
            raise LogDeleted("the log was deleted")

    def _has_log(self) -> bool:
        try:
            return self._log_path.stat().st_ino == self._log_inode
        except OSError:
            return False

    def _reopen(self) -> None:
        """Checkpoint a deleted log, which open connections can still read, and reopen the file.

        All connections must be closed before one is opened: otherwise they would share an index of different
        logs.
        """
        with self._reopening:
            if self._log_inode is None or self._has_log():
                return  # done by another greenlet
            writer = self._connections.get("write")
            if writer is not None:
                checkpoint = partial(writer.execute, "PRAGMA wal_checkpoint(TRUNCATE)")
                for _ in range(CHECKPOINT_ATTEMPTS):
                    if not self._workers["write"].run(checkpoint).fetchone()[0]:  # not busy
                        break
                    gevent.sleep(0.01)
            self._close_connections()
            log.error("The log %s was deleted while in use; its changes are in the database", self._log_path)

    def _is_suspect(self) -> bool:
        try:
            self._check_files()
            disk = os.statvfs(self.path)
        except (OSError, sqlite3.Error):
            return True
        free = disk.f_bavail * disk.f_frsize
        read_only = disk.f_flag & os.ST_RDONLY or not os.access(self.path, os.W_OK)
        return free < LITTLE_SPACE or bool(read_only)

    def _record(self, db: sqlite3.Connection, changes: Sequence[Change]) -> list[Outcome]:
        def write(db: sqlite3.Connection) -> list[Outcome]:
            return apply_all(
                changes,
                self._newest(db),
                find=lambda key: self._event(db, "key", key),
                event_at=lambda seq: self._event_at(db, seq),
                at=round(self.now(), 3),
                keep=lambda event: db.execute(_INSERT, row(event)),
            )

        return sqlite_files.in_transaction(db, write)

    def _newest(self, db: sqlite3.Connection) -> Event:
        found = db.execute(_NEWEST).fetchone()
        return Event(*found) if found else self._origin

    def _event(self, db: sqlite3.Connection, column: str, value: Any) -> Event | None:
        found = db.execute(f"{SELECT} WHERE {column} = ?", (value,)).fetchone()
        return Event(*found) if found else None

    def _event_at(self, db: sqlite3.Connection, seq: int) -> Event:
        event = self._event(db, "seq", seq) if seq else self._origin
        if event is None:
            raise LookupError(f"event {seq} is missing")
        return event

    @staticmethod
    def _read_origin(db: sqlite3.Connection) -> Event:
        at, goal = db.execute("SELECT at, goal FROM origin").fetchone()
        return origin(goal, at)
