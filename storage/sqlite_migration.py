"""Creation and migration of the SQLite file when it is opened."""

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
    """Lock the database at `path`, check and migrate or create it; return the locks.

    Raises `DatabaseError`.
    """
    held = lock(path)
    try:
        for folder in path.parent.glob(DOWNLOAD_PREFIX.format(path.name) + "*"):
            shutil.rmtree(folder, ignore_errors=True)  # left by a server that was killed
        complete_restore(path)
        if path.exists():
            check(path)
            migrate(path)
        elif path.with_name(path.name + "-wal").exists():
            raise DatabaseError(f"{path}: is missing, but its log {path.name}-wal exists; restore both")
        else:
            create(path, goal)
        if not os.path.samestat(os.fstat(held[-1]), path.stat()):  # created or replaced
            held.append(lock_file(path, path))
    except OSError as error:
        unlock(held)
        raise DatabaseError(f"{path}: cannot be created: {error.strerror}") from error
    except BaseException:
        unlock(held)
        raise
    return held


def migrate(path: Path) -> None:
    """Migrate the database at `path` in one transaction, after copying it.

    Raises `DatabaseError`.
    """
    db = connect(path)
    try:
        version, lowest = schema_version(db)
        statements = pending(version, lowest)
        if not statements:
            return
        copy = path.with_name(f"{path.name}.before-{PROGRAM}")
        if copy.exists():  # from a database that has since been replaced by a restore
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
        log.warning("Database migrated to schema %d; the previous version is %s", schema_version(db)[0], copy)
    except sqlite3.Error as error:
        raise DatabaseError(f"{path}: cannot be migrated: {error}") from error
    finally:
        db.close()
