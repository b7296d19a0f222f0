"""What SQLite must do, and what the store makes of it: commit, then tell."""

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
    """A store at work, which adds what it announces to `announced`."""
    store = Store(database)
    store.subscribe(announced.append)
    for task in store.tasks():
        gevent.spawn(task)
    return store


def press(**more):
    return Change("press", "api", **more)


# --- SQLite ------------------------------------------------------------------------------------


def test_the_file_is_private_and_whole(database, path):
    database.record([press()])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.with_name("button.db.new").exists()
    sqlite_files.check(path)


def test_the_count_is_there_after_opening_again(path):
    first = SqliteDatabase(path, goal=20)
    first.record([press(), press()])
    first.close()
    second = SqliteDatabase(path, goal=50)
    assert (second.newest().count, second.newest().goal) == (18, 20)
    second.close()


def test_a_second_server_is_kept_off(database, path):
    program = (
        "import pathlib, sys; from storage import *\n"
        "try: SqliteDatabase(pathlib.Path(sys.argv[1]), 20)\n"
        "except DatabaseError as error: print(error)"
    )
    got = subprocess.run(
        [sys.executable, "-c", program, path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert got.stdout == f"{path}: another server uses it; stop that one first\n"


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
    ("spoil", "says"),
    [
        (spoil_empty, "is empty"),
        (spoil_text, "is no SQLite database"),
        (spoil_foreign, "is a database of another program"),
        (spoil_newer, "was written by a newer version"),
        (spoil_page, "is damaged"),
        (spoil_wal, "is missing while its log"),
    ],
)
def test_a_file_that_is_not_ours_whole_is_an_error_and_stays_as_it_is(path, spoil, says):
    database = SqliteDatabase(path, goal=20)
    database.record([press(key=str(number)) for number in range(50)])
    database.close()
    spoil(path)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(DatabaseError, match=says) as caught:
        SqliteDatabase(path, goal=20)
    assert "\n" not in str(caught.value)
    after = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert before == {name: data for name, data in after.items() if name in before}
    assert path.exists() == (spoil is not spoil_wal)


def test_what_a_power_cut_left_of_a_new_database_is_made_anew(path):
    path.with_name("button.db.new").write_bytes(b"half a database")
    path.with_name("button.db.new-wal").write_bytes(b"and half its log")
    SqliteDatabase(path, goal=20).close()
    sqlite_files.check(path)


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(DatabaseError, match="cannot be opened: No such file"):
        SqliteDatabase(tmp_path / "missing" / "button.db", goal=20)


# --- the store ---------------------------------------------------------------------------------


def test_a_change_is_announced_before_it_is_answered(store, announced):
    answer = store.submit(press())
    assert [event.seq for event in announced] == [1]
    assert (answer.event, answer.replayed) == (announced[0], False)
    assert store.current == answer.event


def test_many_at_once_are_announced_each_once_in_order(store, announced):
    jobs = [gevent.spawn(store.submit, press()) for _ in range(60)]
    gevent.joinall(jobs, raise_error=True)
    assert [event.seq for event in announced] == list(range(1, 61))
    assert sorted(job.value.event.seq for job in jobs) == list(range(1, 61))


def test_the_answer_to_a_key_used_before_is_the_first_one(store, announced):
    first = store.submit(press(key="k"))
    store.submit(press())
    assert store.submit(press(key="k")) == (first.event, True)
    assert len(announced) == 2


def test_a_refusal_reaches_the_one_who_asked(store):
    with pytest.raises(Rejected, match="nothing is left"):
        store.submit(Change("undo", "api"))


def lock_out(path):
    """Hold the database's write lock, as a stray sqlite3 shell would."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_presses_of_the_pin_wait_while_the_database_cannot_take_them(store, path, announced):
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


def test_trouble_is_over_without_a_press_once_the_database_is_back(store, path):
    other = lock_out(path)
    with pytest.raises(Unavailable):
        store.submit(press())
    assert store.status()["trouble"]
    other.close()
    with gevent.Timeout(20):
        while store.status()["trouble"]:
            gevent.sleep(0.02)
    assert store.submit(press()).event.seq == 1


def test_no_more_than_a_thousand_presses_wait(store, path):
    other = lock_out(path)
    store.press("button")
    gevent.sleep(0.05)
    taken = sum(store.press("button") is not None for _ in range(1100))
    assert 1 + taken == 1000, "the first waits, too"
    assert store.status()["refused_presses"] == 101
    other.close()


def test_stopping_writes_what_was_accepted(database, announced):
    store = run(database, announced)
    for _ in range(10):
        store.press("button")
    store.stop(5)
    store.close()
    assert len(announced) == 10
    with pytest.raises(Unavailable, match="stopping"):
        store.submit(press())


def test_after_a_long_silence_only_the_newest_is_announced(database, announced):
    store = run(database, announced)
    database.record([press() for _ in range(150)])
    store.submit(press())
    assert [event.seq for event in announced] == [151]
    store.stop(5)
    store.close()


# --- accounts ----------------------------------------------------------------------------------


def test_a_password_is_made_once_and_kept_as_a_hash(database):
    accounts = Accounts(database)
    made = accounts.ensure_password(None)
    assert made and accounts.check_password(made)
    assert accounts.ensure_password(None) is None
    assert not accounts.check_password(made + "x")
    assert made not in str(database.query("SELECT * FROM secret"))


def test_the_password_of_the_settings_is_the_one_and_another_ends_the_sessions(database):
    accounts = Accounts(database)
    assert accounts.ensure_password("first") is None
    session = accounts.begin_session()
    accounts.ensure_password("first")
    assert accounts.is_session(session)
    accounts.ensure_password("second")
    assert not accounts.is_session(session)
    assert accounts.check_password("second")


def test_a_session_is_kept_as_a_hash_and_really_ends(database):
    accounts = Accounts(database)
    session = accounts.begin_session()
    assert accounts.is_session(session)
    assert session not in str(database.query("SELECT * FROM session"))
    accounts.end_session(session)
    assert not accounts.is_session(session)


def test_a_session_ends_after_thirty_days(database):
    accounts = Accounts(database)
    session = accounts.begin_session()
    database.change(("UPDATE session SET began = began - 31 * 86400", {}))
    assert not accounts.is_session(session)


# --- backup and restore ------------------------------------------------------------------------


def test_a_backup_beside_a_server_is_sound_and_private(database, path, tmp_path):
    database.record([press()])
    copy = tmp_path / "copy.db"
    sqlite_files.backup(path, copy)
    sqlite_files.check(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not copy.with_name("copy.db-wal").exists()
    with pytest.raises(DatabaseError, match="exists"):
        sqlite_files.backup(path, copy)


def test_a_restore_brings_the_count_back_and_ends_sessions(path, tmp_path):
    database = SqliteDatabase(path, goal=20)
    Accounts(database).begin_session()
    database.record([press()])
    sqlite_files.backup(path, tmp_path / "copy.db")
    database.record([press()])
    with pytest.raises(DatabaseError, match="another server uses it"):
        sqlite_files.restore(tmp_path / "copy.db", path)
    database.close()
    former = sqlite_files.restore(tmp_path / "copy.db", path)
    sqlite_files.check(former)
    database = SqliteDatabase(path, goal=20)
    assert database.newest().seq == 1
    assert Accounts(database).sessions() == set()
    database.close()


def test_a_restore_refuses_what_is_no_backup(path, tmp_path):
    SqliteDatabase(path, goal=20).close()
    before = path.read_bytes()
    (tmp_path / "copy.db").write_text("no backup")
    with pytest.raises(DatabaseError, match="no SQLite database"):
        sqlite_files.restore(tmp_path / "copy.db", path)
    assert path.read_bytes() == before
