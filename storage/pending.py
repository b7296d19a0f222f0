"""Queued changes and the greenlets waiting for them."""

import time
from typing import Any, NamedTuple

import gevent

from .rules import Change, Event

#: Seconds after which a queued change is rejected, at the next check.
RESULT_TIMEOUT = 8.0


class Result(NamedTuple):
    """The event of a change, and whether an earlier request with the same key recorded it."""

    event: Event
    replayed: bool


class Pending:
    """An outcome that a greenlet waits for.

    Half the cost of gevent's `AsyncResult` with a timeout.
    """

    __slots__ = ("_greenlet", "_outcome", "deadline")

    def __init__(self) -> None:
        self._greenlet: Any = None
        self._outcome: Result | Exception | None = None
        self.deadline = time.monotonic() + RESULT_TIMEOUT

    def set(self, outcome: Result | Exception) -> None:
        """Set the outcome. Later calls have no effect."""
        if self._outcome is None:
            self._outcome = outcome
            if self._greenlet is not None:
                gevent.get_hub().loop.run_callback(self._greenlet.switch)

    def wait(self) -> Result:
        """Wait for the outcome; return the result or raise the exception."""
        self._greenlet = gevent.getcurrent()
        while self._outcome is None:
            gevent.get_hub().switch()
        self._greenlet = None
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class Item(NamedTuple):
    """A queued change. `pending` is None for hardware presses, which are retried until they succeed."""

    change: Change
    pending: Pending | None
