"""A copy a day, that can be put back, and is offered when the database is damaged."""

import re
import shutil
import signal
import stat
import subprocess

import pytest
import requests
from server import DEADLINE, until


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "copies"


def copies(folder):
    return sorted(path for path in folder.glob("button-*.db"))


def copied(folder):
    return until(lambda: folder.exists() and copies(folder), "the copy")


def test_a_copy_is_made_at_the_start_of_each_day_and_can_be_restored(start, folder):
    server = start()
    server.press()
    server.stop()
    server.environ["BUTTON_BACKUPS"] = str(folder)
    server.start()
    (copy,) = copied(folder)
    assert re.fullmatch(r"button-\d{4}-\d\d-\d\d\.db", copy.name)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    until(lambda: server.health().json()["backups"] == {"newest": copy.name, "warnings": []}, "health")
    server.press()
    server.restart()
    assert copies(folder) == [copy]
    server.stop()
    done = restore(server, copy)
    assert done.returncode == 0, done.stderr
    server.start()
    assert server.count()["seq"] == 1


@pytest.mark.parametrize(
    "command", [["backup", "other.db"], pytest.param(["set-password"], marks=pytest.mark.slow)]
)
def test_no_press_is_lost_though_another_process_opens_the_database_after_a_backup(start, folder, command):
    """A file that the process closes by itself takes SQLite's locks along, and then the log goes, too."""
    server = start(backups=folder, admin_password=None)
    copied(folder)
    server.press()
    done = subprocess.run(
        [*server.arguments, *command], env=server.environ, cwd=server.folder, input="new\n", text=True
    )
    assert done.returncode == 0
    server.press()
    server.stop(signal.SIGKILL)
    server.start()
    assert server.count()["seq"] == 2


def restore(server, copy):
    command = [*server.arguments, "restore", str(copy)]
    return subprocess.run(command, env=server.environ, cwd=server.folder, capture_output=True, text=True)


def test_fourteen_copies_are_kept_and_nothing_else_is_touched(start, folder):
    folder.mkdir()
    for day in range(1, 21):
        (folder / f"button-2026-01-{day:02}.db").write_text("")
    (folder / "notes.txt").write_text("")
    start(backups=folder)
    until(lambda: len(copies(folder)) == 14, "the removal")
    assert copies(folder)[0].name == "button-2026-01-08.db"
    assert (folder / "notes.txt").exists()


def test_a_damaged_database_is_left_as_it_is_and_the_newest_copy_is_offered(start, folder):
    server = start(backups=folder)
    (copy,) = copied(folder)
    server.stop()
    damaged = b"rubbish" * 1000
    server.database.write_bytes(damaged)
    with pytest.raises(AssertionError, match=re.escape(f"app.py restore {copy}")):
        server.start()
    assert server.database.read_bytes() == damaged
    assert restore(server, copy).returncode == 0
    (aside,) = server.folder.glob("button.db.before-restore-*")
    assert aside.read_bytes() == damaged
    server.start()
    assert server.count()["count"] == 20


def test_a_backup_that_fails_is_a_warning_and_presses_count_on(start, folder):
    server = start(backups=folder)
    copied(folder)
    server.stop()
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "copy.new").mkdir()  # stands in the way of the copy
    server.start()
    until(lambda: server.health().json()["backups"]["warnings"], "the warning")
    assert server.press()["seq"] == 1
    assert requests.get(server.url + "/healthz", timeout=DEADLINE).status_code == 200
