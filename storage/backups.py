"""Daily backups of the SQLite database."""

import logging
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import gevent

from . import sqlite_backup, sqlite_files
from .database import DatabaseError
from .threads import Worker
from .trouble import Trouble

log = logging.getLogger(__name__)

#: Number of backups to keep, one per day. Not an age, since the clock of a Pi can be years off.
MAX_COPIES = 14
#: Seconds between checks for a new day, and between failed attempts.
CHECK_INTERVAL = 600.0

#: Niceness of the backup thread.
NICENESS = 10

_FORM = "button-%Y-%m-%d.db"
_NAME = re.compile(r"button-\d{4}-\d\d-\d\d\.db")


class BackupsStatus(TypedDict):
    """File name of the newest backup, None if there is none, and warnings."""

    newest: str | None
    warnings: list[str]


class Backups:
    """Daily backups of the database at `path`, named like `button-2026-11-25.db`.

    All disk access is done in a native thread. `folder` is created if it is missing, with access for its
    owner only. A failed backup is only a warning, and presses still count.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._worker = Worker()
        self._trouble = Trouble("The backup to BUTTON_BACKUPS")
        self._newest: str | None = None

    def tasks(self) -> tuple[Callable[[], None], ...]:
        """Return the functions to run, each in its own greenlet."""
        return (self._run,)

    def _run(self) -> None:
        """Back up the database immediately, then once a day. Does not return."""
        while True:
            try:
                self._newest = self._worker.run(self._copy_today)
                self._trouble.recover()
            except (DatabaseError, OSError) as error:
                self._trouble.fail(error)
            gevent.sleep(CHECK_INTERVAL)

    def status(self) -> BackupsStatus:
        """Return the health of the backups."""
        return {
            "newest": self._newest,
            "warnings": ["the last backup failed; see the log"] if self._trouble.reason else [],
        }

    def _copy_today(self) -> str:
        """Write today's backup unless it exists; return its file name.

        Runs in the native thread at low priority: the folder may be on a slow or unreachable share.
        """
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self._folder / time.strftime(_FORM)
        if not target.exists():
            beside = self._folder / "copy.new"
            beside.unlink(missing_ok=True)
            sqlite_backup.backup(self._path, beside)
            beside.rename(target)
            sqlite_files.sync(self._folder)
            log.info("Backup written to %s", target)
            for old in copies(self._folder)[:-MAX_COPIES]:
                old.unlink()
        return target.name


def copies(folder: Path) -> list[Path]:
    """Return the backups in `folder`, newest last. Raises `OSError`.

    Ignores those with a future date, which were made while the clock was ahead.
    """
    today = time.strftime(_FORM)
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.name <= today)


def newest_copy(folder: Path) -> Path | None:
    """Return the newest backup in `folder`, or None if there is none."""
    try:
        return next(reversed(copies(folder)), None)
    except OSError:
        return None
