"""The count in PostgreSQL, shared by any number of servers."""

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import gevent
import psycopg
from gevent.lock import BoundedSemaphore

from .database import COLUMNS, SELECT, Database, DatabaseError, Outcome, Unavailable, pending, row
from .rules import Change, Event, follow_all, origin
from .threads import Backoff

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

log = logging.getLogger(__name__)

#: Timeouts in seconds of a connect, a query, a transaction, the start.
CONNECT_TIMEOUT, READ_TIMEOUT, WRITE_TIMEOUT, PREPARE_TIMEOUT = 3, 1.5, 4.0, 10.0
#: The session's settings: limits of the database server, so that one of our servers that vanishes within a
#: transaction does not block the others, and commits that are on disk whatever the cluster's default is. Set
#: by statements: a pooler accepts no options, and the URL may have its own.
SESSION = {
    "synchronous_commit": "on",
    "timezone": "UTC",
    "default_transaction_isolation": "read committed",
    "lock_timeout": "3s",
    "statement_timeout": "5s",
    "idle_in_transaction_session_timeout": "5s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
#: Seconds until a lost listener reconnects, doubled each time up to the second.
LISTEN_DELAY, MAX_LISTEN_DELAY = 0.25, 4.0
#: Advisory lock that is held while the schema is created or migrated.
SCHEMA_LOCK = 0x4275746E
SCHEMA_VERSION = 1
CHANNEL = "the_button"

_INSERT = f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES"
_ROW = f"({', '.join(['%s'] * len(COLUMNS))})"
_NOW = "round(extract(epoch FROM clock_timestamp())::numeric, 3)::float8"

# `seq` is no serial column: that leaves gaps where a transaction is rolled back. `turn` has one row; its lock
# serializes the changes of all servers.
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


class PostgresDatabase(Database):
    """A PostgreSQL database. One connection writes, others read; each is reopened after it was lost.

    Args:
        url: `postgresql://user:password@host/name`, as libpq reads it. With several hosts, all connections
            use the one that takes writes.
        goal: Goal of a new database, whose tables are created; None: they must exist.

    Raises:
        DatabaseError: It cannot be used.
    """

    def __init__(self, url: str, goal: int | None) -> None:
        self._url = url
        self._connections: dict[str, Connection] = {}
        # When the database server started that the newest connection leads to, and that of each lane's: after
        # a failover all lanes follow the newest.
        self._server: Any = None
        self._servers: dict[str, Any] = {}
        self._listener: Connection | None = None
        self._epoch = 0.0  # the database server's time at which the monotonic clock was 0
        self._locks = {name: BoundedSemaphore(1) for name in ("write", "read", "news", "public", "sole")}
        logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns at each attempt of an outage
        try:
            self._run("write", lambda db: self._prepare(db, goal), PREPARE_TIMEOUT)
            at, goal = self._run("read", lambda db: _one(db, "SELECT at, goal FROM origin"))
            self._check_pooling()
        except (Unavailable, psycopg.Error) as error:
            raise DatabaseError(_start_error(error.__cause__ or error)) from None
        self._origin = origin(goal, at)

    def record(self, changes: Sequence[Change]) -> list[Outcome]:
        """Record changes, and notify all servers that listen."""
        return self._run("write", lambda db: self._record(db, changes), WRITE_TIMEOUT)

    def record_and_read(
        self, changes: Sequence[Change], after: int, limit: int
    ) -> tuple[list[Outcome], list[Event] | None]:
        """Record changes; None: other servers' events may come between, so the announcer reads."""
        return self.record(changes), None

    def now(self) -> float:
        return time.monotonic() + self._epoch

    def newest(self) -> Event:
        return self._run("read", self._newest)

    def rows(self, lane: str, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        return self._run(lane, lambda db: db.execute(_named(sql), values).fetchall())

    def change(self, *statements: tuple[str, dict[str, Any]]) -> None:
        def write(db: Connection) -> None:
            for sql, values in statements:
                db.execute(_named(sql), values)

        self._run("write", write, WRITE_TIMEOUT)

    def load(self, goal: int, at: float, rows: Iterable[tuple[Any, ...]], secrets: dict[str, str]) -> int:
        def write(db: Connection) -> int:
            db.execute("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
            db.execute("SELECT version FROM turn FOR UPDATE")
            if db.execute("SELECT FROM event LIMIT 1").fetchone() is not None:
                raise DatabaseError("PostgreSQL: the database is not empty; name a new one")
            db.execute("UPDATE origin SET at = %s, goal = %s", (at, goal))
            with db.cursor() as cursor:
                with cursor.copy(f"COPY event ({', '.join(COLUMNS)}) FROM STDIN") as copy:
                    for values in rows:
                        copy.write_row(values)
                db.execute("DELETE FROM session")
                for name, value in secrets.items():
                    db.execute("DELETE FROM secret WHERE name = %s", (name,))
                    db.execute("INSERT INTO secret VALUES (%s, %s)", (name, value))
            return int(_one(db, "SELECT count(*) FROM event")[0])

        return self._run("write", write, 60.0)

    def probe(self) -> None:
        self._run("write", lambda db: db.execute("SELECT version FROM turn FOR UPDATE"), WRITE_TIMEOUT)

    def is_suspect(self) -> bool:
        """Return whether the server takes no writes: a standby, or one that was made read-only.

        All connections are reopened then.
        """
        read_only = self._run("news", lambda db: _one(db, "SHOW transaction_read_only")[0] == "on")
        if read_only:
            self._server = None
        return bool(read_only)

    def sole(self, purpose: int) -> bool:
        """Return whether this server alone may do what `purpose` stands for, until it is cut off."""
        lock = "SELECT pg_try_advisory_lock(%s)"
        return bool(self._run("sole", lambda db: _one(db, lock, (purpose,)))[0])

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` when any server has recorded something, and after a reconnect. Blocks."""
        backoff = Backoff(LISTEN_DELAY, MAX_LISTEN_DELAY)
        while True:
            try:
                with self._connect("listen", autocommit=True) as db:
                    self._listener = db
                    db.execute(f"LISTEN {CHANNEL}")
                    backoff.reset()
                    wake()
                    for _ in db.notifies():
                        wake()
            except (psycopg.Error, UnicodeError, gevent.Timeout):
                backoff.wait()

    def close(self) -> None:
        for name in list(self._connections):
            self._connections.pop(name).close()

    def _connect(self, name: str, autocommit: bool = False) -> Connection:
        with gevent.Timeout(CONNECT_TIMEOUT):
            wanted = psycopg.conninfo.conninfo_to_dict(self._url)
            db = psycopg.connect(
                self._url,
                autocommit=autocommit,
                connect_timeout=CONNECT_TIMEOUT,
                application_name="the-button",
                # A standby, or a former primary that still runs read-only, would show an old count.
                target_session_attrs=wanted.get("target_session_attrs") or "read-write",
                tcp_user_timeout=5000,  # ms; a server whose plug was pulled is silent
                keepalives_idle=5,
                keepalives_interval=2,
                keepalives_count=3,
            )
            settings = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in SESSION.items())
            now, server, *_ = _one(db, f"SELECT {_NOW}, pg_postmaster_start_time(), {settings}")
            db.commit()  # that began a transaction, and a rollback would undo the settings
            self._epoch = now - time.monotonic()
            if self._listener is not None and server != self._server:
                self._listener.close()  # it reconnects
            self._server = self._servers[name] = server
            return db

    def _run(self, name: str, work: Callable[[Connection], T], timeout: float = READ_TIMEOUT) -> T:
        """Run `work` on the connection of that name; one that was lost is reopened.

        Writes are one transaction. Reads need none: with BEGIN and COMMIT an announcement would cost each
        server three round trips instead of one. Nothing is retried once a COMMIT may have left: only the key
        tells then whether it arrived.
        """
        try:
            with gevent.Timeout(timeout + CONNECT_TIMEOUT), self._locks[name]:
                db = self._connections.get(name)
                if db is not None and self._servers.get(name) != self._server:
                    db.close()
                if db is not None and not db.closed:
                    try:
                        return self._work(name, db, work, timeout)
                    except _Lost:
                        pass  # before anything was committed
                db = self._connections[name] = self._connect(name, autocommit=name != "write")
                return self._work(name, db, work, timeout)
        except gevent.Timeout:
            raise Unavailable("the database does not respond") from None
        except _Lost as lost:
            raise Unavailable(_line(lost.error)) from lost.error
        except psycopg.IntegrityError:
            raise  # a bug in our SQL, not an I/O error
        except (psycopg.Error, UnicodeError) as error:
            raise Unavailable(_line(error)) from error

    def _work(self, name: str, db: Connection, work: Callable[[Connection], T], timeout: float) -> T:
        """Run `work`, in a transaction if the connection has them. Raises `_Lost` if a retry is safe."""
        worked = False
        try:
            with gevent.Timeout(timeout), contextlib.nullcontext() if db.autocommit else db.transaction():
                result = work(db)
                worked = True
            return result
        except BaseException as error:
            if not isinstance(error, (psycopg.IntegrityError, DatabaseError)):
                self._connections.pop(name, db).close()  # its state is unknown
            lost = (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction)
            if isinstance(error, lost) and not worked:
                raise _Lost(error) from error
            raise

    def _prepare(self, db: Connection, goal: int | None) -> None:
        """Create or migrate the schema, while no other server does."""
        db.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        if not _one(db, "SELECT to_regclass('turn') IS NOT NULL")[0]:
            if goal is None:
                raise DatabaseError("PostgreSQL cannot be used: the database is empty; start the server once")
            db.execute(SCHEMA)
            db.execute("INSERT INTO turn VALUES (%s)", (SCHEMA_VERSION,))
            db.execute(f"INSERT INTO origin VALUES ({_NOW}, %s)", (goal,))  # noqa: S608
            log.warning("New tables in PostgreSQL: the count begins at %d", goal)
            self._migrate(db, is_new=True)
        elif _one(db, "SELECT version FROM turn")[0] > SCHEMA_VERSION:
            raise DatabaseError("PostgreSQL cannot be used: a newer version wrote it; install that one")
        else:
            self._migrate(db, is_new=False, check_only=goal is None)

    def _migrate(self, db: Connection, is_new: bool, check_only: bool = False) -> None:
        version, lowest = 1, ""
        if _one(db, "SELECT to_regclass('schema_version') IS NOT NULL")[0]:
            version, lowest = _one(db, "SELECT version, lowest FROM schema_version")
        try:
            statements = pending(version, lowest)
        except DatabaseError as error:
            raise DatabaseError(f"PostgreSQL cannot be used: it {error}") from None
        if check_only:
            return
        for statement in statements:
            db.execute(statement)
        if statements and not is_new:
            log.warning("PostgreSQL migrated from schema %d; older servers can go on", version)

    def _check_pooling(self) -> None:
        """Raise if a pooler gives two open connections the same session in turn."""
        one, other = (
            self._run(name, lambda db: _one(db, "SELECT pg_backend_pid()")[0]) for name in ("read", "news")
        )
        if one == other:
            raise DatabaseError(
                "PostgreSQL cannot be used: its pooler gives each transaction another session; set"
                " pool_mode to session, or connect without the pooler"
            )

    def _record(self, db: Connection, changes: Sequence[Change]) -> list[Outcome]:
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
            values = [value for event in made.values() for value in row(event)]
            db.execute(f"{_INSERT} {', '.join([_ROW] * len(made))}", values)
            db.execute(f"NOTIFY {CHANNEL}")
        return outcomes

    @staticmethod
    def _select(db: Connection, where: str, *values: Any) -> list[Event]:
        return [Event(*found) for found in db.execute(f"{SELECT} {where}", values).fetchall()]

    def _newest(self, db: Connection) -> Event:
        return next(iter(self._select(db, "ORDER BY seq DESC LIMIT 1")), None) or self._origin

    def _event_at(self, db: Connection, seq: int) -> Event:
        if not seq:
            return self._origin
        found = self._select(db, "WHERE seq = %s", seq)
        if not found:
            raise LookupError(f"event {seq} is missing")
        return found[0]


def check_url(url: str) -> None:
    """Raise `ValueError`, with what is expected, if libpq could not read a URL."""
    try:
        wanted = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise ValueError("a PostgreSQL URL; in the password write % as %25, @ as %40, / as %2F") from None
    for port in str(wanted.get("port") or "").split(","):
        if port and not (port.isdecimal() and 1 <= int(port) <= 65535):
            raise ValueError("a PostgreSQL URL with a port from 1 to 65535")
    for host in str(wanted.get("host") or "").split(","):
        try:
            host.encode("idna")
        except UnicodeError:
            raise ValueError("a PostgreSQL URL with a valid host name") from None


class _Lost(Exception):
    """The connection broke, or leads to a standby, before a COMMIT was sent."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__(str(error))
        self.error = error


def _one(db: Connection, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
    found = db.execute(sql, values).fetchone()
    assert found is not None
    return found


def _named(sql: str) -> Any:
    return re.sub(r"(?<!:):(\w+)", r"%(\1)s", sql)


def _start_error(error: BaseException) -> str:
    """Return why the database cannot be used, and how to fix it."""
    if isinstance(error, psycopg.errors.DuplicateTable):
        reason = (
            f"{error.diag.message_primary}, but it belongs to another program; use a database or a schema"
        )
        reason += " of its own (?options=-csearch_path%3Dbutton)"
    elif isinstance(error, psycopg.errors.InsufficientPrivilege):
        reason = "this role lacks a privilege; create and upgrade the tables with their owner's role, and see"
        reason += " docs/scaling.md for what other roles need"
    else:
        reason = _line(error)
    return f"PostgreSQL cannot be used: {reason}"


def _line(error: BaseException) -> str:
    """Return what is wrong, without what libpq adds: addresses, names, and at times a part of the URL."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"""(["'])[^"']*\1""", "\u2026", text.rsplit("failed: ", 1)[-1])
