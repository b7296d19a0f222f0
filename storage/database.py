"""Interface of the databases, and the code common to SQLite and PostgreSQL."""

import abc
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .rules import Change, Event, Rejected

#: Version of this program, for comparison with the schema.
PROGRAM = "1.2.0"
#: Kinds of change that version 1.1.0 supports. It would fail on any other.
OLD_KINDS = ("press", "undo", "reset", "goal")
#: Kind stored for 1.1.0 in place of one that it does not support. It only sets the state.
SUBSTITUTE_KIND = "goal"

_FIELDS = ", ".join("coalesce(as_kind, kind)" if name == "kind" else name for name in Event._fields)
SELECT = f"SELECT {_FIELDS} FROM event"  # noqa: S608
COLUMNS = (*Event._fields, "as_kind")
_PRESSES = "FROM event WHERE kind = 'press'"
# A press at 0 starts a round and is not a deal. Presses in the future were recorded while the clock was
# ahead.
_DEALS = (
    f"{_PRESSES} AND count < goal AND at >= :start AND at < :end"  # noqa: S608
    " AND seq NOT IN (SELECT undoes FROM event WHERE undoes IS NOT NULL)"
)

Outcome = tuple[Event, bool] | Rejected


class DatabaseError(Exception):
    """The database cannot be opened. The message is one line that names it and a fix."""


class Damaged(DatabaseError):
    """The database is corrupt, or belongs to another program; restore a backup."""


class Unavailable(Exception):
    """The database cannot be read or written now. The message is the reason, without a path."""


class Migration(NamedTuple):
    """A step from one schema version to the next.

    `lowest` is the lowest version of the program that may write to the migrated database. `statements` must
    work in SQLite and PostgreSQL, and must only add to the schema.
    """

    version: int
    lowest: str
    statements: tuple[str, ...]


MIGRATIONS = (
    Migration(
        2,
        "1.1.0",
        (
            "CREATE TABLE schema_version (version INTEGER NOT NULL, lowest TEXT NOT NULL)",
            "INSERT INTO schema_version VALUES (1, '1.0.0')",
            # The kind of an event, if 1.1.0 does not support it.
            "ALTER TABLE event ADD COLUMN as_kind TEXT",
        ),
    ),
)
NEWEST = MIGRATIONS[-1].version


def pending(version: int, lowest: str) -> list[str]:
    """Return the statements that migrate a schema of `version` to the newest one.

    `lowest` is the stored lowest version of the program. Raises `DatabaseError` if only newer programs may
    write to the database.
    """
    if version > NEWEST and _parts(lowest) > _parts(PROGRAM):
        raise DatabaseError(f"was written by a newer version; install {lowest} or newer")
    steps = [step for step in MIGRATIONS if step.version > version]
    statements = [statement for step in steps for statement in step.statements]
    if steps:
        last = steps[-1]
        statements.append(f"UPDATE schema_version SET version = {last.version}, lowest = '{last.lowest}'")  # noqa: S608
    return statements


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def row(event: Event) -> tuple[Any, ...]:
    """Return the values of `COLUMNS` for an event.

    A kind that 1.1.0 does not support is stored in `as_kind`.
    """
    if event.kind in OLD_KINDS:
        return (*event, None)
    return (*event._replace(kind=SUBSTITUTE_KIND), event.kind)


class PressTotals(NamedTuple):
    """The last press and the number of deals, not counting those undone."""

    #: Time of the last press in Unix seconds, and its source; None if there was none.
    pressed_at: float | None
    source: str | None
    #: Deals in each of the requested periods.
    deals: list[int]


class Database(abc.ABC):
    """A database of the count.

    Methods can be called from any greenlet and can raise `Unavailable`.
    """

    @abc.abstractmethod
    def record(self, changes: Sequence[Change]) -> list[Outcome]:
        """Record changes in order, in one transaction that is on disk when this returns.

        Returns for each change its event and whether an earlier request with the same key recorded it, or
        its rejection.
        """

    @abc.abstractmethod
    def record_and_read(
        self, changes: Sequence[Change], after: int, limit: int
    ) -> tuple[list[Outcome], list[Event] | None]:
        """Record changes and return up to `limit` events after seq `after`.

        The events are None if they must be read separately.
        """

    @abc.abstractmethod
    def now(self) -> float:
        """Return the time in Unix seconds, from the clock that timestamps events. Does not block."""

    @abc.abstractmethod
    def newest(self) -> Event:
        """Return the newest event, or the initial state."""

    @abc.abstractmethod
    def rows(self, lane: str, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Return the rows selected by `sql`, which has `:name` for each value.

        `lane` is `read`, `public` (requests without a login) or `news` (the announcer). Lanes do not delay
        each other.
        """

    @abc.abstractmethod
    def change(self, *statements: tuple[str, dict[str, Any]]) -> None:
        """Execute SQL statements with their values in one transaction."""

    @abc.abstractmethod
    def load(self, goal: int, at: float, rows: Iterable[tuple[Any, ...]], secrets: dict[str, str]) -> int:
        """Fill an empty database in one transaction; return the number of events.

        Args:
            goal: The goal of the initial state.
            at: Time of the initial state, in Unix seconds.
            rows: The events, as values of `COLUMNS`.
            secrets: Contents of the key-value store.

        Raises:
            DatabaseError: The database is not empty.
        """

    @abc.abstractmethod
    def probe(self) -> None:
        """Write a test value to check that changes can be recorded."""

    @abc.abstractmethod
    def is_suspect(self) -> bool:
        """Return whether there is a sign that the database is not writable."""

    @abc.abstractmethod
    def try_lock(self, lock: int) -> bool:
        """Try to take the lock with this number. Return whether this server holds it."""

    @abc.abstractmethod
    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever another server may have recorded an event. Blocks."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the database."""

    def query(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Return the rows selected by `sql`, which has `:name` for each value."""
        return self.rows("read", sql, **values)

    def events_after(self, seq: int, limit: int, lane: str = "read") -> list[Event]:
        """Return up to `limit` events after `seq`, oldest first."""
        where = "WHERE seq > :seq ORDER BY seq LIMIT :limit"
        return self._events(lane, where, seq=min(seq, 2**62), limit=limit)

    def news(self, seq: int, limit: int) -> list[Event]:
        """Return up to `limit` events from `seq`, oldest first, for the announcer."""
        return self._events("news", "WHERE seq >= :seq ORDER BY seq LIMIT :limit", seq=seq, limit=limit)

    def press_totals(self, periods: Sequence[tuple[float, float]]) -> PressTotals:
        """Return the last press and the number of deals in each period.

        A period is a (start, end) pair in Unix seconds, excluding the end.
        """
        last = self.query(f"SELECT at, source {_PRESSES} ORDER BY seq DESC LIMIT 1")
        at, source = last[0] if last else (None, None)
        values = {"start": min(start for start, _ in periods), "end": max(end for _, end in periods)}
        counts = []
        for number, (start, end) in enumerate(periods):
            counts.append(f"count(*) FILTER (WHERE at >= :start{number} AND at < :end{number})")
            values |= {f"start{number}": start, f"end{number}": end}
        return PressTotals(at, source, list(self.query(f"SELECT {', '.join(counts)} {_DEALS}", **values)[0]))

    def deals(self, start: float, end: float) -> list[float]:
        """Return the times of deals in [start, end) in Unix seconds, oldest first."""
        rows = self.rows("public", f"SELECT at {_DEALS} ORDER BY seq", start=start, end=end)
        return [at for (at,) in rows]

    def _events(self, lane: str, where: str, **values: Any) -> list[Event]:
        return [Event(*row) for row in self.rows(lane, f"{SELECT} {where}", **values)]


class KeyValue:
    """A key-value store in the database: password hash, CSRF key, webhook position."""

    _SET = "INSERT INTO secret VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    _SET_FIRST = "INSERT INTO secret VALUES (:name, :value) ON CONFLICT (name) DO NOTHING"

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> str | None:
        """Return the value, or None if there is none."""
        rows = self._database.query("SELECT value FROM secret WHERE name = :name", name=name)
        return rows[0][0] if rows else None

    def set(self, name: str, value: str, *also: tuple[str, dict[str, Any]]) -> None:
        """Store a value, and execute further statements in the same transaction."""
        self._database.change((self._SET, {"name": name, "value": value}), *also)

    def set_all(self, values: Mapping[str, str]) -> None:
        """Store several values in one transaction."""
        self._database.change(
            *((self._SET, {"name": name, "value": value}) for name, value in values.items())
        )

    def set_first(self, name: str, value: str) -> str:
        """Store a value unless one is already stored; return the stored value."""
        self._database.change((self._SET_FIRST, {"name": name, "value": value}))
        return self.get(name) or value
