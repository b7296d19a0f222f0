"""The truth: every change of the count, on disk before anybody hears of it."""

from . import sqlite_file
from .accounts import Accounts
from .count import Change, Event, Refused
from .errors import DatabaseError, Unavailable
from .sqlite import SqliteDatabase
from .store import Answer, Store

__all__ = [
    "Accounts",
    "Answer",
    "Change",
    "DatabaseError",
    "Event",
    "Refused",
    "SqliteDatabase",
    "Store",
    "Unavailable",
    "sqlite_file",
]
