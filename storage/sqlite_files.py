"""Creation, checks and locks of the SQLite file."""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .database import Damaged, DatabaseError, pending

T = TypeVar("T")

log = logging.getLogger(__name__)

#: "Butn", which identifies the files of this program (PRAGMA application_id).
APPLICATION_ID = 0x4275746E
#: Version of the schema below (PRAGMA user_version). Additions (see `MIGRATIONS`) do not change it, since
#: version 1.1.0 opens no file with a higher number.
SCHEMA_VERSION = 1

#: Prefix of folders with a backup that is being downloaded, with the database's file name.
DOWNLOAD_PREFIX = ".{}.download-"

#: What to do if the database of the server cannot be used.
RESTORE = "restore a backup with app.py restore, or move the file away to start a new count"

SCHEMA = """
CREATE TABLE origin (                    -- the initial state: one row
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
CREATE TABLE probe (at REAL NOT NULL) STRICT;  -- written only to find out whether it can be
INSERT INTO probe VALUES (0.0);
"""


def connect(path: Path, wait: float = 1.0) -> sqlite3.Connection:
    """Return a connection whose commits are on disk when they return.

    In WAL mode a power cut loses committed rows with `synchronous=NORMAL`. Only FULL syncs the log at each
    commit. `wait` is the timeout for another process's lock, in seconds.
    """
    db = sqlite3.connect(path.absolute(), timeout=wait, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


def in_transaction(db: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run `work` in a transaction, which is on disk when this returns."""
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
    """Sync `path` to disk, which is a file or a folder's list of names."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def resolve(path: Path) -> Path:
    """Return the file that `path` refers to, following symbolic links.

    Raises `DatabaseError` for a broken link, so that a missing database is not replaced by a new one.
    """
    try:
        target = path.resolve()
        if path.is_symlink() and not target.exists():
            raise DatabaseError(f"{path}: links to {target}, which is missing; restore it or remove the link")
        if target.is_dir():
            raise DatabaseError(f"{path}: is a folder; name a file in it")
    except (OSError, RuntimeError) as error:  # a loop of links
        raise DatabaseError(f"{path}: cannot be opened: {error}") from error
    return target


def lock(path: Path) -> list[int]:
    """Lock the database at `path` against other servers, even under another name.

    Locks both the file and `.lock` next to it, which version 1.1.0 uses. The locks end with the process.

    Returns:
        The locked file descriptors.

    Raises:
        DatabaseError: Another process holds a lock, or a file cannot be opened.
    """
    held = [lock_file(path.with_name(path.name + ".lock"), path, os.O_CREAT)]
    if path.exists():
        try:
            held.append(lock_file(path, path))
        except DatabaseError:
            unlock(held)
            raise
    return held


def lock_file(file: Path, path: Path, flags: int = 0) -> int:
    """Lock `file` for the database at `path` and return the descriptor. Raises `DatabaseError`."""
    try:
        fd = os.open(file, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    except OSError as error:
        raise DatabaseError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise DatabaseError(f"{path}: another server uses it; stop that one first") from None
    return fd


def unlock(held: list[int]) -> None:
    """Release locks. Close SQLite connections of this process first, as they would lose theirs."""
    while held:
        os.close(held.pop())


def create(path: Path, goal: int) -> None:
    """Create a database at `path` atomically. It is on disk when this returns.

    It is created under another name and renamed. Otherwise a power cut during creation could leave an empty
    file, which SQLite opens as a new database without any error.
    """
    beside = path.with_name(path.name + ".new")
    remove(beside)
    os.close(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    db = connect(beside)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(f"BEGIN; {SCHEMA}")
    db.execute("INSERT INTO origin VALUES (?, ?)", (round(time.time(), 3), goal))
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    for statement in pending(1, ""):
        db.execute(statement)
    db.execute("COMMIT")
    checkpoint_and_close(db, beside)
    beside.rename(path)
    sync(path.parent)
    log.warning("New database %s: the count begins at %d", path, goal)


def check(path: Path, fix: str = RESTORE) -> None:
    """Raise `DatabaseError` unless `path` is an intact, readable database of this program.

    An empty file counts as damaged, since SQLite would treat it as a new database. Only SQLite opens the
    file: closing any other descriptor of it releases the POSIX locks of this process's SQLite connections,
    and the next process that closes the database then deletes the log in use, with every press in it
    (sqlite.org, "How To Corrupt", 2.2).

    `fix` is the advice at the end of the message.
    """
    try:
        if not path.stat().st_size:
            raise Damaged(f"{path}: is empty; {fix}")
        db = connect(path)
        try:
            application = db.execute("PRAGMA application_id").fetchone()[0]
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if application != APPLICATION_ID:
                raise Damaged(f"{path}: is a database of another program; {fix}")
            if version > SCHEMA_VERSION:
                raise DatabaseError(f"{path}: was written by a newer version; install that version")
            pending(*schema_version(db))
            found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise Damaged(f"{path}: is damaged ({found.splitlines()[-1]}); {fix}")
            last, rows = db.execute("SELECT coalesce(max(seq), 0), count(*) FROM event").fetchone()
            if last != rows or not db.execute("SELECT 1 FROM origin").fetchone():
                raise Damaged(f"{path}: is damaged (changes are missing); {fix}")
        finally:
            db.close()
    except sqlite3.OperationalError as error:
        raise DatabaseError(f"{path}: cannot be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        what = "is not an SQLite database" if "not a database" in str(error) else f"is damaged ({error})"
        raise Damaged(f"{path}: {what}; {fix}") from error
    except OSError as error:
        raise DatabaseError(f"{path}: cannot be opened: {error.strerror}") from error
    except DatabaseError as error:
        raise type(error)(str(error) if str(error).startswith(f"{path}:") else f"{path}: {error}") from error


def schema_version(db: sqlite3.Connection) -> tuple[int, str]:
    """Return the schema version, and the lowest version of the program that may write to the database."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchone():
        return 1, ""
    version, lowest = db.execute("SELECT version, lowest FROM schema_version").fetchone()
    return version, lowest


def checkpoint_and_close(db: sqlite3.Connection, path: Path) -> None:
    """Checkpoint the log, close the database and sync it."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    sync(path)


def remove(path: Path) -> None:
    """Delete a database file with its log and index files."""
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)
