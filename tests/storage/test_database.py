"""Behaviour common to SQLite and PostgreSQL databases."""

import sqlite3

import psycopg
import pytest

from storage import Accounts, Change, open_database, rounds

INTEGRITY = (sqlite3.IntegrityError, psycopg.IntegrityError)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/button.db"
    return request.getfixturevalue("postgres").new()


@pytest.fixture
def database(url):
    database = open_database(url, goal=20)
    yield database
    database.close()


def press(**more):
    return Change("press", "api", **more)


def states(outcomes):
    return [(event.seq, event.count, replayed) for event, replayed in outcomes]


def test_empty_database_shows_the_goal(database):
    newest = database.newest()
    assert (newest.seq, newest.count, newest.goal, newest.kind) == (0, 20, 20, "connect")


def test_batch_is_recorded_in_order_and_read_back_unchanged(database):
    outcomes = database.record([press(), press(), Change("goal", "admin", goal=5), Change("undo", "api")])
    assert states(outcomes) == [(1, 19, False), (2, 18, False), (3, 3, False), (4, 18, False)]
    assert database.events_after(0, 100) == [event for event, _ in outcomes]
    assert database.events_after(2, 1) == [outcomes[2][0]]
    assert database.newest() == outcomes[3][0]


def test_key_is_recorded_once_even_within_a_batch(database):
    assert states(database.record([press(key="a"), press(key="a")])) == [(1, 19, False), (1, 19, True)]
    assert states(database.record([press(key="a"), press(key="b")])) == [(1, 19, True), (2, 18, False)]


def test_rejected_change_does_not_affect_its_batch(database):
    outcomes = database.record(
        [press(key="a"), Change("undo", "api", seq=7), Change("reset", "api", key="a")]
    )
    assert [getattr(outcome, "code", None) for outcome in outcomes] == [None, "changed", "key_reused"]
    assert database.newest().seq == 1


def test_tally_excludes_undone_presses(database):
    ever, later = (0.0, 2.0**40), (2.0**39, 2.0**40)
    assert database.press_totals([ever, ever]) == (None, None, [0, 0])
    database.record([press(), press(), Change("undo", "api"), press()])
    assert database.press_totals([ever, later]) == (database.newest().at, "api", [2, 0])
    assert database.deals(*later) == []
    assert len(database.deals(*ever)) == 2


def test_press_that_opens_a_round_is_not_a_deal(database):
    database.record([press() for _ in range(22)])
    assert database.press_totals([(0.0, 2.0**40)]).deals == [21]


def test_rounds_are_read_from_the_newest_events(database):
    database.record([press() for _ in range(20)] + [press(), press(), Change("undo", "api")])
    newest = database.newest()
    completed, current = rounds(database.events_after(0, 100), newest)
    assert [each.goal for each in completed] == [20]
    assert [event.count for event in current] == [20]


def test_set_is_stored_as_a_kind_that_older_versions_support(database):
    database.record([Change("set", "api", count=7)])
    assert (database.newest().kind, database.newest().count) == ("set", 7)
    assert database.query("SELECT kind FROM event") == [("goal",)]
    assert database.events_after(0, 10)[0].kind == "set"


def test_statements_are_executed_atomically(database):
    insert = "INSERT INTO secret VALUES (:name, 'x')"
    with pytest.raises(INTEGRITY):
        database.change((insert, {"name": "a"}), (insert, {"name": "a"}))
    assert database.query("SELECT * FROM secret") == []
    database.change((insert, {"name": "b"}))
    assert database.query("SELECT name FROM secret WHERE value = :value", value="x") == [("b",)]


@pytest.mark.parametrize("statement", ["DELETE FROM event", "UPDATE event SET count = 7"])
def test_events_cannot_be_changed_or_deleted(database, statement):
    database.record([press()])
    with pytest.raises(INTEGRITY, match="events stay"):
        database.change((statement, {}))
    assert database.newest().count == 19


def test_count_survives_reopening(database, url):
    initial = database.newest()
    ((event, _),) = database.record([press(key="a")])
    database.close()
    reopened = open_database(url, goal=7)
    assert reopened.newest() == event
    assert reopened.newest().goal == initial.goal == 20
    reopened.probe()
    reopened.close()


def test_rollback_leaves_no_gap_in_seq(database):
    with pytest.raises(ValueError, match="unknown kind"):
        database.record([press(), Change("dance", "api")])
    assert states(database.record([press()])) == [(1, 19, False)]


def test_undo_works_across_batches(database):
    database.record([press(), press()])
    database.record([Change("undo", "api")])
    assert states(database.record([Change("undo", "api"), press()])) == [(4, 20, False), (5, 19, False)]


def test_accounts_persist_and_a_new_password_ends_sessions(database):
    accounts = Accounts(database)
    password = accounts.ensure_password(None)
    assert accounts.check_password(password)
    assert Accounts(database).ensure_password(None) is None
    token = accounts.begin_session()
    assert accounts.is_session(token)
    assert Accounts(database).form_token(token) == accounts.form_token(token)
    accounts.set_password("other")
    assert not accounts.is_session(token)
