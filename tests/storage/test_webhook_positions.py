"""Stored webhook positions, including changes of the URLs and rollbacks."""

import pytest

from integrations.webhook_positions import Positions
from storage import KeyValue, SqliteDatabase

A, B, C = "https://a.example/hook", "https://b.example/hook", "https://c.example/hook"


@pytest.fixture
def values(tmp_path):
    database = SqliteDatabase(tmp_path / "button.db", goal=20)
    yield KeyValue(database)
    database.close()


def loaded(values, *urls, newest=100):
    """Return the initial positions of a server with these URLs."""
    positions = Positions(values, urls, newest)
    return [positions.load(url) for url in urls]


def save(values, **seqs):
    """Store positions, like a server with these URLs."""
    urls = {"A": A, "B": B, "C": C}
    positions = Positions(values, [urls[name] for name in seqs], 100)
    for name in seqs:
        positions.load(urls[name])
    for name, seq in seqs.items():
        positions.save(urls[name], seq)


def test_new_url_begins_with_the_next_change(values):
    assert loaded(values, A) == [100]
    assert loaded(values, A, B, newest=200) == [100, 200]


def test_position_of_an_older_version_is_that_of_all_urls(values):
    values.set("webhook", "7")
    assert loaded(values, A, B) == [7, 7]
    assert loaded(values, A, B, C) == [7, 7, 100]


def test_older_version_continues_after_a_rollback_and_an_upgrade(values):
    save(values, A=7, B=5)
    assert values.get("webhook") == "7"
    values.set("webhook", "20")  # by the older version, with A
    assert loaded(values, A, B) == [20, 5]


def test_positions_do_not_depend_on_the_order_of_the_urls(values):
    save(values, A=7, B=5)
    assert loaded(values, B, A) == [5, 7]
    save(values, B=6, A=8)
    assert loaded(values, A, B) == [8, 6]


def test_changed_single_url_continues_where_the_previous_one_stopped(values):
    save(values, A=7)
    assert loaded(values, B) == [7]


def test_removed_url_continues_where_it_stopped(values):
    save(values, A=7, B=5)
    save(values, B=9)
    assert values.get("webhook") == "9"
    assert loaded(values, B, A) == [9, 7]


def test_server_with_other_urls_in_between_moves_no_position(values):
    """As with several servers on one PostgreSQL that get new settings one by one."""
    first = Positions(values, [A], 100)
    first.load(A)
    first.save(A, 7)
    save(values, B=9)
    assert first.load(A) == 7
    first.save(A, 8)
    assert loaded(values, A, B) == [8, 9]


def test_stored_names_do_not_reveal_the_urls(values):
    save(values, A=7, B=5)
    rows = values._database.query("SELECT name, value FROM secret")
    assert not [row for row in rows if "example" in "".join(row)]
