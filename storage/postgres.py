"""The count in PostgreSQL: one truth for any number of servers."""

import contextlib
import logging
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gevent
import psycopg
from gevent.lock import BoundedSemaphore

from .count import Change, Event, Refused, follow_all, origin
from .errors import DatabaseError, Unavailable

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

log = logging.getLogger(__name__)

#: Seconds within which the database must have answered: a connect, a look, a transaction.
CONNECT_WITHIN, READ_WITHIN, WRITE_WITHIN = 3, 1.5, 4.0
#: The server's own limits, so that one of ours that vanishes within a transaction does not hold the others
#: up, and commits that are on the disk whatever the cluster's default is.
OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "synchronous_commit": "on",
        "timezone": "UTC",
        "default_transaction_isolation": "read\\ committed",
        "lock_timeout": "3s",
        "statement_timeout": "5s",
        "idle_in_transaction_session_timeout": "5s",
        "tcp_keepalives_idle": 5,
        "tcp_keepalives_interval": 2,
        "tcp_keepalives_count": 3,
    }.items()
)
#: Seconds until a lost listener tries again, doubled each time up to the second.
LISTEN_AGAIN, LISTEN_AGAIN_AT_MOST = 0.25, 4.0
#: Whatever waits for one lock, from any server, while the schema is made.
SCHEMA_LOCK = 0x4275746E
SCHEMA_VERSION = 1
CHANNEL = "the_button"

COLUMNS = ", ".join(Event._fields)
_SELECT = f"SELECT {COLUMNS} FROM event"  # noqa: S608
_INSERT = f"INSERT INTO event ({COLUMNS}) VALUES"
_ROW = f"({', '.join(['%s'] * len(Event._fields))})"
_NOW = "round(extract(epoch FROM clock_timestamp())::numeric, 3)::float8"

# `seq` is no serial column: that leaves gaps where a transaction is rolled back. `turn` has one row, the
# lock on which makes changes of all servers one after the other.
SCHEMA = """
CREATE TABLE origin (at float8 NOT NULL, goal integer NOT NULL CHECK (goal BETWEEN 1 AND 1000));
CREATE TABLE turn (version integer NOT NULL);
CREATE TABLE event (
    seq bigint PRIMARY KEY,
    at float8 NOT NULL,
    kind text NOT NULL CHECK (kind IN ('press', 'undo', 'reset', 'goal')),
    source text NOT NULL,
    count integer NOT NULL CHECK (count BETWEEN 0 AND goal),
    goal integer NOT NULL CHECK (goal BETWEEN 1 AND 1000),
    below bigint NOT NULL,
    undoes bigint,
    named bigint,
    key text
);
CREATE UNIQUE INDEX event_key ON event (key) WHERE key IS NOT NULL;
CREATE INDEX event_press ON event (at) WHERE kind = 'press';
CREATE FUNCTION events_stay() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'events stay' USING ERRCODE = 'integrity_constraint_violation'; END $$;
CREATE TRIGGER event_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON event EXECUTE FUNCTION events_stay();
CREATE TABLE secret (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE session (hash text PRIMARY KEY, began float8 NOT NULL);
"""


class PostgresDatabase:
    """A PostgreSQL database, shared by servers; every method may be called from any greenlet.

    `url` is `postgresql://user:password@host/name`, as libpq reads it. The schema is made in an empty
    database, with `goal`; with `goal` None it must be there. One connection writes, another reads; each is
    made anew after it was lost. Raises `DatabaseError`; all methods that ask the database raise
    `Unavailable` where it does not answer in time.
    """

    def __init__(self, url: str, goal: int | None) -> None:
        self._url = url
        self._connections: dict[str, Connection] = {}
        self._epoch = 0.0  # when the monotonic clock began, by the database server's
        self._locks = {name: BoundedSemaphore(1) for name in ("write", "read", "news", "public", "sole")}
        logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns at each attempt of an outage
        try:
            psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.Error:
            raise DatabaseError(
                "BUTTON_DATABASE: this URL cannot be read; in the password write % as %25, @ as %40, / as %2F"
            ) from None
        try:
            self._run("write", lambda db: self._prepare(db, goal), within=10.0)
            at, goal = self._run("read", lambda db: _one(db, "SELECT at, goal FROM origin"))
        except (Unavailable, psycopg.Error) as error:
            raise DatabaseError(f"PostgreSQL cannot be used: {_line(error)}") from None
        self._origin = origin(goal, at)

    def record(self, changes: Sequence[Change]) -> list[tuple[Event, bool] | Refused]:
        """Record `changes` in order, in one transaction that is on the disk when this returns.

        For each: its event and whether an earlier request with the same key made it, or, alone, its
        refusal. The transaction also tells all servers that listen.
        """
        return self._run("write", lambda db: self._record(db, changes), WRITE_WITHIN)

    def now(self) -> float:
        """Unix seconds by the clock that stamps the events: the database server's."""
        return time.monotonic() + self._epoch

    def newest(self) -> Event:
        """The newest event; the origin if there is none."""
        return self._run("read", self._newest)

    def events_after(self, seq: int, limit: int) -> list[Event]:
        """The events above `seq`, oldest first, at most `limit` of them."""
        return self._run("read", lambda db: self._after(db, seq, limit))

    def record_and_read(
        self, changes: Sequence[Change], after: int, limit: int
    ) -> tuple[list[tuple[Event, bool] | Refused], list[Event] | None]:
        """Record changes; None: other servers' events may come between, so the announcer reads."""
        return self.record(changes), None

    def public_events_after(self, seq: int, limit: int) -> list[Event]:
        """Return at most `limit` events above `seq`, oldest first, on a connection of their own."""
        return self._run("public", lambda db: self._after(db, seq, limit))

    def is_suspect(self) -> bool:
        """Return whether the server takes no writes: a standby, or one that was made read-only."""
        return bool(self._run("news", lambda db: _one(db, "SHOW transaction_read_only")[0] == "on"))

    def news(self, seq: int, limit: int) -> list[Event]:
        """Return the same for the announcer, on a connection of its own."""
        return self._run("news", lambda db: self._after(db, seq, limit))

    def latest(self, limit: int) -> list[Event]:
        """The newest `limit` events, newest first."""
        return self._events("ORDER BY seq DESC LIMIT %s", limit)

    def tally(self, day: float, week: float) -> tuple[float | None, int, int]:
        """When the last press was (None: never), and how many there were since `day` and `week`.

        Both are Unix seconds; presses that were taken back are left out of the numbers.
        """

        def count(db: Connection) -> tuple[float | None, int, int]:
            last = _one(db, "SELECT max(at) FROM event WHERE kind = 'press'")[0]
            today, this_week = _one(
                db,
                "SELECT count(*) FILTER (WHERE at >= %s), count(*) FROM event WHERE kind = 'press'"
                " AND at >= %s AND NOT EXISTS (SELECT FROM event AS undo WHERE undo.undoes = event.seq)",
                (day, week),
            )
            return last, today, this_week

        return self._run("read", count)

    def query(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows that `sql` (with `:name` for each value) selects."""
        return self._run("read", lambda db: db.execute(_named(sql), values).fetchall())

    def change(self, *statements: tuple[str, dict[str, Any]]) -> None:
        """Carry out SQL statements, each with its values, in one transaction."""

        def write(db: Connection) -> None:
            for sql, values in statements:
                db.execute(_named(sql), values)

        self._run("write", write, WRITE_WITHIN)

    def probe(self) -> None:
        """Ask whether changes can be made; raises `Unavailable` if not."""
        self._run("write", lambda db: db.execute("SELECT version FROM turn FOR UPDATE"), WRITE_WITHIN)

    def sole(self, purpose: int) -> bool:
        """Whether this server alone may do what `purpose` stands for, until it is closed or cut off."""
        lock = "SELECT pg_try_advisory_lock(%s)"
        return bool(self._run("sole", lambda db: _one(db, lock, (purpose,)))[0])

    def listen(self, wake: Callable[[], None]) -> None:
        """Never returns: calls `wake` when any server has recorded something, and after a lost connection."""
        pause = LISTEN_AGAIN
        while True:
            try:
                with self._connect(autocommit=True) as db:
                    db.execute(f"LISTEN {CHANNEL}")
                    pause = LISTEN_AGAIN
                    wake()
                    for _ in db.notifies():
                        wake()
            except (psycopg.Error, UnicodeError, gevent.Timeout):
                gevent.sleep(pause)
                pause = min(LISTEN_AGAIN_AT_MOST, pause * 2)

    def close(self) -> None:
        """Close the connections."""
        for name in list(self._connections):
            self._connections.pop(name).close()

    def _connect(self, autocommit: bool = False) -> Connection:
        with gevent.Timeout(CONNECT_WITHIN):
            db = psycopg.connect(
                self._url,
                autocommit=autocommit,
                connect_timeout=CONNECT_WITHIN,
                application_name="the-button",
                tcp_user_timeout=5000,  # ms; a server whose plug was pulled says nothing
                keepalives_idle=5,
                keepalives_interval=2,
                keepalives_count=3,
                options=OPTIONS,
            )
            now = _one(db, f"SELECT {_NOW}")[0]
            db.rollback()  # that began a transaction
            self._epoch = now - time.monotonic()
            return db

    def _run(self, name: str, work: Callable[[Connection], T], within: float = READ_WITHIN) -> T:
        """Run `work` on the connection of that name; one that reads may be made anew.

        What is written is one transaction. What is read needs none: with BEGIN and COMMIT an announcement
        would cost each server three round trips in place of one.
        """
        try:
            with gevent.Timeout(within + CONNECT_WITHIN), self._locks[name]:
                db = self._connections.get(name)
                if db is not None and not db.closed:
                    try:
                        return self._work(name, db, work, within)
                    except psycopg.OperationalError:
                        if name == "write":  # what of it was done? the key will tell who asks again
                            raise
                db = self._connections[name] = self._connect(autocommit=name != "write")
                return self._work(name, db, work, within)
        except gevent.Timeout:
            raise Unavailable("the database does not answer") from None
        except psycopg.IntegrityError:
            raise  # ours to mend
        except (psycopg.Error, UnicodeError) as error:
            raise Unavailable(_line(error)) from error

    def _work(self, name: str, db: Connection, work: Callable[[Connection], T], within: float) -> T:
        try:
            with gevent.Timeout(within), contextlib.nullcontext() if db.autocommit else db.transaction():
                return work(db)
        except BaseException as error:
            if not isinstance(error, psycopg.IntegrityError):
                self._connections.pop(name, db).close()  # nobody knows what it still has under way
            raise

    def _prepare(self, db: Connection, goal: int | None) -> None:
        db.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        if not _one(db, "SELECT to_regclass('turn') IS NOT NULL")[0]:
            if goal is None:
                raise DatabaseError("PostgreSQL cannot be used: the database is empty; start the server once")
            db.execute(SCHEMA)
            db.execute("INSERT INTO turn VALUES (%s)", (SCHEMA_VERSION,))
            db.execute(f"INSERT INTO origin VALUES ({_NOW}, %s)", (goal,))  # noqa: S608
            log.warning("New tables in PostgreSQL: the count begins at %d", goal)
        elif _one(db, "SELECT version FROM turn")[0] > SCHEMA_VERSION:
            raise DatabaseError("PostgreSQL cannot be used: a newer version wrote it; install that one")

    def _record(self, db: Connection, changes: Sequence[Change]) -> list[tuple[Event, bool] | Refused]:
        db.execute("SELECT version FROM turn FOR UPDATE")  # from here on no other server changes anything
        last, at = self._newest(db), _one(db, f"SELECT {_NOW}")[0]
        self._epoch = at - time.monotonic()
        keys = [change.key for change in changes if change.key]
        known = {event.key: event for event in self._select(db, "WHERE key = ANY(%s)", keys)} if keys else {}
        made: dict[int, Event] = {}

        def keep(event: Event) -> None:
            made[event.seq] = event
            known[event.key] = event

        outcomes = follow_all(
            changes, last, known.get, lambda seq: made.get(seq) or self._event_at(db, seq), at, keep
        )
        if made:
            # One statement, no pipeline: of that, half could be on its way when the plug is pulled.
            rows = [value for event in made.values() for value in event]
            db.execute(f"{_INSERT} {', '.join([_ROW] * len(made))}", rows)
            db.execute(f"NOTIFY {CHANNEL}")
        return outcomes

    def _after(self, db: Connection, seq: int, limit: int) -> list[Event]:
        return self._select(db, "WHERE seq > %s ORDER BY seq LIMIT %s", min(seq, 2**62), limit)

    def _events(self, where: str, *values: Any) -> list[Event]:
        return self._run("read", lambda db: self._select(db, where, *values))

    @staticmethod
    def _select(db: Connection, where: str, *values: Any) -> list[Event]:
        return [Event(*row) for row in db.execute(f"{_SELECT} {where}", values).fetchall()]

    def _newest(self, db: Connection) -> Event:
        return next(iter(self._select(db, "ORDER BY seq DESC LIMIT 1")), None) or self._origin

    def _event_at(self, db: Connection, seq: int) -> Event:
        if not seq:
            return self._origin
        found = self._select(db, "WHERE seq = %s", seq)
        if not found:
            raise LookupError(f"event {seq} is missing")
        return found[0]


def _one(db: Connection, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
    row = db.execute(sql, values).fetchone()
    assert row is not None
    return row


def _named(sql: str) -> Any:
    return re.sub(r":(\w+)", r"%(\1)s", sql)


def _line(error: Exception) -> str:
    """What is wrong, without what libpq adds: addresses, names, and at times a part of the URL."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"""(["'])[^"']*\1""", "\u2026", text.rsplit("failed: ", 1)[-1])
