"""What the admin page shows: notices, the history, health, the log."""

import contextlib
import datetime
import itertools
import re
import sqlite3
import time

import pytest
from server import PASSWORD, until
from site_app import Site, SiteVisitor

from storage import Event
from storage.database import COLUMNS, row
from web import admin as admin_module
from web import login

NOON = datetime.datetime.now().astimezone().replace(hour=12, minute=0, second=0).timestamp()


def notice(page):
    """Return the text of the notice on a page, without its button."""
    found = re.search(r'id="notice"[^>]*>(.*?)(?:<div class="columns"|</p>)', page, re.S)
    text = re.sub(r"<[^>]+>", " ", found[1]) if found else ""
    return " ".join(text.split()).removesuffix(" Undo")


def texts(page, pattern):
    """Return the texts of the elements that a pattern matches."""
    return [" ".join(re.sub(r"<[^>]+>", " ", found).split()) for found in re.findall(pattern, page, re.S)]


def history(page):
    """Return the headings and entries of the history, in order."""
    section = re.search(r'id="history".*?</section>', page, re.S)[0]
    return texts(section, r"<h3>.*?</h3>|<li.*?</li>")


@pytest.fixture
def past(tmp_path):
    """Opens a site whose history has rows of seconds before noon, kind, source, count, below and undoes."""
    sites = []

    def past(rows):
        Site(tmp_path).close()
        places = f"({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
        with contextlib.closing(sqlite3.connect(tmp_path / "button.db")) as db, db:
            for seq, (ago, kind, source, count, below, undoes) in enumerate(rows, 1):
                event = Event(seq, NOON - ago, kind, source, count, 20, below, undoes)
                db.execute(f"INSERT INTO event {places}", row(event))
        sites.append(Site(tmp_path))
        sites[-1].ensure_password()
        visitor = SiteVisitor(sites[-1])
        visitor.sign_in()
        return visitor

    yield past
    for site in sites:
        site.close()


# --- notices ---


@pytest.mark.parametrize(
    ("path", "fields", "sentence"),
    [
        ("press", {}, "Counted: 19 to go."),
        ("goal", {"goal": "25"}, "Goal set to 25: 25 to go."),
        ("count", {"count": "7"}, "Count set to 7: 7 to go."),
        ("reset", {}, "Reset: 20 to go."),
    ],
)
def test_each_action_is_reported_once_and_can_be_undone(admin, path, fields, sentence):
    assert admin.post(path, **fields).headers["Location"] == "/admin"
    page = admin.get().text
    assert notice(page) == sentence
    assert 'name="seq" value="1"' in page.split('id="notice"')[1].split("</form>")[0]
    assert notice(admin.get().text) == ""


def test_goal_new_round_and_undo_are_reported(admin):
    admin.post("count", count="1")
    for path, sentence in (
        ("press", "Counted: goal reached."),
        ("press", "Counted: a new round, 20 to go."),
        ("undo", "Undone: 0 to go."),
    ):
        admin.post(path)
        assert notice(admin.get().text) == sentence


def test_notice_of_an_older_change_has_no_undo(admin, site):
    admin.post("press")
    site.press()
    shown = admin.get().text.split('id="notice"')[1].split('class="columns"')[0]
    assert "Counted: 19 to go." in shown
    assert "<form" not in shown


def test_page_that_refreshes_itself_leaves_the_notice(admin):
    token = admin.token()
    admin.post("press", token=token)
    assert notice(admin.get("?live").text) == ""
    assert notice(admin.get().text) == "Counted: 19 to go."


def test_neither_links_nor_foreign_cookies_make_a_notice(admin, site):
    admin.post("press")
    for query in ("?notice=1", "?changed=1", "?error=Counted", "?notice=password-changed"):
        assert notice(SiteVisitor(site).get(f"/login{query}").text) == ""
    name = f"button_notice_{site.port}"
    value = admin.client.get_cookie(name).value
    other = SiteVisitor(site)
    other.sign_in()
    for forged in (value, "1", "1.", f"1.{'0' * 64}", "password-changed", ".", "x" * 3000, "1.ä"):
        other.client.set_cookie(name, forged)
        assert notice(other.get().text) == ""
        other.client.set_cookie(name, forged)
        assert notice(other.get("/login").text) == ""


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("press", "Not counted, please sign in again."),
        ("reset", "Nothing was changed, please sign in again."),
        ("password", "Nothing was changed, please sign in again."),
    ],
)
def test_form_of_an_ended_session_says_that_nothing_was_changed(admin, site, path, sentence):
    site.accounts.set_password(PASSWORD)  # ends all sessions
    response = admin.post(path, token="any")
    assert (response.status_code, response.headers["Location"]) == (302, "/admin/login")
    assert notice(admin.get("/login").text) == sentence
    assert site.count()["seq"] == 0


def test_ended_session_and_sign_out_are_reported(admin, site):
    site.accounts.set_password(PASSWORD)
    assert notice(admin.get().text) == "Your session has ended, please sign in again."
    admin.sign_in()
    admin.post("logout")
    assert notice(admin.get().text) == "Signed out."
    assert notice(admin.get().text) == ""


def test_password_change_is_reported_on_the_login_page(open_site):
    site = open_site(admin_password=None)
    visitor, first = SiteVisitor(site), site.ensure_password()
    visitor.sign_in(first)
    wrong = visitor.post("password", password=first, new="long enough", again="long enougn").text
    assert notice(wrong) == "The two new passwords are not the same."
    assert re.search(r"<details[^>]* open>\s*<summary><b>Change the password", wrong)
    visitor.post("password", password=first, new="long enough", again="long enough")
    assert notice(visitor.get().text) == "Password changed. Sign in with the new one."


# --- the history ---


def test_history_is_grouped_by_day_with_rounds_and_undos(past):
    day = 86400
    visitor = past(
        [
            (9 * day, "set", "admin", 1, 0, None),
            (day + 3600, "press", "button@Oslo", 0, 1, None),
            (day, "press", "button-11@Berlin", 20, 2, None),
            (3600, "press", "api@HubSpot", 19, 3, None),
            (1800, "undo", "hold", 20, 3, 4),
        ]
    )
    assert history(visitor.get().text) == [
        "Today",
        "Undo of Press at 11:00 · held button 11:30 20 to go",
        "Press undone 11:30 · API · HubSpot 11:00 19 to go",
        "Yesterday",
        "New round button 11 · Berlin 12:00 20 to go",
        "Round of 20 complete",
        "Goal reached button · Oslo 11:00 0 to go",
        f"{datetime.datetime.fromtimestamp(NOON - 9 * day).astimezone():%A, %-d %B}",
        "Count set to 1 admin page 12:00 1 to go",
    ]


def test_older_changes_are_a_page_away(admin, site):
    site.press(15)
    site.api("reset")
    site.press(20)
    page, seen = admin.get(), []
    while True:
        seen.append(re.findall(r'class="left">(\d+)<', page.text))
        older = re.search(r'href="/admin(\?before=\d+)#history">Show older', page.text)
        if not older:
            break
        page = admin.get(older[1])
        assert "Back to the newest" in page.text
    assert [len(each) for each in seen] == [20, 16]
    counts = [str(event["count"]) for event in reversed(site.history())]
    assert list(itertools.chain(*seen)) == counts


@pytest.mark.parametrize("before", ["", "0", "1", "-3", "x", "9" * 15, "9" * 40, "²"])
def test_any_page_of_the_history_reads_a_bounded_range(admin, site, before, monkeypatch):
    site.press(3)
    calls, read = [], site.database.events_after

    def events_after(seq, limit, *lane):
        calls.append(limit)
        return read(seq, limit, *lane)

    monkeypatch.setattr(site.database, "events_after", events_after)
    assert admin.get(f"?before={before}").status_code == 200
    assert max(calls) <= admin_module.SHOWN + admin_module.LOOKAHEAD


def test_undo_on_another_page_marks_the_change_as_undone(admin, site):
    site.press(1)
    site.press(25)
    for _ in range(26):
        site.api("undo")
    page = admin.get("?before=2").text
    assert history(page)[1].startswith("Press undone ")


def test_names_in_the_history_are_escaped(past):
    page = past([(0, "press", "api@<img src=x>", 19, 0, None)]).get().text
    assert "<img" not in page
    assert "&lt;img src=x&gt;" in page


# --- health, log, help ---


def report(site, **status):
    """Have the site report other services, too."""
    site.app.extensions["button"].health = lambda: site._health() | status


PIN = {
    "driver": "simulated", "sources": ["button"], "trouble": None, "pressed": [], "stuck": [], "warnings": [],
    "presses": 3, "bounces": 6, "long_gaps": 9, "worst_gap": 0.0951, "last_gap": 0.03, "last_gap_at": NOON,
    "pressed_at": NOON,
}  # fmt: skip


def chips(page):
    """Return the lamp and the text of each chip."""
    found = re.findall(r'<summary><i class="lamp (\w+)"></i>(.*?)</summary>', page, re.S)
    return [(lamp, " ".join(re.sub(r"<[^>]+>", "", text).split())) for lamp, text in found]


def test_health_is_four_chips(admin, site):
    assert chips(admin.get().text) == [
        ("off", "Button none"), ("ok", "Database on disk"), ("off", "Feed off"), ("ok", "Screens 0 live"),
    ]  # fmt: skip


def test_simulated_pin_is_no_cause_for_alarm(admin, site):
    report(site, hardware=PIN)
    page = admin.get().text
    assert chips(page)[0] == ("ok", "Button simulated, ready")
    assert "95.1" not in page


def test_real_pin_has_details_and_problems_are_named(admin, site):
    report(site, hardware=PIN | {"driver": "RPi.GPIO 0.7.1"})
    page = admin.get().text
    assert chips(page)[0] == ("ok", "Button pin 11, ready")
    assert "(2.0 per press)" in page
    assert "95.1 ms" in page
    stuck = ["button has been held for over 10 s"]
    report(site, hardware=PIN | {"stuck": ["button"], "warnings": stuck}, webhook={"warnings": ["gone"]})
    page = admin.get().text
    assert chips(page)[0] == ("warn", "Button stuck")
    assert "Button has been held for over 10 s." in page
    assert "Webhook: gone." in page


def test_problems_of_the_database_and_its_backups_are_named(admin, site):
    report(site, backups={"newest": None, "warnings": ["the last backup failed; the log says why"]})
    page = admin.get().text
    assert chips(page)[1] == ("warn", "Database no backup")
    assert "The last backup failed; the log says why." in page
    report(site, database={**site._health()["database"], "trouble": "PostgreSQL does not respond"})
    page = admin.get().text
    assert chips(page)[1] == ("bad", "Database cannot be written")
    assert "PostgreSQL does not respond. Presses of the button wait" in page


def test_screens_by_transport_add_up_without_admin_pages(server, watch):
    watch(server)
    watch(server, "polling")
    watch(server, "polling", auth={"page": "admin"})
    until(lambda: server.health().json()["clients"]["polling"] == 2, "the clients")
    clients = server.health().json()["clients"]
    assert (clients["screens"], clients["screens_websocket"], clients["screens_polling"]) == (2, 1, 1)


def test_log_is_for_the_admin_and_has_no_password(start, visit):
    server = start(admin_password=None)
    password = next(line.split()[-1] for line in server.log if "Admin password:" in line)
    visitor = visit(server)
    assert "Sign in" in visitor.get("/log").text
    assert visitor.sign_in(password).status_code == 302
    server.press()
    page = visitor.get("/log").text
    assert "press by api: 19 of 20 to go" in page
    assert password not in page
    assert "Admin password" not in page
    lines = texts(page, r'<ol class="log">.*?</ol>')[0]
    assert lines.index("press by api") < lines.index("Feed listens"), "newest first"


def test_log_lines_are_escaped(admin, site):
    site.app.extensions["button"].log_lines = lambda: [(NOON, "WARNING", "<b>\\x1b")]
    page = admin.get("/log").text
    assert "&lt;b&gt;\\x1b" in page
    assert "12:00" in page


def test_login_page_names_the_command_for_a_lost_password(open_site, monkeypatch, tmp_path):
    site = open_site(admin_password=None)
    assert ".venv/bin/python app.py set-password" in SiteVisitor(site).get().text
    monkeypatch.setattr(login, "COMMAND", tmp_path)
    monkeypatch.setattr(login, "INSTALLED", login.Path(login.__file__).parents[2])
    assert "sudo the-button set-password" in SiteVisitor(site).get().text


def test_configured_password_is_named_on_the_login_page(site):
    assert "BUTTON_ADMIN_PASSWORD" in SiteVisitor(site).get().text


@pytest.mark.parametrize("path", ["", "/log", "/login"])
def test_admin_pages_have_no_inline_script_or_style(admin, path):
    page = admin.get(path).text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", page)


def test_times_have_one_format(past):
    now = time.time()
    page = past([(NOON - now, "press", "button", 19, 0, None)]).get().text
    shown = texts(page, r"<time[^>]*>.*?</time>")
    assert shown
    assert all(re.fullmatch(r"\d\d:\d\d", each) for each in shown)
    assert f"last press {shown[0]}, button" in page
