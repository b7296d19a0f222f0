"""Announcement of committed events, each once and in order."""

import logging
from collections import deque
from collections.abc import Callable, Iterator

import gevent
from gevent import event as gevent_event

from .database import Database, Unavailable
from .pending import Pending, Result
from .rules import Event
from .trouble import Trouble

log = logging.getLogger(__name__)

#: Seconds between checks for events from other servers, in case a notification was lost.
CHECK_INTERVAL = 1.0
#: Seconds between attempts while the database cannot be read.
RETRY_INTERVAL = 0.5
#: Maximum number of events announced individually. Beyond it only the newest is announced, since it has the
#: complete state.
MAX_ANNOUNCED = 100


class Announcer:
    """Calls subscribers with each event, and completes the changes waiting for it.

    Args:
        database: The database to read events from.
        trouble: Records whether reads fail.
    """

    def __init__(self, database: Database, trouble: Trouble) -> None:
        self._database = database
        self._trouble = trouble
        self._subscribers: list[Callable[[Event], None]] = []
        self._rewind_subscribers: list[Callable[[], None]] = []
        self._news = gevent_event.Event()
        self._caught_up = gevent_event.Event()
        self._waiting: deque[tuple[Event, bool, Pending]] = deque()
        self._closed = False
        #: The newest announced event, which every screen shows.
        self.current = database.newest()

    def subscribe(self, callback: Callable[[Event], None]) -> None:
        """Call `callback` with each event, in the order of `seq`. It must not block."""
        self._subscribers.append(callback)

    def subscribe_rewind(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the database has lost announced changes.

        `current` is then the database's state. The callback must not block.
        """
        self._rewind_subscribers.append(callback)

    def wake(self) -> None:
        """Have new events read soon. Does not block."""
        self._news.set()

    def run(self) -> None:
        """Announce events that were not announced right after their commit, until closed."""
        while not self._closed:
            self._news.wait(timeout=CHECK_INTERVAL)
            self._news.clear()
            if self._closed:
                return
            try:
                while events := self._unannounced():
                    self.announce(events)
                self.complete()
                self._trouble.recover()
                self._caught_up.set()
            except Unavailable as error:
                self._trouble.fail(error)
                gevent.sleep(RETRY_INTERVAL)
                self._news.set()

    def drain(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until all recorded changes are announced."""
        if self._waiting:
            self._caught_up.clear()
            self._news.set()
            self._caught_up.wait(max(0.0, timeout))

    def close(self) -> None:
        """Stop announcing."""
        self._closed = True
        self._news.set()

    def announce(self, events: list[Event]) -> None:
        """Announce events, or only the newest if there are too many."""
        if len(events) > MAX_ANNOUNCED:
            events = [self._database.newest()]
        for event in events:
            if event.seq <= self.current.seq:
                continue
            self.current = event
            log.info("%s by %s: %s (seq %d)", event.kind, event.source, event.to_go(), event.seq)
            for callback in self._subscribers:
                try:
                    callback(event)
                except Exception:
                    log.exception("Announcing change %d failed", event.seq)

    def expect(self, event: Event, replayed: bool, pending: Pending) -> None:
        """Complete `pending` once the committed `event` is announced."""
        self._waiting.append((event, replayed, pending))

    def complete(self) -> bool:
        """Complete the changes whose events are announced; return whether any are left."""
        for _ in range(len(self._waiting)):
            event, replayed, pending = self._waiting.popleft()
            if event.seq <= self.current.seq:
                pending.set(Result(event, replayed))
            else:
                self._waiting.append((event, replayed, pending))
        return bool(self._waiting)

    def waiting(self) -> Iterator[Pending]:
        """Return the changes whose events are not announced yet."""
        return (pending for _, _, pending in self._waiting)

    def _unannounced(self) -> list[Event]:
        """Return up to `MAX_ANNOUNCED` + 1 events after the current one.

        The current one is missing after a failover or a restore that lost changes.
        """
        current = self.current
        events = self._database.news(max(1, current.seq), MAX_ANNOUNCED + 2)
        if current.seq == 0:
            return events
        if events and events[0] == current:
            return events[1:]
        if self.current is current:  # otherwise the writer has announced in the meantime
            self._rewind(self._database.newest())
        return []

    def _rewind(self, newest: Event) -> None:
        log.error(
            "The database has lost changes: screens show change %d, but the newest is %d; showing that",
            self.current.seq, newest.seq,
        )  # fmt: skip
        self.current = newest
        for callback in self._rewind_subscribers:
            callback()
