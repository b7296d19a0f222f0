"""Daily backups and their restore."""

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


def backups(folder):
    return sorted(path for path in folder.glob("button-*.db"))


def wait_for_backups(folder):
    return until(lambda: folder.exists() and backups(folder), "a backup")


def test_daily_backup_is_made_once_and_can_be_restored(start, folder):
    server = start()
    server.press()
    server.stop()
    server.environ["BUTTON_BACKUPS"] = str(folder)
    server.start()
    (backup,) = wait_for_backups(folder)
    assert re.fullmatch(r"button-\d{4}-\d\d-\d\d\.db", backup.name)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    until(
        lambda: server.health().json()["backups"] == {"newest": backup.name, "warnings": []},
        "the health report",
    )
    server.press()
    server.restart()
    assert backups(folder) == [backup]
    server.stop()
    done = restore(server, backup)
    assert done.returncode == 0, done.stderr
    server.start()
    assert server.count()["seq"] == 1


@pytest.mark.parametrize(
    "command", [["backup", "other.db"], pytest.param(["set-password"], marks=pytest.mark.slow)]
)
def test_no_press_is_lost_if_a_command_opens_the_database_after_a_backup(start, folder, command):
    """If the server closed the file outside SQLite, it would lose its locks on it.

    The command would then delete the WAL.
    """
    server = start(backups=folder, admin_password=None)
    wait_for_backups(folder)
    server.press()
    done = subprocess.run(
        [*server.arguments, *command], env=server.environ, cwd=server.folder, input="new\n", text=True
    )
    assert done.returncode == 0
    server.press()
    server.stop(signal.SIGKILL)
    server.start()
    assert server.count()["seq"] == 2


def restore(server, backup):
    command = [*server.arguments, "restore", str(backup)]
    return subprocess.run(command, env=server.environ, cwd=server.folder, capture_output=True, text=True)


def test_only_backups_beyond_the_newest_fourteen_are_deleted(start, folder):
    folder.mkdir()
    for day in range(1, 21):
        (folder / f"button-2026-01-{day:02}.db").write_text("")
    (folder / "notes.txt").write_text("")
    start(backups=folder)
    until(lambda: len(backups(folder)) == 14, "the old backups to be deleted")
    assert backups(folder)[0].name == "button-2026-01-08.db"
    assert (folder / "notes.txt").exists()


def test_damaged_database_is_kept_and_the_newest_backup_suggested(start, folder):
    server = start(backups=folder)
    (backup,) = wait_for_backups(folder)
    server.stop()
    damaged = b"rubbish" * 1000
    server.database.write_bytes(damaged)
    with pytest.raises(AssertionError, match=re.escape(f"app.py restore {backup}")):
        server.start()
    assert server.database.read_bytes() == damaged
    assert restore(server, backup).returncode == 0
    (aside,) = server.folder.glob("button.db.before-restore-*")
    assert aside.read_bytes() == damaged
    server.start()
    assert server.count()["count"] == 20


def test_failed_backup_is_a_warning_and_presses_still_count(start, folder):
    server = start(backups=folder)
    wait_for_backups(folder)
    server.stop()
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "copy.new").mkdir()  # makes the backup fail
    server.start()
    until(lambda: server.health().json()["backups"]["warnings"], "the warning")
    assert server.press()["seq"] == 1
    assert requests.get(server.url + "/healthz", timeout=DEADLINE).status_code == 200
