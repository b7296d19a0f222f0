"""Durability beyond the commit: files that are moved, databases that come back, upgrades, other offices."""

import contextlib
import datetime
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import socketio
from postgres import Postgres
from running import DEADLINE, PASSWORD, ROOT, TOKEN, Screen, Server, disconnect, until
from test_remote import RemoteButton

#: The last commit of version 1.1.0.
OLD_COMMIT = "19cf5ffb67b4d8636965e6a1fcef4c620d16dcf0"


@pytest.fixture(scope="session")
def postgres():
    postgres = Postgres()
    yield postgres
    postgres.close()


@pytest.fixture(scope="session")
def old_program(tmp_path_factory):
    """app.py of version 1.1.0, from the repository's history."""
    folder = tmp_path_factory.mktemp("old")
    archive = subprocess.run(["git", "archive", OLD_COMMIT], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    return folder / "app.py"


def api(server, method, path, body=None, **headers):
    return requests.request(
        method, server.url + path, json=body, timeout=DEADLINE, auth=("crm", TOKEN), headers=headers
    )


def history(server):
    return requests.get(f"{server.url}/api/history", params={"limit": 1000}, timeout=DEADLINE).json()[
        "events"
    ]


def command(database, *arguments, **settings):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BUTTON_")}
    environ |= {f"BUTTON_{name.upper()}": value for name, value in settings.items()}
    environ["BUTTON_DATABASE"] = database
    return subprocess.run(
        [sys.executable, ROOT / "app.py", *arguments],
        env=environ, capture_output=True, text=True, check=False, timeout=DEADLINE,
    )  # fmt: skip


# --- upgrades ---


def test_1_1_0_and_this_version_take_turns_on_one_file(tmp_path, old_program):
    expected = []
    for turn, program in enumerate([old_program, None, old_program, None]):
        server = Server(tmp_path, program=program)
        for _ in range(3):
            server.press()
        if program is None:
            assert api(server, "PUT", "/api/count", {"count": 9}).status_code == 201
            assert any("migrated" in line for line in server.log) == (turn == 1)
        server.api("undo")
        events = history(server)
        assert [event["seq"] for event in events[: len(expected)]] == [event["seq"] for event in expected]
        known = [(event["at"], event["count"], event["goal"]) for event in events]
        assert known[: len(expected)] == [(event["at"], event["count"], event["goal"]) for event in expected]
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
    assert api(new, "PUT", "/api/count", {"count": 9}).status_code == 201
    until(lambda: old.count()["count"] == 9, "the old server's count")
    assert old.press()["count"] == 8
    until(lambda: new.count()["count"] == 8, "the new server's count")
    old.stop()
    old = Server(folders[2], program=old_program, database=url, hardware="none")
    assert old.press()["seq"] == 44
    assert [event["seq"] for event in history(new)] == list(range(1, 45))
    for server in (old, new):
        assert server.stop() == 0


def test_a_database_of_a_later_version_that_excludes_this_one_is_refused(tmp_path):
    Server(tmp_path).stop()
    with contextlib.closing(sqlite3.connect(tmp_path / "button.db")) as db, db:
        db.execute("UPDATE schema_version SET version = 9, lowest = '1.1.0'")
    Server(tmp_path).stop()
    with contextlib.closing(sqlite3.connect(tmp_path / "button.db")) as db, db:
        db.execute("UPDATE schema_version SET lowest = '7.0.0'")
    with pytest.raises(AssertionError, match="written by a newer version; install 7"):
        Server(tmp_path)


# --- files ---


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
    assert [event["seq"] for event in history(server)] == [1, 2, 3, 4, 5]


def test_an_interrupted_restore_is_completed_by_the_next_start(server, tmp_path):
    database = f"sqlite:///{server.database}"
    server.press()
    assert command(database, "backup", tmp_path / "copy.db").returncode == 0
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
    from test_fairness import fill, mounted

    folder, server = mounted(tmp_path, "4m"), None
    try:
        server = Server(folder, hold="0.3")
        fill(folder)
        until(lambda: server.health().status_code == 503, "a full disk")
        server.push(held=1.0)
        (folder / "ballast").unlink()
        until(lambda: len(history(server)) == 2, "the press and its undo")
        assert [event["kind"] for event in history(server)] == ["press", "undo"]
        assert [event["source"] for event in history(server)] == ["button", "hold"]
    finally:
        if server is not None:
            server.stop(signal.SIGKILL)
        subprocess.run(["umount", "-l", folder], check=False)


# --- PostgreSQL ---


@pytest.fixture
def own_postgres():
    postgres = Postgres()
    yield postgres
    postgres.close()


def test_the_first_change_after_a_restart_of_postgresql_counts(tmp_path, own_postgres):
    server = Server(tmp_path, database=own_postgres.new(), hardware="none")
    try:
        assert server.press()["seq"] == 1
        own_postgres.stop()
        own_postgres.start()
        assert server.press()["seq"] == 2
    finally:
        server.stop()


def test_a_database_that_lost_its_last_changes_is_shown_as_it_is(tmp_path, own_postgres):
    server = Server(tmp_path, database=own_postgres.new(), hardware="none")
    counts, screen = [], socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.5)
    screen.on("count", counts.append)
    screen.connect(server.url, transports=["websocket"])
    try:
        server.press()
        own_postgres.stop()
        before = own_postgres.folder / "before"
        subprocess.run(["cp", "-a", own_postgres.folder / "data", before], check=True)
        own_postgres.start()
        server.press()
        assert server.press()["seq"] == 3
        until(lambda: counts[-1]["seq"] == 3, "the presses")
        own_postgres.stop(signal.SIGQUIT)
        subprocess.run(["rm", "-rf", own_postgres.folder / "data"], check=True)
        before.rename(own_postgres.folder / "data")
        own_postgres.start()
        until(lambda: server.count()["seq"] == 1, "the actual state")
        until(lambda: counts[-1]["seq"] == 1, "the screen")
        assert any("has lost changes" in line for line in server.log)
        assert server.press()["seq"] == 2
        until(lambda: counts[-1]["seq"] == 2, "the press")
    finally:
        disconnect(screen)
        server.stop()


def test_options_of_the_url_are_kept_and_a_clash_names_the_table(tmp_path, postgres):
    url = postgres.new()
    name = url.rsplit("/", 1)[1]
    postgres.sql("CREATE SCHEMA sales; CREATE TABLE event (x integer)", name)
    with pytest.raises(AssertionError, match='relation "event" already exists, but it belongs to another'):
        Server(tmp_path, database=url, hardware="none")
    server = Server(tmp_path, database=f"{url}?options=-csearch_path%3Dsales", hardware="none")
    assert server.press()["seq"] == 1
    assert server.stop() == 0
    assert postgres.sql("SELECT count(*) FROM sales.event", name).strip() == "1"


def test_an_sqlite_database_is_imported_whole_into_an_empty_one(tmp_path, postgres):
    server = Server(tmp_path, site="Berlin", admin_password=None)
    key = {"Idempotency-Key": "deal-1"}
    assert api(server, "POST", "/api/press", **key).status_code == 201
    assert api(server, "PUT", "/api/count", {"count": 7}).status_code == 201
    server.api("undo")
    before, identity = history(server), server.health().json()["id"]
    server.stop()
    url = postgres.new()
    done = command(url, "import", server.database)
    assert done.returncode == 0
    assert done.stderr.endswith(f"{server.database}: 3 changes imported\n")
    again = command(url, "import", server.database)
    assert again.returncode == 1
    assert "is not empty" in again.stderr
    moved = Server(tmp_path, database=url, hardware="none", admin_password=None)
    assert history(moved) == before
    assert moved.health().json()["id"] == identity
    assert not any("Admin password:" in line for line in moved.log)
    assert api(moved, "POST", "/api/press", **key).status_code == 200
    moved.stop()


@pytest.mark.slow
def test_all_connections_follow_a_promoted_standby_while_the_old_primary_runs_read_only(
    tmp_path, own_postgres
):
    name = own_postgres.new().rsplit("/", 1)[1]
    standby = Postgres(own_postgres)
    hosts = f"127.0.0.1:{own_postgres.port},127.0.0.1:{standby.port}"
    server = Server(tmp_path, database=f"postgresql://button@{hosts}/{name}", hardware="none")
    screen = Screen(server, ["websocket"])
    try:
        server.press()
        until(lambda: standby.sql("SELECT count(*) FROM event", name).strip() == "1", "the standby")
        own_postgres.sql("ALTER SYSTEM SET default_transaction_read_only = on", "postgres")
        own_postgres.sql("SELECT pg_reload_conf()", "postgres")
        standby.sql("SELECT pg_promote()", "postgres")
        assert server.press()["seq"] == 2
        screen.wait_for(2)
        until(lambda: server.health().status_code == 200, "health")
        assert standby.sql("SELECT count(*) FROM event", name).strip() == "2"
        assert [event["seq"] for event in history(server)] == [1, 2]
    finally:
        screen.close()
        server.stop()
        standby.close()


@contextlib.contextmanager
def pgbouncer(postgres, mode):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = postgres.folder / f"pgbouncer-{mode}.ini"
    settings.write_text(
        f"[databases]\n* = host=127.0.0.1 port={postgres.port} user=button\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {mode}\n"
    )
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    process = subprocess.Popen([*(user if os.geteuid() == 0 else []), "pgbouncer", "-q", settings])
    try:
        with socket.socket() as probe:
            until(lambda: not probe.connect_ex(("127.0.0.1", port)), "PgBouncer")
        yield port
    finally:
        process.terminate()
        process.wait(DEADLINE)


@pytest.mark.slow
def test_pgbouncer_works_in_session_mode_and_is_refused_in_transaction_mode(tmp_path, postgres):
    name = postgres.new().rsplit("/", 1)[1]
    (tmp_path / "other").mkdir()
    with pgbouncer(postgres, "session") as port:
        url = f"postgresql://button@127.0.0.1:{port}/{name}"
        one = Server(tmp_path, database=url, hardware="none")
        other = Server(tmp_path / "other", database=url, hardware="none")
        assert one.press()["seq"] == 1
        until(lambda: other.count()["seq"] == 1, "the other server")
        one.stop()
        other.stop()
    with pgbouncer(postgres, "transaction") as port:
        url = f"postgresql://button@127.0.0.1:{port}/{name}"
        with pytest.raises(AssertionError, match="set pool_mode to session"):
            Server(tmp_path, database=url, hardware="none")


# --- other offices ---


def test_queued_presses_follow_the_database_to_another_address(tmp_path, server):
    button = RemoteButton(tmp_path / "remote", server.url, site="Paris")
    until(lambda: any("Presses go to" in line for line in button.log), "the start")
    button.push()
    until(lambda: server.count()["seq"] == 1, "the press")
    server.stop()
    button.push()
    until(lambda: button.waiting() == 1, "the spool")
    button.stop()
    server.environ["BUTTON_PORT"] = "0"
    server.start()  # elsewhere
    moved = RemoteButton(tmp_path / "remote", server.url + "/", site="Paris")
    until(lambda: moved.waiting() == 0, "the press")
    assert [event["source"] for event in history(server)] == ["api@Paris", "api@Paris"]
    moved.stop()


def test_queued_presses_are_not_delivered_to_another_database(tmp_path, server):
    button = RemoteButton(tmp_path / "remote", server.url)
    button.push()
    until(lambda: server.count()["seq"] == 1, "the press")
    server.stop()
    button.push()
    until(lambda: button.waiting() == 1, "the spool")
    button.stop()
    folder = tmp_path / "another"
    folder.mkdir()
    another = Server(folder)
    moved = RemoteButton(tmp_path / "remote", another.url)
    until(lambda: any("belong to another server" in line for line in moved.log), "the report")
    assert (another.count()["seq"], moved.waiting()) == (0, 1)
    moved.stop()
    another.stop()


def test_a_remote_button_with_a_full_disk_delivers_from_memory(tmp_path, server):
    from test_fairness import fill, mounted

    folder, button = mounted(tmp_path, "2m"), None
    try:
        fifo = tmp_path / "fifo"
        button = RemoteButton(folder, server.url, simulated_pin=fifo)
        button.fifo = fifo
        until(lambda: any("Presses go to" in line for line in button.log), "the start")
        fill(folder)
        for seq in range(1, 6):
            button.push()
            until(lambda seq=seq: server.count()["seq"] == seq, "the press")
        assert any("in memory only" in line for line in button.log)
    finally:
        if button is not None:
            button.stop(signal.SIGKILL)
        subprocess.run(["umount", "-l", folder], check=False)


def test_a_response_whose_body_comes_later_and_ends_with_the_connection_is_read(tmp_path):
    """Whatever the body's packets are, one press is not sent for ever."""
    answered, listener = [], socket.create_server(("127.0.0.1", 0))
    body = json.dumps({"count": 19, "goal": 20, "seq": 1, "cause": "press", "at": 1.0}).encode()

    def serve():
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                with peer:
                    path = peer.recv(65536).split(b" ")[1]
                    peer.sendall(b"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n")
                    threading.Event().wait(0.2)  # so that it is a packet of its own
                    peer.sendall(b'{"id": "0123"}' if path == b"/healthz" else body)
                    answered.append(path)

    thread = threading.Thread(target=serve)
    thread.start()
    button = RemoteButton(tmp_path / "remote", f"http://127.0.0.1:{listener.getsockname()[1]}")
    button.push()
    until(lambda: answered.count(b"/api/press") == 1 and button.waiting() == 0, "the press")
    button.stop()
    listener.shutdown(socket.SHUT_RDWR)
    thread.join(DEADLINE)
    listener.close()


# --- settings ---


def test_a_secret_comes_from_a_file(tmp_path):
    token = tmp_path / "token"
    token.write_text("from-a-file\nnot this\n")
    server = Server(tmp_path, api_token=None, api_token_file=token)
    answer = requests.post(
        f"{server.url}/api/press", headers={"Authorization": "Bearer from-a-file"}, timeout=DEADLINE
    )
    assert answer.status_code == 201
    server.stop()
    with pytest.raises(
        AssertionError, match="BUTTON_API_TOKEN_FILE: expected BUTTON_API_TOKEN not to be set"
    ):
        Server(tmp_path, api_token_file=token)


def test_settings_without_effect_are_warnings(tmp_path):
    Server(tmp_path).stop()
    server = Server(tmp_path, titel="x", goal="30")
    assert any("BUTTON_TITEL: unknown setting; did you mean BUTTON_TITLE?" in line for line in server.log)
    assert any("BUTTON_GOAL=30 has no effect" in line for line in server.log)
    server.stop()


@pytest.mark.parametrize("value", [b"\xff", "Z\u00fcrich \udcff".encode("utf-8", "surrogateescape")])
def test_a_value_that_is_not_utf_8_is_one_line(tmp_path, value):
    environ = {b"BUTTON_TITLE": value, b"PATH": os.environb[b"PATH"]}
    done = subprocess.run(
        [sys.executable, ROOT / "app.py"], env=environ, cwd=tmp_path, capture_output=True, timeout=DEADLINE
    )
    assert (done.returncode, done.stderr) == (2, b"BUTTON_TITLE: expected UTF-8\n")


def test_presses_and_admin_changes_carry_the_site(tmp_path):
    server = Server(tmp_path, site="Berlin")
    screen = Screen(server, ["websocket"])
    server.push()
    api(server, "POST", "/api/press", {"site": "Paris"})
    until(lambda: any(info["site"] == "Paris" for info in screen.infos), "info")
    visitor = requests.Session()
    page = visitor.get(f"{server.url}/admin/login", timeout=DEADLINE).text
    token = page.split('csrf_token" value="')[1].split('"')[0]
    visitor.post(
        f"{server.url}/admin/login", data={"password": PASSWORD, "csrf_token": token}, timeout=DEADLINE
    )
    page = visitor.get(f"{server.url}/admin", timeout=DEADLINE).text
    token = page.split('csrf_token" value="')[1].split('"')[0]
    visitor.post(f"{server.url}/admin/count", data={"count": "3", "csrf_token": token}, timeout=DEADLINE)
    assert [event["source"] for event in history(server)] == ["button@Berlin", "api@Paris", "admin@Berlin"]
    backup = visitor.get(f"{server.url}/admin/backup", timeout=DEADLINE)
    assert backup.content.startswith(b"SQLite format 3\0")
    visitor.close()
    screen.close()
    server.stop()


def test_a_horn_of_ones_own_replaces_the_short_one(tmp_path):
    (tmp_path / "horn.ogg").write_bytes(b"OggS" + bytes(100))
    server = Server(tmp_path, horn=tmp_path / "horn.ogg", noun="sign-up,sign-ups")
    page = requests.get(server.url, timeout=DEADLINE).text
    url = page.split('data-horn-mp3="')[1].split('"')[0]
    answer = requests.get(server.url + url, timeout=DEADLINE)
    assert (answer.headers["Content-Type"], answer.content[:4]) == ("audio/ogg", b"OggS")
    assert "20 of 20 sign-ups to go" in page
    server.stop()
    for body, reason in (
        (b"MZ", "not an mp3, wav or ogg file"),
        (b"ID3" + bytes(2_000_000), "larger than 2 MB"),
    ):
        (tmp_path / "horn.ogg").write_bytes(body)
        with pytest.raises(AssertionError, match=f"BUTTON_HORN: .* cannot be played: {reason}"):
            Server(tmp_path, horn=tmp_path / "horn.ogg")


def test_frames_are_for_the_public_pages_alone(tmp_path):
    server = Server(tmp_path, frame_ancestors="https://home.example")
    framed, closed = (
        requests.get(server.url + path, timeout=DEADLINE).headers for path in ("/", "/admin/login")
    )
    assert "frame-ancestors https://home.example" in framed["Content-Security-Policy"]
    assert "X-Frame-Options" not in framed
    assert "frame-ancestors 'none'" in closed["Content-Security-Policy"]
    assert closed["X-Frame-Options"] == "DENY"
    server.stop()


@pytest.mark.parametrize("origin", ["null", "file://", "capacitor://localhost"])
def test_origins_without_a_host_are_allowed_where_they_are_set(tmp_path, origin):
    server = Server(tmp_path, allowed_origins=origin)
    poll = f"{server.url}/socket.io/?EIO=4&transport=polling"
    assert requests.get(poll, headers={"Origin": origin}, timeout=DEADLINE).status_code == 200
    same = {"Origin": server.url.replace("http", "ws")}
    assert requests.get(poll, headers=same, timeout=DEADLINE).status_code == 200
    for _ in range(3):
        assert (
            requests.get(poll, headers={"Origin": "https://evil.example"}, timeout=DEADLINE).status_code
            == 403
        )
    rejected = [line for line in server.log if "BUTTON_ALLOWED_ORIGINS=https://evil.example" in line]
    assert len(rejected) == 1
    server.stop()


# --- the day ---


def test_today_is_the_server_s_day_and_presses_of_days_to_come_are_none_of_it(tmp_path):
    server = Server(tmp_path, environ={"TZ": "Etc/GMT-14"})
    server.press()
    server.stop()
    now = time.time()
    with contextlib.closing(sqlite3.connect(server.database)) as db, db:  # recorded while the clock was ahead
        columns = "seq, at, kind, source, count, goal, below"
        row = (2, now + 3 * 86400, "press", "api", 18, 20, 1)
        db.execute(f"INSERT INTO event ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    server.start()
    today = requests.get(f"{server.url}/api/today", timeout=DEADLINE).json()
    there = datetime.datetime.fromtimestamp(now, datetime.timezone(datetime.timedelta(hours=14)))
    assert sum(today["hours"]) == 1
    assert today["date"] in {
        there.date().isoformat(),
        (there + datetime.timedelta(hours=1)).date().isoformat(),
    }
    screen = Screen(server, ["websocket"])
    until(lambda: screen.infos, "info")
    assert screen.infos[0]["today"] == 1
    screen.close()
    server.stop()
