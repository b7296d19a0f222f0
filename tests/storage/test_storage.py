"""The SQLite database, the store, accounts, backup and restore."""

import os
import sqlite3
import stat
import subprocess
import sys

import gevent
import pytest
from server import ROOT

from storage import (
    Accounts,
    Change,
    DatabaseError,
    Rejected,
    SqliteDatabase,
    Store,
    Unavailable,
    sqlite_backup,
    sqlite_files,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "button.db"


@pytest.fixture
def database(path):
    database = SqliteDatabase(path, goal=20)
    yield database
    database.close()


@pytest.fixture
def announced():
    return []


@pytest.fixture
def store(database, announced):
    store = run(database, announced)
    yield store
    store.stop(5)
    store.close()


def run(database, announced):
    """Run a store that appends announced events to `announced`."""
    store = Store(database)
    store.subscribe(announced.append)
    for task in store.tasks():
        gevent.spawn(task)
    return store


def press(**more):
    return Change("press", "api", **more)


# --- SQLite ------------------------------------------------------------------------------------


def test_database_file_is_private_and_valid(database, path):
    database.record([press()])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.with_name("button.db.new").exists()
    sqlite_files.check(path)


def test_count_survives_reopening(path):
    first = SqliteDatabase(path, goal=20)
    first.record([press(), press()])
    first.close()
    second = SqliteDatabase(path, goal=50)
    assert (second.newest().count, second.newest().goal) == (18, 20)
    second.close()


def test_second_server_is_rejected(database, path):
    program = (
        "import pathlib, sys; from storage import *\n"
        "try: SqliteDatabase(pathlib.Path(sys.argv[1]), 20)\n"
        "except DatabaseError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{path}: another server uses it; stop that one first\n"


def spoil_empty(path):
    path.write_bytes(b"")


def spoil_text(path):
    path.write_text("a letter to the editor, of some length " * 20)


def spoil_foreign(path):
    path.unlink()
    sqlite3.connect(path).execute("CREATE TABLE t (x)").connection.close()


def spoil_newer(path):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


def spoil_page(path):
    with path.open("r+b") as file:
        file.seek(4096 + 8)
        file.write(os.urandom(2000))


def spoil_wal(path):
    path.rename(path.with_name("button.db-wal"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_empty, "is empty"),
        (spoil_text, "is not an SQLite database"),
        (spoil_foreign, "is a database of another program"),
        (spoil_newer, "was written by a newer version"),
        (spoil_page, "is damaged"),
        (spoil_wal, "is missing, but its log"),
    ],
)
def test_invalid_file_is_an_error_and_stays_unchanged(path, spoil, message):
    database = SqliteDatabase(path, goal=20)
    database.record([press(key=str(number)) for number in range(50)])
    database.close()
    spoil(path)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(DatabaseError, match=message) as caught:
        SqliteDatabase(path, goal=20)
    assert "\n" not in str(caught.value)
    after = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert before == {name: data for name, data in after.items() if name in before}
    assert path.exists() == (spoil is not spoil_wal)


def test_half_created_database_is_created_again(path):
    path.with_name("button.db.new").write_bytes(b"half a database")
    path.with_name("button.db.new-wal").write_bytes(b"and half its log")
    SqliteDatabase(path, goal=20).close()
    sqlite_files.check(path)


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DatabaseError, match="cannot be opened: No such file"):
        SqliteDatabase(tmp_path / "missing" / "button.db", goal=20)


# --- store ---------------------------------------------------------------------------------


def test_change_is_announced_before_submit_returns(store, announced):
    result = store.submit(press())
    assert [event.seq for event in announced] == [1]
    assert (result.event, result.replayed) == (announced[0], False)
    assert store.current == result.event


def test_concurrent_changes_are_announced_once_and_in_order(store, announced):
    jobs = [gevent.spawn(store.submit, press()) for _ in range(60)]
    gevent.joinall(jobs, raise_error=True)
    assert [event.seq for event in announced] == list(range(1, 61))
    assert sorted(job.value.event.seq for job in jobs) == list(range(1, 61))


def test_reused_key_returns_the_first_result(store, announced):
    first = store.submit(press(key="k"))
    store.submit(press())
    assert store.submit(press(key="k")) == (first.event, True)
    assert len(announced) == 2


def test_rejection_is_raised_in_the_caller(store):
    with pytest.raises(Rejected, match="nothing is left"):
        store.submit(Change("undo", "api"))


def lock_out(path):
    """Take the database's write lock, like a forgotten sqlite3 shell."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_pin_presses_wait_while_the_database_is_locked(store, path, announced):
    other = lock_out(path)
    for _ in range(3):
        assert store.press("button")
    with pytest.raises(Unavailable):
        store.submit(press())
    assert store.status()["trouble"]
    assert announced == []
    other.close()
    with gevent.Timeout(20):
        while len(announced) < 3:
            gevent.sleep(0.02)
    assert [(event.seq, event.source) for event in announced] == [(n, "button") for n in (1, 2, 3)]
    assert store.status()["trouble"] is None


def test_trouble_clears_without_a_press_once_the_lock_is_released(store, path):
    other = lock_out(path)
    with pytest.raises(Unavailable):
        store.submit(press())
    assert store.status()["trouble"]
    other.close()
    with gevent.Timeout(20):
        while store.status()["trouble"]:
            gevent.sleep(0.02)
    assert store.submit(press()).event.seq == 1


def test_at_most_a_thousand_presses_wait(store, path):
    other = lock_out(path)
    store.press("button")
    gevent.sleep(0.05)
    accepted = sum(store.press("button") is not None for _ in range(1100))
    assert 1 + accepted == 1000, "including the first"
    assert store.status()["refused_presses"] == 101
    other.close()


def test_stop_writes_accepted_presses(database, announced):
    store = run(database, announced)
    for _ in range(10):
        store.press("button")
    store.stop(5)
    store.close()
    assert len(announced) == 10
    with pytest.raises(Unavailable, match="stopping"):
        store.submit(press())


def test_only_the_newest_of_many_missed_events_is_announced(database, announced):
    store = run(database, announced)
    database.record([press() for _ in range(150)])
    store.submit(press())
    assert [event.seq for event in announced] == [151]
    store.stop(5)
    store.close()


# --- accounts ----------------------------------------------------------------------------------


def test_password_is_generated_once_and_stored_as_a_hash(database):
    accounts = Accounts(database)
    password = accounts.ensure_password(None)
    assert password and accounts.check_password(password)
    assert accounts.ensure_password(None) is None
    assert not accounts.check_password(password + "x")
    assert password not in str(database.query("SELECT * FROM secret"))


def test_configured_password_is_valid_and_a_new_one_ends_sessions(database):
    accounts = Accounts(database)
    assert accounts.ensure_password("first") is None
    session = accounts.begin_session()
    accounts.ensure_password("first")
    assert accounts.is_session(session)
    accounts.ensure_password("second")
    assert not accounts.is_session(session)
    assert accounts.check_password("second")


def test_session_is_stored_as_a_hash_and_can_be_ended(database):
    accounts = Accounts(database)
    session = accounts.begin_session()
    assert accounts.is_session(session)
    assert session not in str(database.query("SELECT * FROM session"))
    accounts.end_session(session)
    assert not accounts.is_session(session)


def test_session_expires_after_thirty_days(database):
    accounts = Accounts(database)
    session = accounts.begin_session()
    database.change(("UPDATE session SET began = began - 31 * 86400", {}))
    assert not accounts.is_session(session)


# --- backup and restore ------------------------------------------------------------------------


def test_backup_of_a_database_in_use_is_valid_and_private(database, path, tmp_path):
    database.record([press()])
    copy = tmp_path / "copy.db"
    sqlite_backup.backup(path, copy)
    sqlite_files.check(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not copy.with_name("copy.db-wal").exists()
    with pytest.raises(DatabaseError, match="exists"):
        sqlite_backup.backup(path, copy)


def test_restore_recovers_the_count_and_ends_sessions(path, tmp_path):
    database = SqliteDatabase(path, goal=20)
    Accounts(database).begin_session()
    database.record([press()])
    sqlite_backup.backup(path, tmp_path / "copy.db")
    database.record([press()])
    with pytest.raises(DatabaseError, match="another server uses it"):
        sqlite_backup.restore(tmp_path / "copy.db", path)
    database.close()
    previous = sqlite_backup.restore(tmp_path / "copy.db", path)
    sqlite_files.check(previous)
    database = SqliteDatabase(path, goal=20)
    assert database.newest().seq == 1
    assert Accounts(database).sessions() == set()
    database.close()


def test_restore_rejects_an_invalid_backup(path, tmp_path):
    SqliteDatabase(path, goal=20).close()
    before = path.read_bytes()
    (tmp_path / "copy.db").write_text("no backup")
    with pytest.raises(DatabaseError, match="not an SQLite database"):
        sqlite_backup.restore(tmp_path / "copy.db", path)
    assert path.read_bytes() == before
