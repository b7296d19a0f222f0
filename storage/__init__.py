"""The truth: every change of the count, on disk before anybody hears of it."""

from pathlib import Path

from . import sqlite_file
from .accounts import Accounts
from .backups import Backups, newest_copy
from .count import Change, Event, Refused
from .errors import Damaged, DatabaseError, Unavailable
from .kept import Kept
from .spool import Spool
from .sqlite import SqliteDatabase
from .store import Database, Result, Store

__all__ = [
    "Accounts",
    "Backups",
    "Change",
    "Damaged",
    "Database",
    "DatabaseError",
    "Event",
    "Kept",
    "Refused",
    "Result",
    "Spool",
    "SqliteDatabase",
    "Store",
    "Unavailable",
    "newest_copy",
    "open_database",
    "sqlite_file",
    "sqlite_path",
]


def open_database(url: str, goal: int | None) -> Database:
    """The database at `url`, `sqlite:///path` or `postgresql://…`; made with `goal` if there is none.

    With `goal` None it must be there, and a server may use it. Raises `DatabaseError`.
    """
    if path := sqlite_path(url):
        return SqliteDatabase(path, goal)
    try:
        from .postgres import PostgresDatabase  # only here: who needs none has no driver for it
    except ImportError as error:
        raise DatabaseError("PostgreSQL needs libpq: as root, apt-get install libpq5") from error
    return PostgresDatabase(url, goal)


def sqlite_path(url: str) -> Path | None:
    """The path in `sqlite:///path`; None if it is another database's URL."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None
