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
def test_second_server_is_rejected_under_any_file_name(server, tmp_path, link):
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


def test_dangling_symlink_does_not_create_a_database(tmp_path):
    (tmp_path / "button.db").symlink_to(tmp_path / "card" / "button.db")
    with pytest.raises(AssertionError, match="which is missing; restore it"):
        Server(tmp_path)
    assert (tmp_path / "button.db").is_symlink()


def test_wal_deleted_while_the_server_runs_loses_no_press(server):
    for _ in range(3):
        server.press()
    Path(f"{server.database}-wal").unlink()
    until(lambda: any("deleted while in use" in line for line in server.log), "the log line")
    assert server.press()["seq"] == 4
    server.restart(signal.SIGKILL)
    assert server.press()["seq"] == 5
    assert [event["seq"] for event in server.history()] == [1, 2, 3, 4, 5]


def test_interrupted_restore_is_completed_at_the_next_start(server, tmp_path):
    database = f"sqlite:///{server.database}"
    server.press()
    assert run_command(database, "backup", tmp_path / "copy.db").returncode == 0
    server.press()
    server.stop(signal.SIGKILL)  # the second press is only in the WAL
    (tmp_path / "copy.db").rename(f"{server.database}.restoring")  # final but not completed
    server.start()
    assert server.count()["seq"] == 1
    previous = next(path for path in tmp_path.glob("button.db.before-restore-*") if "-wal" not in path.name)
    with contextlib.closing(sqlite3.connect(previous)) as db:
        assert db.execute("SELECT max(seq) FROM event").fetchone() == (2,)


def test_writes_resume_after_the_file_was_temporarily_immutable(server, tmp_path):
    """SQLite opens an unwritable file read-only, and that connection stays read-only."""
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
        server.api("press")  # the first write since the start
    finally:
        subprocess.run(["chattr", "-i", server.database], check=True)
    assert server.press()["seq"] >= 1


def test_press_held_while_the_disk_is_full_is_undone_once_recorded(tmp_path):
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


def test_restore_follows_a_symlink_and_keeps_it(server, tmp_path):
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


#: System calls that change directory entries.
RENAMES = "rename,renameat,renameat2,link,linkat,unlink,unlinkat"


@pytest.mark.slow
def test_restore_killed_at_any_rename_leaves_one_of_the_two_counts(tmp_path, program=ROOT / "app.py"):
    """The process is killed at its first, second, … rename, link or unlink call."""
    server = Server(tmp_path, program=program)
    database = f"sqlite:///{server.database}"
    server.press()
    assert run_command(database, "backup", tmp_path / "copy.db").returncode == 0
    server.press()
    server.stop(signal.SIGKILL)  # the second press is only in the WAL
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
    assert number > 5, "the process was killed"
    assert found == sorted(found, reverse=True), "first the previous count, then the restored one"
    assert set(found) == {1, 2}
