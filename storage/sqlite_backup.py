"""Backup and restore of the SQLite file."""

import os
import sqlite3
from pathlib import Path

from .database import DatabaseError
from .sqlite_files import check, checkpoint_and_close, connect, lock, remove, resolve, sync, unlock


def backup(path: Path, to: Path) -> None:
    """Copy a consistent snapshot of the database at `path` to the new file `to`.

    The database can be in use. The copy is checked, since any damage is copied, too. Raises `DatabaseError`,
    also if `to` exists.
    """
    path = resolve(path)
    try:
        path.stat()  # SQLite would create a missing file
        check_not_restoring(path)
    except OSError as error:
        raise DatabaseError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        os.close(os.open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise DatabaseError(f"{to}: exists; use another name") from None
    except OSError as error:
        raise DatabaseError(f"{to}: cannot be created: {error.strerror}") from error
    try:
        _copy(path, to)
        check(to)
        sync(to.absolute().parent)
    except (sqlite3.Error, OSError, DatabaseError) as error:
        remove(to)
        raise DatabaseError(f"{to}: cannot be written: {error}") from error


def restore(copy: Path, path: Path) -> Path | None:
    """Replace the database at `path` with the backup `copy`, and end all sessions.

    No server may be running. Once the backup has been copied next to the database, the restore is final: if
    it is interrupted, the next start completes it.

    Returns:
        The path of the previous database, which is kept, or None if there was none.

    Raises:
        DatabaseError: The restore failed. Nothing was changed, unless the message announces another attempt
            at the next start.
    """
    if not copy.exists():
        raise DatabaseError(f"{copy}: no such file")
    check(copy, "restore another file")
    path = resolve(path)
    held = lock(path)
    new = path.with_name(path.name + ".new")
    try:
        complete_restore(path)
        remove(new)
        os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        _copy(copy, new)
        db = connect(new)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("DELETE FROM session")
        checkpoint_and_close(db, new)
        new.replace(_restoring(path))
        sync(path.absolute().parent)
        return complete_restore(path)
    except (sqlite3.Error, OSError) as error:
        decided = "; the next start tries again" if _restoring(path).exists() else ""
        raise DatabaseError(f"{path}: cannot be replaced: {error}{decided}") from error
    finally:
        unlock(held)


def complete_restore(path: Path) -> Path | None:
    """Complete a prepared restore, if any; return the path of the previous database.

    Can be interrupted and repeated at any point. The previous log is moved as well: SQLite would replay it
    into the restored file. Returns None if there was nothing to restore or replace.
    """
    ready = _restoring(path)
    if not ready.exists():
        return None
    previous = None
    if path.exists():
        previous = path.with_name(f"{path.name}.before-restore-{int(ready.stat().st_mtime)}")
        if not previous.exists():
            try:
                previous.hardlink_to(path)
            except OSError:  # a file system without hard links
                path.rename(previous)
        wal = path.with_name(path.name + "-wal")
        if wal.exists():
            wal.rename(previous.with_name(previous.name + "-wal"))
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        sync(path.absolute().parent)
    ready.replace(path)
    sync(path.absolute().parent)
    return previous


def check_not_restoring(path: Path) -> None:
    """Raise `DatabaseError` if a restore of the database at `path` is incomplete."""
    if _restoring(path).exists():
        raise DatabaseError(f"{path}: a restore is incomplete; start the server once")


def _restoring(path: Path) -> Path:
    return path.with_name(path.name + ".restoring")


def _copy(path: Path, to: Path) -> None:
    source, target = connect(path), connect(to)
    try:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # a single file without a log
    finally:
        target.close()
        source.close()
    sync(to)
