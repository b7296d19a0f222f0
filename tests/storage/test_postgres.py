"""Several servers that share a PostgreSQL, including outages of the database."""

import contextlib
import re
import signal
import sqlite3
import stat
import subprocess
import time

import psycopg
import pytest
import requests
from server import DEADLINE, PASSWORD, ROOT, SUPPORT, Server, until


@pytest.fixture
def start_on(tmp_path):
    """Return a function that starts a server on a database, in a new folder."""
    servers = []

    def start_on(url, **settings):
        folder = tmp_path / str(len(servers))
        folder.mkdir()
        servers.append(Server(folder, database=url, feed="off", **settings))
        return servers[-1]

    yield start_on
    for server in servers:
        server.stop()


def test_press_on_one_server_reaches_the_screens_of_all_servers(postgres, start_on, watch):
    url = postgres.new()
    one, other = start_on(url), start_on(url)
    screens = [watch(server, name) for server in (one, other) for name in ("websocket", "polling")]
    one.push()
    other.push()
    one.press()
    for screen in screens:
        assert screen.wait_for(3)["count"] == 17
        assert [count["seq"] for count in screen.counts] == sorted({count["seq"] for count in screen.counts})
    assert one.history() == other.history()
    assert [event["source"] for event in one.history()] == ["button", "button", "api"]
    other.restart(signal.SIGKILL)
    assert other.count() == one.count()


def test_idempotency_key_counts_once_across_servers(postgres, start_on):
    url = postgres.new()
    one, other = start_on(url), start_on(url)
    first = one.api("press", key="deal")
    repeated = other.api("press", key="deal")
    assert (first.status_code, repeated.status_code) == (201, 200)
    assert first.json() == repeated.json()


def test_session_is_valid_on_all_servers_until_logout_on_one(postgres, start_on):
    url = postgres.new()
    one, other = start_on(url), start_on(url)
    browser = signed_in(one)
    session = browser.cookies[f"button_session_{one.port}"]  # behind a load balancer, both have the same port
    browser.cookies.set(f"button_session_{other.port}", session)
    page = browser.get(other.url + "/admin", timeout=DEADLINE)
    assert page.url == other.url + "/admin"
    browser.post(other.url + "/admin/logout", data={"csrf_token": token_of(page.text)}, timeout=DEADLINE)
    assert browser.get(one.url + "/admin", timeout=DEADLINE).url == one.url + "/admin/login"


def signed_in(server):
    """Return a browser session in which the admin has signed in."""
    browser = requests.Session()
    page = browser.get(server.url + "/admin/login", timeout=DEADLINE).text
    data = {"password": PASSWORD, "csrf_token": token_of(page)}
    browser.post(server.url + "/admin/login", data=data, timeout=DEADLINE)
    return browser


def token_of(page):
    return page.split('csrf_token" value="')[1].split('"')[0]


@pytest.mark.slow
def test_servers_with_clocks_a_year_apart_agree(postgres, start_on, watch, tmp_path):
    library = tmp_path / "clock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, SUPPORT / "clock.c"], check=True)
    ahead = {"LD_PRELOAD": str(library), "CLOCK_AHEAD": str(365 * 86400)}
    url = postgres.new()
    one, other = start_on(url), start_on(url, environ=ahead)
    next_year = f"{time.localtime().tm_year + 1}-"
    assert any(line.startswith(next_year) for line in other.log), "the second server's clock must be ahead"
    screens = [watch(one), watch(other)]
    browser = signed_in(one)
    session = browser.cookies[f"button_session_{one.port}"]
    browser.cookies.set(f"button_session_{other.port}", session)
    for server in (one, other, one):
        server.press()
    signed_in(other)
    for screen in screens:
        assert screen.wait_for(3)["count"] == 17
        assert abs(screen.counts[-1]["at"] - time.time()) < 60, "the time must be the database's"
        until(lambda screen=screen: screen.infos[-1]["today"] == 3, "today's presses")
    events = one.history()
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    for server in (one, other):
        assert browser.get(server.url + "/admin", timeout=DEADLINE).url == server.url + "/admin"


@pytest.mark.slow
def test_documented_privileges_are_sufficient(postgres, start_on):
    url = postgres.new()
    start_on(url).stop()
    name = url.rsplit("/", 1)[1]
    granted = re.search(r"```sql\n(.*?)```", (ROOT / "docs/scaling.md").read_text(), re.S)[1]
    postgres.sql(granted.replace("'PASSWORD'", "'geheim'").replace("the_database", name), name)
    server = start_on(url.replace("button@", "button_server:geheim@"))
    server.push()
    assert server.press()["count"] == 18
    browser = signed_in(server)
    page = browser.get(server.url + "/admin", timeout=DEADLINE)
    assert page.url == server.url + "/admin"
    browser.post(server.url + "/admin/logout", data={"csrf_token": token_of(page.text)}, timeout=DEADLINE)
    assert browser.get(server.url + "/admin", timeout=DEADLINE).url == server.url + "/admin/login"
    postgres.sql("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM button_server", name)
    postgres.sql("DROP OWNED BY button_server; DROP ROLE button_server", name)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["stopped", "killed", "frozen", "cut off"])
def test_each_press_counts_once_through_a_database_outage(own_postgres, start_on, watch, fault):
    url = own_postgres.new()
    one, other = start_on(url), start_on(url)
    screens = [watch(server) for server in (one, other)]
    one.press()
    for screen in screens:
        screen.wait_for(1)
    if fault in ("stopped", "killed"):
        own_postgres.stop(signal.SIGQUIT if fault == "killed" else signal.SIGINT)
    elif fault == "frozen":
        for pid in own_postgres.all_processes():
            pid.send_signal(signal.SIGSTOP)
    else:
        own_postgres.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'the-button'",
            "postgres",
        )
    one.push()
    one.push()
    other.push()
    if fault != "cut off":
        until(lambda: one.health().status_code == 503, "the health report", deadline=3 * 2)
        assert other.count()["count"] == 19, "reads are served from memory"
        rejected = other.api("press")
        error = rejected.json()["error"]
        assert (rejected.status_code, error["code"]) == (503, "unavailable")
        assert error["message"].startswith(("PostgreSQL: ", "the database "))
        if fault in ("stopped", "killed"):
            own_postgres.start()
        else:
            for pid in own_postgres.all_processes():
                pid.send_signal(signal.SIGCONT)
    recovered = time.monotonic()
    for screen in screens:
        until(lambda screen=screen: screen.counts[-1]["count"] <= 16, "the presses")
    assert time.monotonic() - recovered < 20
    until(lambda: one.health().status_code == other.health().status_code == 200, "the health report")
    sources = [event["source"] for event in one.history() if event["source"] == "button"]
    assert sources == ["button"] * 3
    assert one.count()["count"] == other.count()["count"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_spooled_presses_survive_a_restart_of_the_server(own_postgres, start_on, how):
    server = start_on(own_postgres.new())
    own_postgres.stop()
    server.push()
    server.push()
    until(lambda: len(spooled(server)) == 2, "the presses to be spooled")
    assert stat.S_IMODE(spool_of(server).stat().st_mode) == 0o600
    server.stop(how)
    own_postgres.start()
    server.environ["BUTTON_PORT"] = str(server.port)
    server.start()
    until(lambda: server.count()["seq"] == 2, "the spooled presses")
    assert [event["source"] for event in server.history()] == ["button", "button"]
    until(lambda: spooled(server) == [], "the spool to be empty")


@pytest.mark.slow
def test_spool_is_never_replayed_into_another_database(own_postgres, start_on):
    server = start_on(own_postgres.new())
    own_postgres.stop()
    server.push()
    until(lambda: len(spooled(server)) == 1, "the presses to be spooled")
    server.stop(signal.SIGKILL)
    own_postgres.start()
    with pytest.raises(AssertionError, match="holds 1 presses for another database"):
        start_on(own_postgres.new(), spool=spool_of(server))


def spool_of(server):
    return server.folder / f"button-spool-{server.port}.db"


def spooled(server):
    with contextlib.closing(sqlite3.connect(spool_of(server))) as db:
        return db.execute("SELECT key FROM press").fetchall()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody:geheim@127.0.0.1:1/none",
        "postgresql://button:100%geheim@127.0.0.1:1/none",
        "postgresql://button:geheim@[::1/none",
        "postgresql://button:x@geheim@127.0.0.1:1/none",
    ],
)
def test_unusable_database_url_is_one_line_without_the_password(start_on, url):
    with pytest.raises(AssertionError) as error:
        start_on(url)
    last = str(error.value).splitlines()[-1]
    assert last.startswith(("PostgreSQL cannot be used: ", "BUTTON_DATABASE: "))
    assert "geheim" not in str(error.value)


@pytest.mark.slow
def test_server_frozen_in_a_transaction_blocks_others_only_briefly(own_postgres, start_on):
    url = own_postgres.new()
    one, other = start_on(url), start_on(url)
    other.press()
    frozen = psycopg.connect(url)
    frozen.execute("SELECT version FROM turn FOR UPDATE")  # as if a server had vanished
    frozen.execute("SET idle_in_transaction_session_timeout = '5s'")
    until(lambda: one.api("press").status_code == 201, "a press on the other server", deadline=30)
    frozen.close()


@pytest.mark.slow
def test_outage_reveals_no_address_and_shutdown_takes_under_5_s(own_postgres, start_on):
    server = start_on(own_postgres.new())
    for process in own_postgres.all_processes():
        process.send_signal(signal.SIGSTOP)
    server.push()
    until(lambda: server.health().status_code == 503, "the health report")
    assert "127.0.0.1" not in server.health().text
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 5
