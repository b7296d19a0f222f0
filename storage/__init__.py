"""Durable storage of the count: each change is on disk before it is broadcast."""

import logging
from collections.abc import Callable
from pathlib import Path

from . import sqlite_backup, sqlite_files
from .accounts import Accounts
from .backups import Backups, newest_copy
from .database import PROGRAM, Damaged, Database, DatabaseError, KeyValue, PressTotals, Unavailable
from .pending import Result
from .rounds import rounds
from .rules import Change, Event, Rejected
from .spool import Spool
from .sqlite import SqliteDatabase
from .store import Store
from .threads import Backoff
from .transfer import import_database
from .trouble import Trouble

__all__ = [
    "PROGRAM",
    "Accounts",
    "Backoff",
    "Backups",
    "Change",
    "Damaged",
    "Database",
    "DatabaseError",
    "Event",
    "KeyValue",
    "PressTotals",
    "Rejected",
    "Result",
    "Spool",
    "SqliteDatabase",
    "Store",
    "Trouble",
    "Unavailable",
    "check_url",
    "import_database",
    "open_backups",
    "open_database",
    "open_spool",
    "rounds",
    "sqlite_backup",
    "sqlite_file",
    "sqlite_files",
    "sqlite_path",
]

log = logging.getLogger(__name__)


def open_database(url: str, goal: int | None, backups: str | None = None) -> Database:
    """Open a database.

    Args:
        url: `sqlite:///path` or `postgresql://…`.
        goal: Goal of the database if it has to be created. If None, it must exist, and a server may be using
            it.
        backups: Folder of the daily backups, None if there are none.

    Raises:
        DatabaseError: It cannot be opened. If it is damaged, the message names the newest backup.
    """
    if path := sqlite_path(url):
        try:
            return SqliteDatabase(path, goal)
        except Damaged as error:
            if newest := newest_copy(Path(backups)) if backups else None:
                raise DatabaseError(f"{error}; the newest backup: app.py restore {newest}") from error
            raise
    try:
        from .postgres import PostgresDatabase  # imported here: the driver is optional
    except ImportError as error:
        raise DatabaseError("PostgreSQL needs libpq: as root, apt-get install libpq5") from error
    return PostgresDatabase(url, goal)


def open_spool(url: str, path: str, identity: Callable[[], str]) -> Spool | None:
    """Open the spool at `path` for the PostgreSQL database at `url`.

    `identity` returns the ID of the database. Returns None for SQLite, which needs no spool. Raises
    `DatabaseError`.
    """
    return None if sqlite_path(url) else Spool(Path(path), identity())


def open_backups(url: str, folder: str | None) -> Backups | None:
    """Return the daily backups of the SQLite database at `url`, or None if it has none."""
    path = sqlite_path(url)
    if folder is not None and path is None:
        log.warning("BUTTON_BACKUPS is ignored: for PostgreSQL use pg_dump")
    return Backups(path, Path(folder)) if folder is not None and path is not None else None


def check_url(url: str) -> None:
    """Raise `ValueError`, with the expected form, if a database URL is malformed. Opens nothing."""
    if sqlite_path(url) is None:
        try:
            from . import postgres
        except ImportError:
            return  # `open_database` reports it
        postgres.check_url(url)


def sqlite_path(url: str) -> Path | None:
    """Return the path in `sqlite:///path`, or None for any other URL."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


def sqlite_file(url: str) -> Path:
    """Return the path of an SQLite database. Raises `DatabaseError` for any other URL."""
    path = sqlite_path(url)
    if path is None:
        raise DatabaseError("BUTTON_DATABASE is PostgreSQL: use pg_dump and pg_restore")
    return path
