"""The one announcer of events: each once, in order, after its commit."""

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

#: Seconds between checks for events of other servers, in case a notification was lost.
CHECK_INTERVAL = 1.0
#: Seconds between attempts while the database cannot be read.
RETRY_INTERVAL = 0.5
#: Unannounced events; of more, only the newest is announced, since it holds the whole state.
MAX_ANNOUNCED = 100


class Announcer:
    """Calls subscribers with each event, and completes the changes that wait for it.

    Args:
        database: Where the events are.
        trouble: Where a failing read is noted.
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
        #: The newest event that was announced: what every screen shows.
        self.current = database.newest()

    def subscribe(self, callback: Callable[[Event], None]) -> None:
        """Call `callback` with each event, in the order of `seq`. It must not block."""
        self._subscribers.append(callback)

    def subscribe_rewind(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the database has come back without changes that were announced.

        `current` is the actual state then. It must not block.
        """
        self._rewind_subscribers.append(callback)

    def wake(self) -> None:
        """Read new events soon. Does not block."""
        self._news.set()

    def run(self) -> None:
        """Announce what was not announced right after its commit, until closed."""
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
        """Wait until all completed changes are announced, at most `timeout` seconds."""
        if self._waiting:
            self._caught_up.clear()
            self._news.set()
            self._caught_up.wait(max(0.0, timeout))

    def close(self) -> None:
        """Announce no more."""
        self._closed = True
        self._news.set()

    def announce(self, events: list[Event]) -> None:
        """Announce events, or only the newest event if there are too many."""
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
        """Complete `pending` once `event`, which is on disk, is announced."""
        self._waiting.append((event, replayed, pending))

    def complete(self) -> bool:
        """Complete the changes whose events are announced; return whether others wait."""
        for _ in range(len(self._waiting)):
            event, replayed, pending = self._waiting.popleft()
            if event.seq <= self.current.seq:
                pending.set(Result(event, replayed))
            else:
                self._waiting.append((event, replayed, pending))
        return bool(self._waiting)

    def waiting(self) -> Iterator[Pending]:
        """Yield the changes whose events are not announced."""
        return (pending for _, _, pending in self._waiting)

    def _unannounced(self) -> list[Event]:
        """Return the events after the current one, more than `MAX_ANNOUNCED` if there are too many.

        A failover or a restored backup may have taken the current one away.
        """
        current = self.current
        events = self._database.news(max(1, current.seq), MAX_ANNOUNCED + 2)
        if current.seq == 0:
            return events
        if events and events[0] == current:
            return events[1:]
        if self.current is current:  # else the writer has announced meanwhile
            self._rewind(self._database.newest())
        return []

    def _rewind(self, newest: Event) -> None:
        log.error(
            "The database has lost changes: screens show change %d, its newest is %d; showing that",
            self.current.seq, newest.seq,
        )  # fmt: skip
        self.current = newest
        for callback in self._rewind_subscribers:
            callback()
