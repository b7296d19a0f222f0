"""Every change of the count, on disk before it is broadcast."""

from pathlib import Path

from . import sqlite_backup, sqlite_files
from .accounts import Accounts
from .backups import Backups, newest_copy
from .database import PROGRAM, Damaged, Database, DatabaseError, KeyValue, Tally, Unavailable
from .rules import Change, Event, Rejected
from .spool import Spool
from .sqlite import SqliteDatabase
from .store import Result, Store
from .threads import Backoff
from .transfer import import_database

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
    "Rejected",
    "Result",
    "Spool",
    "SqliteDatabase",
    "Store",
    "Tally",
    "Unavailable",
    "check_url",
    "import_database",
    "newest_copy",
    "open_database",
    "sqlite_backup",
    "sqlite_files",
    "sqlite_path",
]


def open_database(url: str, goal: int | None) -> Database:
    """Open the database at `url`, `sqlite:///path` or `postgresql://…`.

    It is created with `goal` if it is missing; with None it must exist, and a server may be using it. Raises
    `DatabaseError`.
    """
    if path := sqlite_path(url):
        return SqliteDatabase(path, goal)
    try:
        from .postgres import PostgresDatabase  # imported here: the driver is optional
    except ImportError as error:
        raise DatabaseError("PostgreSQL needs libpq: as root, apt-get install libpq5") from error
    return PostgresDatabase(url, goal)


def check_url(url: str) -> None:
    """Raise `ValueError`, with what is expected, if a database URL is malformed. Opens nothing."""
    if sqlite_path(url) is None:
        try:
            from . import postgres
        except ImportError:
            return  # `open_database` reports it
        postgres.check_url(url)


def sqlite_path(url: str) -> Path | None:
    """Return the path in `sqlite:///path`, None if the URL is another database's."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None
