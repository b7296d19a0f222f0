"""PostgreSQL database, shared by any number of servers."""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg

from .database import COLUMNS, SELECT, Database, DatabaseError, Outcome, Unavailable, row
from .postgres_connections import CHANNEL, NOW, WRITE_TIMEOUT, Connection, Connections, check_url, one
from .postgres_schema import prepare, start_error
from .rules import Change, Event, apply_all, origin

__all__ = ["PostgresDatabase", "check_url"]

#: Timeouts in seconds for creating or migrating the tables, and for an import.
PREPARE_TIMEOUT, LOAD_TIMEOUT = 10.0, 60.0

_INSERT = f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES"
_ROW = f"({', '.join(['%s'] * len(COLUMNS))})"


class PostgresDatabase(Database):
    """A PostgreSQL database.

    One connection writes, the others read. Lost connections are reopened.

    Args:
        url: `postgresql://user:password@host/name`, as libpq reads it. With several hosts, all connections
            use the one that accepts writes.
        goal: Goal of a new database, whose tables are created. If None, they must exist.

    Raises:
        DatabaseError: It cannot be used.
    """

    def __init__(self, url: str, goal: int | None) -> None:
        self._connections = Connections(url, ("write", "read", "news", "public", "lock"))
        self._run = self._connections.run
        logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns at every attempt during an outage
        try:
            self._run("write", lambda db: prepare(db, goal), PREPARE_TIMEOUT)
            at, goal = self._run("read", lambda db: one(db, "SELECT at, goal FROM origin"))
            self._connections.check_pooling()
        except (Unavailable, psycopg.Error) as error:
            raise DatabaseError(start_error(error.__cause__ or error)) from None
        self._origin = origin(goal, at)

    def record(self, changes: Sequence[Change]) -> list[Outcome]:
        """Record changes and notify all listening servers."""
        return self._run("write", lambda db: self._record(db, changes), WRITE_TIMEOUT)

    def record_and_read(
        self, changes: Sequence[Change], after: int, limit: int
    ) -> tuple[list[Outcome], list[Event] | None]:
        """Record changes. The announcer reads the events, since other servers' may precede them."""
        return self.record(changes), None

    def now(self) -> float:
        return self._connections.now()

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
                raise DatabaseError("PostgreSQL: the database is not empty; use a new one")
            db.execute("UPDATE origin SET at = %s, goal = %s", (at, goal))
            with db.cursor() as cursor:
                with cursor.copy(f"COPY event ({', '.join(COLUMNS)}) FROM STDIN") as copy:
                    for values in rows:
                        copy.write_row(values)
                db.execute("DELETE FROM session")
                for name, value in secrets.items():
                    db.execute("DELETE FROM secret WHERE name = %s", (name,))
                    db.execute("INSERT INTO secret VALUES (%s, %s)", (name, value))
            return int(one(db, "SELECT count(*) FROM event")[0])

        return self._run("write", write, LOAD_TIMEOUT)

    def probe(self) -> None:
        self._run("write", lambda db: db.execute("SELECT version FROM turn FOR UPDATE"), WRITE_TIMEOUT)

    def is_suspect(self) -> bool:
        """Return whether the server is read-only, such as a standby.

        In that case all connections are reopened.
        """
        read_only = self._run("news", lambda db: one(db, "SHOW transaction_read_only")[0] == "on")
        if read_only:
            self._connections.reopen()
        return bool(read_only)

    def try_lock(self, lock: int) -> bool:
        """Try to take the advisory lock, which is released when the connection is lost."""
        sql = "SELECT pg_try_advisory_lock(%s)"
        return bool(self._run("lock", lambda db: one(db, sql, (lock,)))[0])

    def listen(self, wake: Callable[[], None]) -> None:
        self._connections.listen(wake)

    def close(self) -> None:
        self._connections.close()

    def _record(self, db: Connection, changes: Sequence[Change]) -> list[Outcome]:
        db.execute("SELECT version FROM turn FOR UPDATE")  # blocks changes by other servers
        last, at = self._newest(db), one(db, f"SELECT {NOW}")[0]
        self._connections.set_clock(at)
        keys = [change.key for change in changes if change.key]
        known = {event.key: event for event in self._select(db, "WHERE key = ANY(%s)", keys)} if keys else {}
        made: dict[int, Event] = {}

        def keep(event: Event) -> None:
            made[event.seq] = event
            known[event.key] = event

        outcomes = apply_all(
            changes, last, known.get, lambda seq: made.get(seq) or self._event_at(db, seq), at, keep
        )
        if made:
            # One statement, not a pipeline, which a power cut could interrupt halfway.
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


def _named(sql: str) -> Any:
    return re.sub(r"(?<!:):(\w+)", r"%(\1)s", sql)
