"""PostgreSQL restarts, failover, lost changes and connection poolers."""

import contextlib
import os
import signal
import socket
import subprocess

import pytest
import socketio
from postgres import Postgres
from server import DEADLINE, Screen, Server, disconnect, until


def test_first_change_after_a_postgresql_restart_is_recorded(tmp_path, own_postgres):
    server = Server(tmp_path, database=own_postgres.new(), hardware="none")
    try:
        assert server.press()["seq"] == 1
        own_postgres.stop()
        own_postgres.start()
        assert server.press()["seq"] == 2
    finally:
        server.stop()


def test_screens_follow_a_database_that_lost_its_last_changes(tmp_path, own_postgres):
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
        until(lambda: counts[-1]["seq"] == 3, "the screen to show the presses")
        own_postgres.stop(signal.SIGQUIT)
        subprocess.run(["rm", "-rf", own_postgres.folder / "data"], check=True)
        before.rename(own_postgres.folder / "data")
        own_postgres.start()
        until(lambda: server.count()["seq"] == 1, "the state of the database")
        until(lambda: counts[-1]["seq"] == 1, "the screen to show that state")
        until(lambda: any("has lost changes" in line for line in server.log), "the log line")
        assert server.press()["seq"] == 2
        until(lambda: counts[-1]["seq"] == 2, "the screen to show the press")
    finally:
        disconnect(screen)
        server.stop()


def test_url_options_are_kept_and_a_table_conflict_is_named(tmp_path, postgres):
    url = postgres.new()
    name = url.rsplit("/", 1)[1]
    postgres.sql("CREATE SCHEMA sales; CREATE TABLE event (x integer)", name)
    with pytest.raises(AssertionError, match='relation "event" already exists, but it belongs to another'):
        Server(tmp_path, database=url, hardware="none")
    server = Server(tmp_path, database=f"{url}?options=-csearch_path%3Dsales", hardware="none")
    assert server.press()["seq"] == 1
    assert server.stop() == 0
    assert postgres.sql("SELECT count(*) FROM sales.event", name).strip() == "1"


@pytest.mark.slow
def test_connections_follow_a_promoted_standby_despite_a_read_only_primary(tmp_path, own_postgres):
    name = own_postgres.new().rsplit("/", 1)[1]
    standby = Postgres(own_postgres)
    hosts = f"127.0.0.1:{own_postgres.port},127.0.0.1:{standby.port}"
    server = Server(tmp_path, database=f"postgresql://button@{hosts}/{name}", hardware="none")
    screen = Screen(server, ["websocket"])
    try:
        server.press()
        until(lambda: standby.sql("SELECT count(*) FROM event", name).strip() == "1", "the replication")
        own_postgres.sql("ALTER SYSTEM SET default_transaction_read_only = on", "postgres")
        own_postgres.sql("SELECT pg_reload_conf()", "postgres")
        standby.sql("SELECT pg_promote()", "postgres")
        assert server.press()["seq"] == 2
        screen.wait_for(2)
        until(lambda: server.health().status_code == 200, "a healthy server")
        assert standby.sql("SELECT count(*) FROM event", name).strip() == "2"
        assert [event["seq"] for event in server.history()] == [1, 2]
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
def test_pgbouncer_is_accepted_in_session_mode_only(tmp_path, postgres):
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


@pytest.mark.slow
def test_webhook_continues_after_the_database_lost_changes(tmp_path, own_postgres, receiver):
    """The lost change may be in delivery at that time, and its number is reused."""
    server = Server(tmp_path, database=own_postgres.new(), hardware="none", webhook=receiver.url)
    try:
        server.press()
        until(lambda: receiver.accepted == [1], "the first post")
        own_postgres.stop()
        before = own_postgres.folder / "before"
        subprocess.run(["cp", "-a", own_postgres.folder / "data", before], check=True)
        own_postgres.start()
        receiver.status = None  # delays the response
        server.press()
        until(lambda: len(receiver.got) == 2, "the second post")
        own_postgres.stop(signal.SIGQUIT)
        subprocess.run(["rm", "-rf", own_postgres.folder / "data"], check=True)
        before.rename(own_postgres.folder / "data")
        own_postgres.start()
        until(lambda: server.count()["seq"] == 1, "the state of the database")
        receiver.status = 200
        receiver.go_on.set()
        server.press()
        until(lambda: receiver.accepted == [1, 2, 2], "the new change")
        ids = [headers["webhook-id"] for headers, _ in receiver.got]
        assert len(set(ids)) == 3
    finally:
        server.stop()
