"""Upgrade and rollback with the real version 1.1.0 from the Git history."""

import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from remote_button import RemoteButton
from server import Server, until


def test_1_1_0_and_this_version_alternate_on_one_file(tmp_path, old_program):
    expected = []
    for turn, program in enumerate([old_program, None, old_program, None]):
        server = Server(tmp_path, program=program)
        for _ in range(3):
            server.press()
        if program is None:
            assert server.api("count", "PUT", json={"count": 9}).status_code == 201
            assert any("migrated" in line for line in server.log) == (turn == 1)
        server.api("undo")
        events = server.history()
        assert [event["seq"] for event in events[: len(expected)]] == [event["seq"] for event in expected]
        states = [(event["at"], event["count"], event["goal"]) for event in events]
        assert states[: len(expected)] == [(event["at"], event["count"], event["goal"]) for event in expected]
        expected = events
        assert server.stop() == 0
    assert [event["seq"] for event in expected] == list(range(1, 4 * 4 + 2 + 1))
    assert [event["kind"] for event in expected].count("set") == 2
    with contextlib.closing(sqlite3.connect(tmp_path / "button.db.before-1.2.0")) as copy:
        assert copy.execute("SELECT count(*) FROM event").fetchone() == (4,)


@pytest.mark.slow
def test_servers_of_two_versions_share_one_postgresql(tmp_path, old_program, postgres):
    url = postgres.new()
    folders = [tmp_path / name for name in ("old", "new", "again")]
    for folder in folders:
        folder.mkdir()
    old = Server(folders[0], program=old_program, database=url, hardware="none")
    old.press()
    new = Server(folders[1], database=url, hardware="none")
    with ThreadPoolExecutor(2) as pool:
        for server in (old, new):
            pool.map(lambda _, server=server: server.press(), range(20))
    assert new.api("count", "PUT", json={"count": 9}).status_code == 201
    until(lambda: old.count()["count"] == 9, "the old server's count")
    assert old.press()["count"] == 8
    until(lambda: new.count()["count"] == 8, "the new server's count")
    old.stop()
    old = Server(folders[2], program=old_program, database=url, hardware="none")
    assert old.press()["seq"] == 44
    assert [event["seq"] for event in new.history()] == list(range(1, 45))
    for server in (old, new):
        assert server.stop() == 0


@pytest.mark.slow
def test_webhook_continues_across_upgrade_and_rollback(tmp_path, old_program, receiver, second_receiver):
    posted = []
    for program in (old_program, None, old_program, None):
        urls = receiver.url if program else f"{receiver.url} {second_receiver.url}"
        server = Server(tmp_path, program=program, hardware="none", webhook=urls)
        posted.append(server.press()["seq"])
        until(lambda: receiver.accepted == posted, "the delivery")
        if program is None:
            until(lambda: second_receiver.accepted[-1:] == posted[-1:], "the delivery to the second URL")
        assert server.stop() == 0
    assert second_receiver.accepted == [2, 3, 4]


def test_incompatible_newer_database_is_rejected(tmp_path):
    Server(tmp_path).stop()
    with contextlib.closing(sqlite3.connect(tmp_path / "button.db")) as db, db:
        db.execute("UPDATE schema_version SET version = 9, lowest = '1.1.0'")
    Server(tmp_path).stop()
    with contextlib.closing(sqlite3.connect(tmp_path / "button.db")) as db, db:
        db.execute("UPDATE schema_version SET lowest = '7.0.0'")
    with pytest.raises(AssertionError, match="written by a newer version; install 7"):
        Server(tmp_path)


@pytest.mark.slow
def test_1_1_0_delivers_the_presses_queued_by_this_version(tmp_path, server, old_program):
    port, url = server.port, server.url
    button = RemoteButton(tmp_path / "remote", url)
    button.push()
    until(lambda: server.count()["seq"] == 1 and button.waiting() == 0, "the first press")
    server.stop()
    button.push()
    until(lambda: button.waiting() == 1, "one queued press")
    button.stop()
    server.environ["BUTTON_PORT"] = str(port)
    server.start()
    old_button = RemoteButton(tmp_path / "remote", url, program=old_program)
    until(lambda: server.count()["seq"] == 2 and old_button.waiting() == 0, "the press")
    old_button.stop()


def test_migration_replaces_the_partial_copy_of_an_interrupted_one(tmp_path, old_program):
    server = Server(tmp_path, program=old_program)
    server.press()
    server.stop()
    (tmp_path / "button.db.copy.new").write_bytes(b"half a copy")
    server = Server(tmp_path)
    assert server.press()["seq"] == 2
    server.stop()
    with contextlib.closing(sqlite3.connect(tmp_path / "button.db.before-1.2.0")) as copy:
        assert copy.execute("SELECT count(*) FROM event").fetchone() == (1,)
    assert not list(tmp_path.glob("*.copy.new*"))
