"""PostgreSQL connections, which are reopened when lost."""

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gevent
import psycopg
from gevent.lock import BoundedSemaphore

from .database import DatabaseError, Unavailable
from .threads import Backoff

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

#: Timeouts in seconds for connecting, a query and a transaction.
CONNECT_TIMEOUT, READ_TIMEOUT, WRITE_TIMEOUT = 3, 1.5, 4.0
#: Session settings. The timeouts prevent a server that vanishes within a transaction from blocking the
#: others. synchronous_commit overrides the cluster's default. They are set with SQL, since poolers accept no
#: startup options and the URL can have its own.
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
#: Seconds before a lost listener reconnects, and the maximum to which the delay doubles.
LISTEN_DELAY, MAX_LISTEN_DELAY = 0.25, 4.0
CHANNEL = "the_button"

#: SQL for the time of the database server, in Unix seconds.
NOW = "round(extract(epoch FROM clock_timestamp())::numeric, 3)::float8"


class Connections:
    """One connection per lane. Lanes separate writes from several kinds of reads.

    Args:
        url: `postgresql://user:password@host/name`, as libpq reads it. With several hosts, all connections
            use the one that accepts writes.
        lanes: Names of the lanes.
    """

    def __init__(self, url: str, lanes: Sequence[str]) -> None:
        self._url = url
        self._connections: dict[str, Connection] = {}
        # Start time of the database server, for the newest connection and for each lane's connection. Lanes
        # reconnect if theirs differs, as after a failover.
        self._server: Any = None
        self._servers: dict[str, Any] = {}
        self._listener: Connection | None = None
        self._epoch = 0.0  # database server's time when the monotonic clock was 0
        self._locks = {name: BoundedSemaphore(1) for name in lanes}

    def now(self) -> float:
        """Return the database server's time, in Unix seconds."""
        return time.monotonic() + self._epoch

    def set_clock(self, now: float) -> None:
        """Set the database server's time, in Unix seconds."""
        self._epoch = now - time.monotonic()

    def reopen(self) -> None:
        """Have each lane reopen its connection before its next use."""
        self._server = None

    def run(self, name: str, work: Callable[[Connection], T], timeout: float = READ_TIMEOUT) -> T:
        """Run `work` on the connection of the lane `name`, reopened if it was lost.

        Writes run in one transaction. Reads do not: with BEGIN and COMMIT, an announcement would cost each
        server three round trips instead of one. There is no retry once a COMMIT may have been sent, since
        only the key shows whether it arrived.
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
                        pass  # nothing was committed
                db = self._connections[name] = self._connect(name, autocommit=name != "write")
                return self._work(name, db, work, timeout)
        except gevent.Timeout:
            raise Unavailable("the database does not respond") from None
        except _Lost as lost:
            raise Unavailable(f"PostgreSQL: {line(lost.error)}") from lost.error
        except psycopg.IntegrityError:
            raise  # a bug in the SQL, not an I/O error
        except (psycopg.Error, UnicodeError) as error:
            raise Unavailable(f"PostgreSQL: {line(error)}") from error

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` when any server records an event, and after a reconnect. Blocks."""
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

    def check_pooling(self) -> None:
        """Raise `DatabaseError` if a pooler shares one session between two open connections."""
        first, second = (
            self.run(name, lambda db: one(db, "SELECT pg_backend_pid()")[0]) for name in ("read", "news")
        )
        if first == second:
            raise DatabaseError(
                "PostgreSQL cannot be used: its pooler shares sessions between connections; set"
                " pool_mode to session, or connect without the pooler"
            )

    def close(self) -> None:
        """Close all connections."""
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
                # A standby, or a former primary that is now read-only, would show an old count.
                target_session_attrs=wanted.get("target_session_attrs") or "read-write",
                tcp_user_timeout=5000,  # ms; a server that lost power sends nothing
                keepalives_idle=5,
                keepalives_interval=2,
                keepalives_count=3,
            )
            settings = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in SESSION.items())
            now, server, *_ = one(db, f"SELECT {NOW}, pg_postmaster_start_time(), {settings}")
            db.commit()  # a rollback of the implicit transaction would undo the settings
            self.set_clock(now)
            if self._listener is not None and server != self._server:
                self._listener.close()  # it reconnects
            self._server = self._servers[name] = server
            return db

    def _work(self, name: str, db: Connection, work: Callable[[Connection], T], timeout: float) -> T:
        """Run `work`, in a transaction unless in autocommit mode. Raises `_Lost` if a retry is safe."""
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


def check_url(url: str) -> None:
    """Raise `ValueError`, with the expected form, if libpq cannot parse the URL."""
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
    """The connection was lost before a COMMIT was sent, or leads to a standby."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__(str(error))
        self.error = error


def one(db: Connection, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
    """Return the first row of a query, which must exist."""
    found = db.execute(sql, values).fetchone()
    assert found is not None
    return found


def line(error: BaseException) -> str:
    """Return the error's first line without addresses, names or parts of the URL, which libpq adds."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"""(["'])[^"']*\1""", "\u2026", text.rsplit("failed: ", 1)[-1])
