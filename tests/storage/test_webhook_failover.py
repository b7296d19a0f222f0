"""Webhook positions in a database that loses changes."""

import shutil

import gevent
import pytest

from integrations.webhook import Webhook
from storage import Change, KeyValue, SqliteDatabase


class Failover:
    """A database whose standby can take over.

    Calls are passed to `active`. `before_post` is called once, before the next post.
    """

    def __init__(self, active):
        self.active = active
        self.before_post = None

    def now(self):
        call, self.before_post = self.before_post, None
        if call is not None:
            call()
        return self.active.now()

    def __getattr__(self, name):
        return getattr(self.active, name)


@pytest.fixture
def open_database(tmp_path):
    """Return a function that opens a database, or a copy of another."""
    opened = []

    def open_database(name, source=None):
        if source is not None:
            shutil.copy(tmp_path / source, tmp_path / name)
        opened.append(SqliteDatabase(tmp_path / name, goal=20))
        return opened[-1]

    yield open_database
    for database in opened:
        database.close()


def press(database, number):
    database.record([Change("press", "api") for _ in range(number)])


def wait_for(condition):
    with gevent.Timeout(20):
        while not condition():
            gevent.sleep(0.01)


@pytest.mark.parametrize("lost", [1, 3])
@pytest.mark.parametrize("in_delivery", [True, False])
def test_new_changes_with_the_numbers_of_lost_ones_are_posted(open_database, receiver, lost, in_delivery):
    database = Failover(open_database("primary.db"))
    webhook = Webhook([receiver.url], None, database, KeyValue(database))
    task = gevent.spawn(*webhook.tasks())
    try:
        press(database, 2)
        webhook.wake()
        wait_for(lambda: receiver.accepted == [1, 2])
        database.rows("write", "PRAGMA wal_checkpoint(TRUNCATE)")
        standby = open_database("standby.db", source="primary.db")

        def fail_over():
            database.active = standby
            press(standby, lost + 1)

        database.before_post = fail_over if in_delivery else None
        press(database, lost)
        webhook.wake()
        posted = [1, 2, *range(3, 3 + lost)]
        if not in_delivery:
            wait_for(lambda: receiver.accepted == posted)
            fail_over()
            webhook.wake()
        wait_for(lambda: receiver.accepted == [*posted, *range(3, 4 + lost)])
        ids = [headers["webhook-id"] for headers, _ in receiver.got]
        assert len(set(ids)) == len(ids)
    finally:
        task.kill()
        webhook.stop(1)
