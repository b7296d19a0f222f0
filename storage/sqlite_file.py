"""The SQLite file as a thing to own: made whole, checked, locked, backed up and put back."""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .errors import Damaged, DatabaseError

T = TypeVar("T")

log = logging.getLogger(__name__)

#: "Butn"; tells our files from any other SQLite database (PRAGMA application_id).
APPLICATION_ID = 0x4275746E
#: The version of the schema below (PRAGMA user_version).
SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE origin (                    -- the state before any change: one row
    at REAL NOT NULL,
    goal INTEGER NOT NULL CHECK (goal BETWEEN 1 AND 1000)
) STRICT;
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,             -- last + 1; AUTOINCREMENT would cost a page a press
    at REAL NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('press', 'undo', 'reset', 'goal')),
    source TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count BETWEEN 0 AND goal),
    goal INTEGER NOT NULL CHECK (goal BETWEEN 1 AND 1000),
    below INTEGER NOT NULL,
    undoes INTEGER,
    named INTEGER,
    key TEXT
) STRICT;
CREATE UNIQUE INDEX event_key ON event (key) WHERE key IS NOT NULL;
CREATE TRIGGER event_is_kept BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events stay'); END;
CREATE TRIGGER event_stays BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events stay'); END;
CREATE TABLE secret (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE session (hash TEXT PRIMARY KEY, began REAL NOT NULL) STRICT;
CREATE TABLE probe (at REAL NOT NULL) STRICT;  -- written only to know whether the disk takes it
INSERT INTO probe VALUES (0.0);
"""


def connect(path: Path, wait: float = 1.0) -> sqlite3.Connection:
    """A connection that keeps what it commits: a commit returns once it is on the disk.

    `wait`: seconds to wait for another process's lock. With `synchronous=NORMAL` a power cut loses
    committed rows in WAL mode; only FULL syncs the log at each commit.
    """
    db = sqlite3.connect(path.absolute(), timeout=wait, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA synchronous = FULL")
    return db


def transact(db: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run `work` in one transaction: all of it is on the disk when this returns, or none of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        done = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return done


def sync(path: Path) -> None:
    """Have the disk hold `path` (a file's bytes, or a folder's names)."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def lock(path: Path) -> int:
    """Keep every other server off the database at `path`; the lock ends with the process.

    Returns the lock's descriptor. Raises `DatabaseError` if another process holds it.
    """
    beside = path.with_name(path.name + ".lock")
    try:
        fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DatabaseError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise DatabaseError(f"{path}: another server uses it; stop that one first") from None
    return fd


def create(path: Path, goal: int) -> None:
    """Make a new database at `path`, whole or not at all, and on the disk when this returns.

    It is built beside and renamed, since a power cut in a file that SQLite has just begun would
    leave an empty one, which opens as a new database without any error.
    """
    beside = path.with_name(path.name + ".new")
    _remove(beside)
    os.close(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    db = connect(beside)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(f"BEGIN; {SCHEMA}")
    db.execute("INSERT INTO origin VALUES (?, ?)", (round(time.time(), 3), goal))
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")
    _settle(db, beside)
    beside.rename(path)
    sync(path.parent)
    log.warning("New database %s: the count begins at %d", path, goal)


def check(path: Path) -> None:
    """Raise `DatabaseError` unless `path` is a sound database of ours that we can read.

    An empty file counts as damage: SQLite would take it for a new database, and the count with it.
    The file is opened by SQLite alone: where a process closes it by another descriptor, POSIX takes away
    the locks that its SQLite connections hold, and the next process that closes the database
    removes the log beneath the server, with every press in it ("How To Corrupt", 2.2, sqlite.org).
    """
    mend = "put a backup in its place (app.py restore), or move it away to begin anew"
    try:
        if not path.stat().st_size:
            raise Damaged(f"{path}: is empty; {mend}")
        db = connect(path)
        try:
            application = db.execute("PRAGMA application_id").fetchone()[0]
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if application != APPLICATION_ID:
                raise Damaged(f"{path}: is a database of another program; {mend}")
            if version > SCHEMA_VERSION:
                raise DatabaseError(f"{path}: was written by a newer version; install that one")
            found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise Damaged(f"{path}: is damaged ({found.splitlines()[-1]}); {mend}")
            last, rows = db.execute("SELECT coalesce(max(seq), 0), count(*) FROM event").fetchone()
            if last != rows or not db.execute("SELECT 1 FROM origin").fetchone():
                raise Damaged(f"{path}: is damaged (changes are missing); {mend}")
        finally:
            db.close()
    except sqlite3.OperationalError as error:
        raise DatabaseError(f"{path}: cannot be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        what = "is no SQLite database" if "not a database" in str(error) else f"is damaged ({error})"
        raise Damaged(f"{path}: {what}; {mend}") from error
    except OSError as error:
        raise DatabaseError(f"{path}: cannot be opened: {error.strerror}") from error


def open_or_create(path: Path, goal: int) -> int:
    """Lock the database at `path`, check it, or make it if there is none; returns the lock.

    Raises `DatabaseError`.
    """
    held = lock(path)
    try:
        if path.exists():
            check(path)
        elif path.with_name(path.name + "-wal").exists():
            raise DatabaseError(f"{path}: is missing while its log {path.name}-wal is there; put both back")
        else:
            create(path, goal)
    except OSError as error:
        os.close(held)
        raise DatabaseError(f"{path}: cannot be made: {error.strerror}") from error
    except BaseException:
        os.close(held)
        raise
    return held


def backup(path: Path, to: Path) -> None:
    """Copy the database at `path`, as of one moment, to the new file `to`, also while in use.

    Raises `DatabaseError`; an existing `to` is refused. What is checked is the copy: it is as damaged.
    """
    try:
        path.stat()  # to open a file that is not there would make it
    except OSError as error:
        raise DatabaseError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        os.close(os.open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise DatabaseError(f"{to}: exists; name a file that does not") from None
    except OSError as error:
        raise DatabaseError(f"{to}: cannot be made: {error.strerror}") from error
    try:
        _copy(path, to)
        check(to)
        sync(to.absolute().parent)
    except (sqlite3.Error, OSError, DatabaseError) as error:
        _remove(to)
        raise DatabaseError(f"{to}: cannot be written: {error}") from error


def restore(copy: Path, path: Path) -> Path | None:
    """Put the backup `copy` in place of the database at `path`, while no server runs; ends all sessions.

    The former database stays beside; its path is returned (None if there was none). Raises
    `DatabaseError`, and then nothing has changed.
    """
    if not copy.exists():
        raise DatabaseError(f"{copy}: there is no such file")
    check(copy)
    held = lock(path)
    beside = path.with_name(path.name + ".new")
    try:
        _remove(beside)
        os.close(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        _copy(copy, beside)
        db = connect(beside)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("DELETE FROM session")
        _settle(db, beside)
        former = _set_aside(path)
        beside.replace(path)
        sync(path.absolute().parent)
        return former
    except (sqlite3.Error, OSError) as error:
        raise DatabaseError(f"{path}: cannot be replaced: {error}") from error
    finally:
        os.close(held)


def _set_aside(path: Path) -> Path | None:
    """Link the database at `path` to a second name, its log beside it, so that it can be replaced.

    The log must not stay: SQLite would play it into the file that takes the old one's place.
    """
    if not path.exists():
        return None
    former = path.with_name(f"{path.name}.before-restore-{int(time.time())}")
    former.hardlink_to(path)
    wal = path.with_name(path.name + "-wal")
    if wal.exists():
        wal.rename(former.with_name(former.name + "-wal"))
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    return former


def _copy(path: Path, to: Path) -> None:
    source, target = connect(path), connect(to)
    try:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
    finally:
        target.close()
        source.close()
    sync(to)


def _settle(db: sqlite3.Connection, path: Path) -> None:
    """Move all of the log into the file, close it, and have the disk hold it."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    sync(path)


def _remove(path: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)
