"""Import of an SQLite database into an empty database."""

import contextlib
import sqlite3

import pytest
from server import Server, run_command


def test_import_copies_everything_into_an_empty_database(tmp_path, postgres):
    server = Server(tmp_path, site="Berlin", admin_password=None)
    assert server.api("press", key="deal-1").status_code == 201
    assert server.api("count", "PUT", json={"count": 7}).status_code == 201
    server.api("undo")
    before, identity = server.history(), server.health().json()["id"]
    server.stop()
    url = postgres.new()
    done = run_command(url, "import", server.database)
    assert done.returncode == 0
    assert done.stderr.endswith(f"{server.database}: 3 changes imported\n")
    again = run_command(url, "import", server.database)
    assert again.returncode == 1
    assert "is not empty" in again.stderr
    moved = Server(tmp_path, database=url, hardware="none", admin_password=None)
    assert moved.history() == before
    assert moved.health().json()["id"] == identity
    assert not any("Admin password:" in line for line in moved.log)
    assert moved.api("press", key="deal-1").status_code == 200
    moved.stop()


@pytest.mark.slow
def test_import_of_a_long_history_does_not_time_out(tmp_path, postgres):
    """The transaction timeouts for presses do not apply to an import."""
    Server(tmp_path).stop()
    number = 1_000_000
    with contextlib.closing(sqlite3.connect(tmp_path / "button.db")) as db, db:
        db.execute(
            "WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq < ?)"
            "INSERT INTO event (seq, at, kind, source, count, goal, below)"
            "SELECT seq, 1700000000.0 + seq, 'press', 'api', 20 - seq % 21, 20, seq - 1 FROM n",
            (number,),
        )
    url = postgres.new()
    done = run_command(url, "import", tmp_path / "button.db")
    assert done.stderr.endswith(f": {number} changes imported\n"), done.stderr
    name = url.rsplit("/", 1)[1]
    assert postgres.sql("SELECT count(*), max(seq) FROM event", name).strip() == f"{number}|{number}"


@pytest.mark.parametrize("content", [None, b"", b"not a database"])
def test_import_that_fails_creates_no_database(tmp_path, content):
    if content is not None:
        (tmp_path / "source.db").write_bytes(content)
    done = run_command(f"sqlite:///{tmp_path}/new.db", "import", tmp_path / "source.db")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert not list(tmp_path.glob("new.db*"))
