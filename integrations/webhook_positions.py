"""Stored positions of the webhooks, one for each URL."""

import hashlib
from collections.abc import Sequence

from gevent.lock import RLock

from storage import KeyValue

#: Name of the primary URL's position, the only one up to version 1.1.0.
PRIMARY = "webhook"
#: Name of the value that identifies the primary URL.
PRIMARY_URL = "webhook-primary"


class Positions:
    """The seq of the last change that each URL has received.

    The primary URL is the first one at the first start, for as long as it is configured. Its position has the
    name used by versions with a single URL, so that upgrades and rollbacks continue from it. If the primary
    URL is removed, the first of the remaining URLs takes its place. It keeps its position or, if it is new,
    inherits that of the removed one, so that replacing a single URL loses no changes.

    Args:
        values: Stores the positions.
        urls: The configured URLs.
        newest: Seq of the newest change at the start, with which a new URL starts.
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
        """Store the position of a URL, which must have been loaded."""
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
            # An older version did not store to which URL the position belongs. It applies to all of them.
            missing = [previous] if previous is not None else [name for name in self._urls if name != primary]
            changed |= dict.fromkeys(missing, inherited)
        if own is not None:
            changed[PRIMARY] = own
        self._values.set_all(changed)
        return primary


def _name(url: str) -> str:
    """Return the name of a URL's value, which does not contain the URL."""
    return f"webhook-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
