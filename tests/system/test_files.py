"""Database files that are linked, moved, deleted, write-protected or restored."""

import contextlib
import itertools
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from disk import fill, mounted
from server import DEADLINE, ROOT, Server, run_command, until


@pytest.mark.parametrize("link", ["symbolic", "hard", "lock deleted"])
def test_a_second_server_is_refused_by_whatever_name(server, tmp_path, link):
    other = tmp_path / "other"
    other.mkdir()
    path = other / "button.db"
    if link == "symbolic":
        path.symlink_to(server.database)
    elif link == "hard":
        path.hardlink_to(server.database)
    else:
        (server.folder / "button.db.lock").unlink()
        path = server.database
    with pytest.raises(AssertionError, match="another server uses it"):
        Server(other, database=f"sqlite:///{path}")
    assert server.press()["seq"] == 1


def test_a_link_to_nothing_is_no_new_database(tmp_path):
    (tmp_path / "button.db").symlink_to(tmp_path / "card" / "button.db")
    with pytest.raises(AssertionError, match="which is missing; restore it"):
        Server(tmp_path)
    assert (tmp_path / "button.db").is_symlink()


def test_a_log_deleted_under_a_running_server_loses_no_press(server):
    for _ in range(3):
        server.press()
    Path(f"{server.database}-wal").unlink()
    until(lambda: any("deleted while in use" in line for line in server.log), "the log's report")
    assert server.press()["seq"] == 4
    server.restart(signal.SIGKILL)
    assert server.press()["seq"] == 5
    assert [event["seq"] for event in server.history()] == [1, 2, 3, 4, 5]


def test_an_interrupted_restore_is_completed_by_the_next_start(server, tmp_path):
    database = f"sqlite:///{server.database}"
    server.press()
    assert run_command(database, "backup", tmp_path / "copy.db").returncode == 0
    server.press()
    server.stop(signal.SIGKILL)  # the second press is in the log only
    (tmp_path / "copy.db").rename(f"{server.database}.restoring")  # decided, and nothing after it
    server.start()
    assert server.count()["seq"] == 1
    previous = next(path for path in tmp_path.glob("button.db.before-restore-*") if "-wal" not in path.name)
    with contextlib.closing(sqlite3.connect(previous)) as db:
        assert db.execute("SELECT max(seq) FROM event").fetchone() == (2,)


def test_a_file_that_cannot_be_written_for_a_while_is_written_again(server, tmp_path):
    """SQLite opens a file that cannot be written read-only, and the connection stays so."""
    subprocess.run(["chattr", "+i", server.database], check=True)
    try:
        server.api("press")
        server.stop()
        with pytest.raises(AssertionError, match="cannot be opened: Operation not permitted"):
            server.start()
    finally:
        subprocess.run(["chattr", "-i", server.database], check=True)
    server.start()
    subprocess.run(["chattr", "+i", server.database], check=True)
    try:
        server.api("press")  # before this, nothing was written since the start
    finally:
        subprocess.run(["chattr", "-i", server.database], check=True)
    assert server.press()["seq"] >= 1


def test_a_press_that_is_held_while_the_disk_is_full_is_undone_once_it_is_recorded(tmp_path):
    folder, server = mounted(tmp_path, "4m"), None
    try:
        server = Server(folder, hold="0.3")
        fill(folder)
        until(lambda: server.health().status_code == 503, "a full disk")
        server.push(held=1.0)
        (folder / "ballast").unlink()
        until(lambda: len(server.history()) == 2, "the press and its undo")
        assert [event["kind"] for event in server.history()] == ["press", "undo"]
        assert [event["source"] for event in server.history()] == ["button", "hold"]
    finally:
        if server is not None:
            server.stop(signal.SIGKILL)
        subprocess.run(["umount", "-l", folder], check=False)


def test_restore_follows_a_link_and_keeps_it(server, tmp_path):
    server.press()
    server.stop()
    card = tmp_path / "card"
    card.mkdir()
    server.database.rename(card / "count.db")
    server.database.symlink_to(card / "count.db")
    database = f"sqlite:///{server.database}"
    assert run_command(database, "backup", tmp_path / "copy.db").returncode == 0
    server.start()
    server.press()
    server.stop()
    restored = run_command(database, "restore", tmp_path / "copy.db")
    assert restored.returncode == 0, restored.stderr
    assert server.database.is_symlink()
    server.start()
    assert server.count()["seq"] == 1
    assert list(card.glob("count.db.before-restore-*"))


#: What changes the names in a folder.
RENAMES = "rename,renameat,renameat2,link,linkat,unlink,unlinkat"


@pytest.mark.slow
def test_restore_killed_at_any_rename_leaves_one_of_the_two_counts(tmp_path, program=ROOT / "app.py"):
    """The process is killed as it enters the first, the second … of its renames, links and unlinks."""
    server = Server(tmp_path, program=program)
    database = f"sqlite:///{server.database}"
    server.press()
    assert run_command(database, "backup", tmp_path / "copy.db").returncode == 0
    server.press()
    server.stop(signal.SIGKILL)  # the second press is in the log only
    original = tmp_path / "original"
    shutil.copytree(tmp_path, original, ignore=shutil.ignore_patterns("pin", "original"))
    found = []
    for number in itertools.count(1):
        for path in tmp_path.glob("button.db*"):
            path.unlink()
        for path in original.glob("button.db*"):
            shutil.copy2(path, tmp_path)
        killer = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={RENAMES}"]
        killer += ["-e", f"inject={RENAMES}:signal=SIGKILL:when={number}"]
        done = subprocess.run(
            [*killer, sys.executable, program, "restore", tmp_path / "copy.db"],
            env=server.environ, capture_output=True, timeout=DEADLINE,
        )  # fmt: skip
        server.start()
        found.append(server.count()["seq"])
        server.stop(signal.SIGKILL)
        if done.returncode == 0:
            break
    assert number > 5, "it was killed"
    assert found == sorted(found, reverse=True), "first the previous count, then the restored one"
    assert set(found) == {1, 2}
