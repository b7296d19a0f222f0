"""The admin's password, sessions and form tokens."""

import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any

from gevent.lock import BoundedSemaphore
from werkzeug.security import check_password_hash, generate_password_hash

from .database import Database, KeyValue, Unavailable
from .threads import Backoff, Worker

#: Lifetime of a session, in seconds.
SESSION_LASTS = 30 * 86400.0
#: Characters of a generated password, without any that look alike.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


class Accounts:
    """The admin's password and sessions, kept as hashes in the database.

    Every method can raise `Unavailable`. A hash takes 120 ms and 32 MB (scrypt with Werkzeug's defaults), so
    a single native thread computes them, one at a time.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._values = KeyValue(database)
        self._worker = Worker()
        #: The ID that `identity` returns, None until it has been read.
        self.known_identity: str | None = None
        self._strangers = BoundedSemaphore(1)
        self._seen: set[str] = set()  # digests of the sessions that were valid at the last check
        self._subscribers: list[Callable[[], None]] = []
        self._secret = self._values.get("csrf") or self._values.set_first("csrf", secrets.token_hex(32))

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call `callback` when sessions may have ended. It must not block."""
        self._subscribers.append(callback)

    def identity(self) -> str:
        """Return the random ID of the database, by which spools recognize it."""
        if self.known_identity is None:
            stored = self._values.get("identity")
            self.known_identity = stored or self._values.set_first("identity", secrets.token_hex(16))
        return self.known_identity

    def tasks(self) -> tuple[Callable[[], None], ...]:
        """Return the functions to run, each in its own greenlet."""
        return (self._identify,)

    def _identify(self) -> None:
        backoff = Backoff(1.0, 60.0)
        while self.known_identity is None:
            try:
                self.identity()
            except Unavailable:
                backoff.wait()

    def ensure_password(self, password: str | None) -> str | None:
        """Set the password to `password`, or create a random one if there is none.

        Returns the random password, which must be shown once, otherwise None. Changing the password ends
        all sessions.
        """
        stored = self._values.get("password")
        if password is not None:
            if stored is None or not self._apply(check_password_hash, stored, password):
                self.set_password(password)
        elif stored is None:
            made = "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
            hashed = self._apply(generate_password_hash, made)
            return made if self._values.set_first("password", hashed) == hashed else None
        return None

    def set_password(self, password: str) -> None:
        """Store the hash of a new password and end all sessions, in one transaction."""
        hashed = self._apply(generate_password_hash, password)
        self._values.set("password", hashed, ("DELETE FROM session", {}))
        self._seen = set()
        self._notify()

    def check_password(self, password: str, known: bool = False) -> bool:
        """Return whether `password` is the admin's.

        Passwords from unknown browsers are hashed one at a time, so that one from a `known` browser waits for
        at most one of them.
        """
        stored = self._values.get("password")
        if stored is None:
            return False
        with contextlib.nullcontext() if known else self._strangers:
            return bool(self._apply(check_password_hash, stored, password))

    def begin_session(self) -> str:
        """Start a session and return its token (256 random bits); only the hash is stored."""
        token = secrets.token_urlsafe(32)
        now = self._database.now()
        self._database.change(
            ("DELETE FROM session WHERE began < :old", {"old": now - SESSION_LASTS}),
            ("INSERT INTO session VALUES (:hash, :began)", {"hash": digest(token), "began": now}),
        )
        return token

    def end_session(self, token: str) -> None:
        """End the session with this token, if it exists."""
        self._database.change(("DELETE FROM session WHERE hash = :hash", {"hash": digest(token)}))
        self._seen.discard(digest(token))
        self._notify()

    def is_session(self, token: str) -> bool:
        """Return whether `token` belongs to a valid session."""
        return digest(token) in self.sessions()

    def sessions(self) -> set[str]:
        """Return the digests of all valid sessions."""
        old = self._database.now() - SESSION_LASTS
        rows = self._database.query("SELECT hash FROM session WHERE began > :old", old=old)
        self._seen = {row[0] for row in rows}
        return set(self._seen)

    def was_session(self, token: str) -> bool:
        """Return whether `token` belonged to a valid session at the last check.

        Does not query the database. Sufficient to prioritize a request, but not to authorize it.
        """
        return digest(token) in self._seen

    def _notify(self) -> None:
        for callback in self._subscribers:
            callback()

    def form_token(self, token: str) -> str:
        """Return the CSRF token for the forms of the visitor whose cookie is `token`."""
        return hmac.new(self._secret.encode(), token.encode(), hashlib.sha256).hexdigest()

    def _apply(self, work: Any, *values: str) -> Any:
        return self._worker.run(lambda: work(*values))


def digest(token: str) -> str:
    """Return the stored form of a session token.

    A token of 256 random bits needs neither a salt nor a slow hash.
    """
    return hashlib.sha256(token.encode()).hexdigest()
