"""The count in an SQLite file: the database of one server."""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from . import sqlite_file
from .count import Change, Event, Refused, follow_all, origin
from .errors import Unavailable
from .threads import Worker

T = TypeVar("T")

COLUMNS = ", ".join(Event._fields)
_INSERT = f"INSERT INTO event ({COLUMNS}) VALUES ({', '.join('?' * len(Event._fields))})"  # noqa: S608
_SELECT = f"SELECT {COLUMNS} FROM event"  # noqa: S608
_AFTER = "WHERE seq > ? ORDER BY seq LIMIT ?"
#: Bytes of free space below which a real write finds out whether there is enough.
LITTLE_SPACE = 2**20


class SqliteDatabase:
    """An SQLite database file, for one server; every method may be called from any greenlet.

    Opening it makes the file if there is none (with `goal`), checks it, and keeps other servers off
    (raises `DatabaseError`). With `goal` None the file must be there, and a server may use it.
    Native threads write and read (see `_workers`), so that the hub never waits for a disk: a commit on an
    SD card takes 30 ms. All methods that touch the file raise `Unavailable` where it cannot be
    written or read now.
    """

    def __init__(self, path: Path, goal: int | None) -> None:
        if goal is None:
            sqlite_file.check(path)
        self._lock = None if goal is None else sqlite_file.open_or_create(path, goal)
        self.path = path
        self._inode = path.stat().st_ino
        # `public` reads for anybody who asks, `check` may hang with the disk: neither delays the others.
        self._workers = {name: Worker() for name in ("write", "read", "news", "public", "check")}
        self._connections: dict[str, sqlite3.Connection] = {}
        self._closed = False
        for name in ("write", "news", "public"):  # now, and not when descriptors have become scarce
            self._run(name, lambda db: db.execute("SELECT 1 FROM origin"))
        self._origin = self._run("read", self._read_origin)

    def record(self, changes: Sequence[Change]) -> list[tuple[Event, bool] | Refused]:
        """Record `changes` in order, in one transaction that is on the disk when this returns.

        For each: its event and whether an earlier request with the same key made it, or, alone, its
        refusal.
        """
        return self._run("write", lambda db: self._record(db, changes))

    def now(self) -> float:
        """Unix seconds by the clock that stamps the events: this machine's."""
        return time.time()

    def newest(self) -> Event:
        """The newest event; the origin if there is none."""
        return self._run("read", self._newest)

    def events_after(self, seq: int, limit: int) -> list[Event]:
        """The events above `seq`, oldest first, at most `limit` of them."""
        return self._run("read", lambda db: _select(db, _AFTER, min(seq, 2**62), limit))

    def record_and_read(
        self, changes: Sequence[Change], after: int, limit: int
    ) -> tuple[list[tuple[Event, bool] | Refused], list[Event] | None]:
        """Record changes, then read the events after seq `after`, in one hop to the thread that writes."""

        def work(db: sqlite3.Connection) -> tuple[list[tuple[Event, bool] | Refused], list[Event] | None]:
            outcomes = self._record(db, changes)
            try:
                return outcomes, _select(db, _AFTER, after, limit)
            except sqlite3.Error:  # what was recorded stays so: the announcer reads it later
                return outcomes, None

        return self._run("write", work)

    def public_events_after(self, seq: int, limit: int) -> list[Event]:
        """Return at most `limit` events above `seq`, oldest first, in a thread of their own."""
        return self._run("public", lambda db: _select(db, _AFTER, min(seq, 2**62), limit))

    def news(self, seq: int, limit: int) -> list[Event]:
        """Return the same for the announcer, in a thread of its own."""
        return self._run("news", lambda db: _select(db, _AFTER, seq, limit))

    def latest(self, limit: int) -> list[Event]:
        """The newest `limit` events, newest first."""
        return self._run("read", lambda db: _select(db, "ORDER BY seq DESC LIMIT ?", limit))

    def tally(self, day: float, week: float) -> tuple[float | None, int, int]:
        """When the last press was (None: never), and how many there were since `day` and `week`.

        Both are Unix seconds; undone presses are not counted.
        """

        def count(db: sqlite3.Connection) -> tuple[float | None, int, int]:
            pressed = db.execute("SELECT at FROM event WHERE kind = 'press' ORDER BY seq DESC LIMIT 1")
            last = pressed.fetchone()
            rows = db.execute(
                "SELECT total(at >= ?), count(*) FROM event WHERE kind = 'press' AND at >= ? AND seq"
                " NOT IN (SELECT undoes FROM event WHERE kind = 'undo')",
                (day, week),
            ).fetchone()
            return last and last[0], int(rows[0]), rows[1]

        return self._run("read", count)

    def query(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows that `sql` (with `:name` for each value) selects."""
        return self._run("read", lambda db: db.execute(sql, values).fetchall())

    def change(self, *statements: tuple[str, dict[str, Any]]) -> None:
        """Carry out SQL statements, each with its values, in one transaction."""

        def write(db: sqlite3.Connection) -> None:
            for sql, values in statements:
                db.execute(sql, values)

        self._run("write", lambda db: sqlite_file.transact(db, write))

    def probe(self) -> None:
        """Write a page, to know whether that can be done; raises `Unavailable` if not."""
        self.change(("UPDATE probe SET at = :now", {"now": time.time()}))

    def is_suspect(self) -> bool:
        """Return whether the file may not be writable: little space, read-only, moved away.

        Costs no write: on an SD card one every second would be half of its wear.
        """
        return self._workers["check"].run(lambda: _is_suspect(self.path))

    def sole(self, purpose: int) -> bool:
        """True: the file has one server."""
        return True

    def listen(self, wake: Callable[[], None]) -> None:
        """Returns at once: no other server writes to the file."""

    def close(self) -> None:
        """Close the file and let another server have it."""
        self._closed = True
        for name, worker in self._workers.items():
            if name in self._connections:
                worker.run(self._connections.pop(name).close)
            worker.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _run(self, name: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the worker `name`, on its connection."""

        def run() -> T:
            self._check_there()
            if name not in self._connections:
                self._connections[name] = sqlite_file.connect(self.path)
            return work(self._connections[name])

        if self._closed:  # a connection made now would leave its log behind
            raise Unavailable("the database is closed")
        try:
            return self._workers[name].run(run)
        except sqlite3.DatabaseError as error:
            if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
                raise  # ours to mend, not the disk's
            raise Unavailable(str(error)) from error

    def _check_there(self) -> None:
        """Check that the file was not moved or replaced, so that no change is lost."""
        try:
            there = self.path.stat().st_ino
        except OSError as error:
            raise sqlite3.OperationalError(f"the file is not there: {error.strerror}") from error
        if there != self._inode:
            raise sqlite3.OperationalError("another file was put in its place")

    def _record(
        self, db: sqlite3.Connection, changes: Sequence[Change]
    ) -> list[tuple[Event, bool] | Refused]:
        def write(db: sqlite3.Connection) -> list[tuple[Event, bool] | Refused]:
            return follow_all(
                changes,
                self._newest(db),
                find=lambda key: self._event(db, "key", key),
                event_at=lambda seq: self._event_at(db, seq),
                at=round(self.now(), 3),
                keep=lambda event: db.execute(_INSERT, event),
            )

        return sqlite_file.transact(db, write)

    def _newest(self, db: sqlite3.Connection) -> Event:
        row = db.execute(f"{_SELECT} ORDER BY seq DESC LIMIT 1").fetchone()
        return Event(*row) if row else self._origin

    def _event(self, db: sqlite3.Connection, column: str, value: Any) -> Event | None:
        row = db.execute(f"{_SELECT} WHERE {column} = ?", (value,)).fetchone()
        return Event(*row) if row else None

    def _event_at(self, db: sqlite3.Connection, seq: int) -> Event:
        event = self._event(db, "seq", seq) if seq else self._origin
        if event is None:
            raise LookupError(f"event {seq} is missing")
        return event

    @staticmethod
    def _read_origin(db: sqlite3.Connection) -> Event:
        at, goal = db.execute("SELECT at, goal FROM origin").fetchone()
        return origin(goal, at)


def _select(db: sqlite3.Connection, where: str, *values: Any) -> list[Event]:
    return [Event(*row) for row in db.execute(f"{_SELECT} {where}", values).fetchall()]


def _is_suspect(path: Path) -> bool:
    try:
        disk = os.statvfs(path)
    except OSError:
        return True
    free = disk.f_bavail * disk.f_frsize
    return free < LITTLE_SPACE or bool(disk.f_flag & os.ST_RDONLY) or not os.access(path, os.W_OK)
