"""A few values by name that belong to the database and stay with it: hashes, secrets, places."""

from typing import Any, Protocol

_KEEP = "INSERT INTO secret VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_KEEP_FIRST = "INSERT INTO secret VALUES (:name, :value) ON CONFLICT (name) DO NOTHING"


class Rows(Protocol):
    """What is asked of a database."""

    def now(self) -> float:
        """Unix seconds by the clock that all its servers share."""

    def query(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows that `sql` selects."""

    def change(self, *statements: tuple[str, dict[str, Any]]) -> None:
        """Carry out SQL statements, each with its values, in one transaction."""


class Kept:
    """Texts by name, in the database; every method may raise `Unavailable`."""

    def __init__(self, database: Rows) -> None:
        self._database = database

    def get(self, name: str) -> str | None:
        """The value; None if there is none."""
        rows = self._database.query("SELECT value FROM secret WHERE name = :name", name=name)
        return rows[0][0] if rows else None

    def set(self, name: str, value: str, *also: tuple[str, dict[str, Any]]) -> None:
        """Keep a value, and carry out further statements in the same transaction."""
        self._database.change((_KEEP, {"name": name, "value": value}), *also)

    def set_first(self, name: str, value: str) -> str:
        """Keep a value unless another server has done so first; returns the one that is kept."""
        self._database.change((_KEEP_FIRST, {"name": name, "value": value}))
        return self.get(name) or value
