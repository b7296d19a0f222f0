"""The webhook's stored positions, one for each URL."""

import hashlib
from collections.abc import Sequence

from gevent.lock import RLock

from storage import KeyValue

#: Name of the position of the primary URL. Programs up to version 1.1.0 have only this one.
PRIMARY = "webhook"
#: Name of the value that holds the primary URL's own name.
PRIMARY_URL = "webhook-primary"


class Positions:
    """Positions in the log of changes, up to which each URL has received them.

    The primary URL is the first one of the first start, and keeps that role as long as it is configured. Its
    position is where a version with a single URL has it, so that an upgrade and a rollback continue there. If
    it is removed, the first of the remaining ones becomes the primary URL: with its own position, or, if the
    URL is new, with that of the removed one. Thus a single URL can be changed without losing changes.

    Args:
        values: Where the positions are stored.
        urls: The configured URLs.
        newest: Seq of the newest change at the start, after which a new URL begins.
    """

    def __init__(self, values: KeyValue, urls: Sequence[str], newest: int) -> None:
        self._values = values
        self._urls = {_name(url): url for url in urls}
        self._newest = newest
        self._primary: str | None = None
        self._lock = RLock()

    def load(self, url: str) -> int:
        """Return the stored position of a URL."""
        with self._lock:
            self._primary = self._choose_primary()
            name = self._stored_as(url)
            return int(self._values.get(name) or self._values.set_first(name, str(self._newest)))

    def save(self, url: str, seq: int) -> None:
        """Store the position of a URL, which was loaded before."""
        self._values.set(self._stored_as(url), str(seq))

    def _stored_as(self, url: str) -> str:
        name = _name(url)
        return PRIMARY if name == self._primary else name

    def _choose_primary(self) -> str:
        """Return the name of the primary URL."""
        previous = self._values.get(PRIMARY_URL)
        if previous in self._urls:
            return previous
        primary = next(iter(self._urls))
        own, inherited = self._values.get(primary), self._values.get(PRIMARY)
        changed = {PRIMARY_URL: primary}
        if inherited is not None:
            # An older version has not stored whose position it is: it is that of all of them.
            missing = [previous] if previous is not None else [name for name in self._urls if name != primary]
            changed |= dict.fromkeys(missing, inherited)
        if own is not None:
            changed[PRIMARY] = own
        self._values.set_all(changed)
        return primary


def _name(url: str) -> str:
    """Return the name of a URL's value, which does not reveal the URL."""
    return f"webhook-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
