"""Creation and migration of the PostgreSQL tables."""

import logging

import psycopg

from .database import DatabaseError, pending
from .postgres_connections import NOW, Connection, line, one

log = logging.getLogger(__name__)

#: Advisory lock for creating or migrating the schema.
SCHEMA_LOCK = 0x4275746E
SCHEMA_VERSION = 1

# `seq` is not a serial column, since a rollback would leave a gap. `turn` has one row, whose lock serializes
# the changes of all servers.
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


def prepare(db: Connection, goal: int | None) -> None:
    """Create or migrate the schema, while holding a lock against other servers.

    Args:
        db: A connection, in a transaction.
        goal: Goal of a new database. If None, the tables must exist, and only their version is checked.

    Raises:
        DatabaseError: The database is empty, or was written by a newer version.
    """
    db.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
    if not one(db, "SELECT to_regclass('turn') IS NOT NULL")[0]:
        if goal is None:
            raise DatabaseError("PostgreSQL cannot be used: the database is empty; start the server once")
        db.execute(SCHEMA)
        db.execute("INSERT INTO turn VALUES (%s)", (SCHEMA_VERSION,))
        db.execute(f"INSERT INTO origin VALUES ({NOW}, %s)", (goal,))  # noqa: S608
        log.warning("New tables in PostgreSQL: the count begins at %d", goal)
        _migrate(db, is_new=True)
    elif one(db, "SELECT version FROM turn")[0] > SCHEMA_VERSION:
        raise DatabaseError(
            "PostgreSQL cannot be used: it was written by a newer version; install that version"
        )
    else:
        _migrate(db, is_new=False, check_only=goal is None)


def _migrate(db: Connection, is_new: bool, check_only: bool = False) -> None:
    version, lowest = 1, ""
    if one(db, "SELECT to_regclass('schema_version') IS NOT NULL")[0]:
        version, lowest = one(db, "SELECT version, lowest FROM schema_version")
    try:
        statements = pending(version, lowest)
    except DatabaseError as error:
        raise DatabaseError(f"PostgreSQL cannot be used: it {error}") from None
    if check_only:
        return
    for statement in statements:
        db.execute(statement)
    if statements and not is_new:
        log.warning("PostgreSQL migrated from schema %d; older servers can still use it", version)


def start_error(error: BaseException) -> str:
    """Return why the database cannot be used, and the fix."""
    if isinstance(error, psycopg.errors.DuplicateTable):
        reason = (
            f"{error.diag.message_primary}, but it belongs to another program; use a separate database or"
        )
        reason += " schema (?options=-csearch_path%3Dbutton)"
    elif isinstance(error, psycopg.errors.InsufficientPrivilege):
        reason = "this role lacks a privilege; create and upgrade the tables with their owner's role, and see"
        reason += " docs/scaling.md for what other roles need"
    else:
        reason = line(error)
    return f"PostgreSQL cannot be used: {reason}"
