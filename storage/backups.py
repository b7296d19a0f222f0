"""Daily copies of the SQLite database."""

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

#: Copies that are kept, one a day. Counted, since by its age a copy may be years off on a Pi.
MAX_COPIES = 14
#: Seconds between checks for a new day, and between failed attempts.
CHECK_INTERVAL = 600.0

#: The niceness of the thread that copies.
NICENESS = 10

_FORM = "button-%Y-%m-%d.db"
_NAME = re.compile(r"button-\d{4}-\d\d-\d\d\.db")


class BackupsStatus(TypedDict):
    """The name of the newest copy, None if there is none, and warnings."""

    newest: str | None
    warnings: list[str]


class Backups:
    """A copy of the database at `path` in `folder` for each day, named `button-2026-11-25.db`.

    All that touches the disk is done in a native thread. The folder is made if missing, for its owner alone.
    A copy that fails is a warning: presses continue to count.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._worker = Worker()
        self._trouble = Trouble("The backup to BUTTON_BACKUPS")
        self._newest: str | None = None

    def tasks(self) -> tuple[Callable[[], None], ...]:
        """Return what must run in a greenlet."""
        return (self._run,)

    def _run(self) -> None:
        """Copy the database each day, first right away. Does not return."""
        while True:
            try:
                self._newest = self._worker.run(self._copy_today)
                self._trouble.recover()
            except (DatabaseError, OSError) as error:
                self._trouble.fail(error)
            gevent.sleep(CHECK_INTERVAL)

    def status(self) -> BackupsStatus:
        """Return the health."""
        return {
            "newest": self._newest,
            "warnings": ["the last backup failed; the log says why"] if self._trouble.reason else [],
        }

    def _copy_today(self) -> str:
        """In the native thread, behind everything else: the folder may be on a slow or lost share."""
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self._folder / time.strftime(_FORM)
        if not target.exists():
            beside = self._folder / "copy.new"
            beside.unlink(missing_ok=True)
            sqlite_backup.backup(self._path, beside)
            beside.rename(target)
            sqlite_files.sync(self._folder)
            log.info("Backup %s", target)
            for old in copies(self._folder)[:-MAX_COPIES]:
                old.unlink()
        return target.name


def copies(folder: Path) -> list[Path]:
    """Return the copies in `folder`, the newest last, without those of future days. Raises `OSError`.

    A clock that was once ahead leaves some of these.
    """
    today = time.strftime(_FORM)
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.name <= today)


def newest_copy(folder: Path) -> Path | None:
    """Return the newest copy in `folder`; None if there is none."""
    try:
        return next(reversed(copies(folder)), None)
    except OSError:
        return None
