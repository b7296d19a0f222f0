"""Open the SQLite file, which creates or migrates it first."""

import logging
import os
import shutil
import sqlite3
import time
from pathlib import Path

from .database import PROGRAM, DatabaseError, pending
from .sqlite_backup import backup, complete_restore
from .sqlite_files import (
    DOWNLOAD_PREFIX,
    check,
    connect,
    create,
    in_transaction,
    lock,
    lock_file,
    remove,
    schema_version,
    sync,
    unlock,
)

log = logging.getLogger(__name__)


def open_or_create(path: Path, goal: int) -> list[int]:
    """Lock the database at `path`, check and migrate it, or create it; return the locks.

    Raises `DatabaseError`.
    """
    held = lock(path)
    try:
        for folder in path.parent.glob(DOWNLOAD_PREFIX.format(path.name) + "*"):
            shutil.rmtree(folder, ignore_errors=True)  # of a server that was killed
        complete_restore(path)
        if path.exists():
            check(path)
            migrate(path)
        elif path.with_name(path.name + "-wal").exists():
            raise DatabaseError(f"{path}: is missing while its log {path.name}-wal is there; restore both")
        else:
            create(path, goal)
        if not os.path.samestat(os.fstat(held[-1]), path.stat()):  # it was created or replaced
            held.append(lock_file(path, path))
    except OSError as error:
        unlock(held)
        raise DatabaseError(f"{path}: cannot be created: {error.strerror}") from error
    except BaseException:
        unlock(held)
        raise
    return held


def migrate(path: Path) -> None:
    """Bring the schema of the database at `path` up to date, in one transaction, after a copy beside it.

    Raises `DatabaseError`.
    """
    db = connect(path)
    try:
        version, lowest = schema_version(db)
        statements = pending(version, lowest)
        if not statements:
            return
        copy = path.with_name(f"{path.name}.before-{PROGRAM}")
        if copy.exists():  # of a database that was restored since
            copy = path.with_name(f"{copy.name}-{int(time.time())}")
        new = path.with_name(f"{path.name}.copy.new")
        remove(new)
        backup(path, new)
        new.rename(copy)
        sync(path.parent)

        def work(db: sqlite3.Connection) -> None:
            for statement in statements:
                db.execute(statement)

        in_transaction(db, work)
        log.warning("Database migrated to schema %d; the copy before is %s", schema_version(db)[0], copy)
    except sqlite3.Error as error:
        raise DatabaseError(f"{path}: cannot be migrated: {error}") from error
    finally:
        db.close()
