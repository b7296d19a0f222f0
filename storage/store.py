"""Recording of changes, which are committed and then announced."""

import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import TypedDict

import gevent
from gevent import event as gevent_event

from .announcer import MAX_ANNOUNCED, Announcer
from .database import Database, Outcome, Unavailable
from .pending import Item, Pending, Result
from .rules import Change, Event, Rejected
from .spool import Spool
from .trouble import Trouble

log = logging.getLogger(__name__)

#: Maximum number of hardware presses queued while the database is unavailable.
MAX_WAITING = 1000
#: Seconds between attempts while the database is not writable.
RETRY_INTERVAL = 0.5
#: Seconds between checks whether the database is readable and writable.
CHECK_INTERVAL = 1.0
#: Seconds between spool checks. Presses are spooled if a transaction takes longer than this.
SPOOL_INTERVAL = 0.25
#: Seconds after which a transaction counts as stuck.
STUCK_TIMEOUT = 2.0
#: Maximum number of changes in a transaction, so that in a flood the first does not wait for the last.
MAX_BATCH = 200


class StoreStatus(TypedDict):
    """Health of the store. If `trouble` is None, presses can be recorded."""

    trouble: str | None
    warnings: list[str]
    seq: int
    #: Number of hardware presses that are not in the database yet.
    waiting: int
    #: Number of hardware presses rejected since the start.
    refused_presses: int


class Store:
    """Records changes in the database and announces each event once it is on disk.

        store = Store(database)
        store.subscribe(print)
        for task in store.tasks():
            gevent.spawn(task)
        store.submit(Change("press", "api")).event.count

    Args:
        database: Where changes are recorded.
        on_commit: Called with the duration of each transaction, in seconds.
        spool: Stores hardware presses while the database is unavailable. If None, they are only in memory.
    """

    def __init__(
        self,
        database: Database,
        on_commit: Callable[[float], None] = lambda seconds: None,
        spool: Spool | None = None,
    ) -> None:
        self._database = database
        self._on_commit = on_commit
        self._write_trouble = Trouble("Writing to the database")
        self._read_trouble = Trouble("Reading from the database")
        self._spool_trouble = Trouble("Spooling presses")
        self._announcer = Announcer(database, self._read_trouble)
        self.subscribe = self._announcer.subscribe
        self.subscribe_rewind = self._announcer.subscribe_rewind
        self.wake = self._announcer.wake
        #: Number of recorded changes for each kind and source.
        self.recorded: Counter[tuple[str, str]] = Counter()
        self._spool = spool
        waiting = spool.waiting() if spool is not None else []
        self._spooled = {press.key for press in waiting if press.key}
        self._queue: deque[Item] = deque(Item(press, None) for press in waiting)
        self._batch: list[Item] = []  # being written
        self._work = gevent_event.Event()
        self._written = gevent_event.Event()  # set when the writer has stopped
        self._suspect = False
        self._writing_since: float | None = None
        self._rejected_presses = 0
        self._last_keys: dict[str, str | None] = {}  # key of the last press by source
        self._stopping = self._closed = False
        if waiting:
            log.warning("Recording %d presses from the spool", len(waiting))
            self._work.set()

    @property
    def current(self) -> Event:
        """The newest announced event, which every screen shows."""
        return self._announcer.current

    def tasks(self) -> tuple[Callable[[], None], ...]:
        """Return the functions to run, each in its own greenlet."""
        tasks = (self._write, self._announcer.run, self._check, lambda: self._database.listen(self.wake))
        return (*tasks, self._spool_all) if self._spool is not None else tasks

    # --- changes ---

    def submit(self, change: Change) -> Result:
        """Record `change` and wait until it is on disk and announced.

        Raises:
            Rejected: The rules do not allow it.
            Unavailable: The database cannot record it now. If it was already being written, it may have been
                recorded; repeat it with the same key to find out.
        """
        if self._stopping:
            raise Unavailable("the server is stopping")
        if self.is_stuck():
            raise Unavailable("the database does not respond")
        pending = Pending()
        self._queue.append(Item(change, pending))
        self._work.set()
        return pending.wait()

    def press(self, source: str) -> str | None:
        """Queue a hardware press, to be recorded as soon as possible. Does not block.

        Returns its key, or None if it is rejected because `MAX_WAITING` presses are queued.
        """
        if len(self._waiting()) >= MAX_WAITING:
            self._rejected_presses += 1
            log.error("Press of %s rejected: %d presses are already queued", source, MAX_WAITING)
            self._last_keys[source] = None
            return None
        press = Change("press", source, key=secrets.token_hex(12))
        self._last_keys[source] = press.key
        self._queue.append(Item(press, None))
        self._work.set()
        return press.key

    def hold(self, source: str) -> None:
        """Undo the last press of `source`, whose button is held. Does not block."""
        if key := self._last_keys.get(source):
            gevent.spawn(self._undo_held, source, key)

    def _undo_held(self, source: str, key: str) -> None:
        """Undo a held press as soon as it is recorded."""
        _, at, site = source.partition("@")
        while True:
            try:
                undone = self.undo_press(source, key, by=f"hold{at}{site}")
            except Unavailable as error:
                if self._stopping or key not in {press.key for press in self._waiting()}:
                    log.error("Press of %s held but not undone: %s", source, error)
                    return
                gevent.sleep(RETRY_INTERVAL)
            else:
                if undone is None:
                    log.info("%s is held, but the count has changed since; not undone", source)
                return

    def undo_press(self, source: str, key: str, by: str) -> Result | None:
        """Undo the hardware press with this key, unless the count has changed since.

        `by` is the source of the undo. Returns None if the press was not undone. Raises `Unavailable` like
        `submit`.
        """
        press = self.submit(Change("press", source, key=key)).event  # the same key returns its event
        if press.seq != self.current.seq:
            return None
        try:
            return self.submit(Change("undo", by, seq=press.seq))
        except Rejected:
            return None

    # --- health ---

    def is_stuck(self) -> bool:
        """Return whether a transaction exceeds `STUCK_TIMEOUT`."""
        since = self._writing_since
        return since is not None and time.monotonic() - since > STUCK_TIMEOUT

    def status(self) -> "StoreStatus":
        """Return the health of the store."""
        stuck = "the database does not respond" if self.is_stuck() else None
        spool = self._spool_trouble.reason
        return {
            "trouble": stuck or self._write_trouble.reason or self._read_trouble.reason,
            "warnings": [f"presses cannot be spooled: {spool}"] if spool else [],
            "seq": self.current.seq,
            "waiting": len(self._waiting()),
            "refused_presses": self._rejected_presses,
        }

    def _check(self) -> None:
        """Check periodically that the database is writable, even without presses."""
        while not self._closed:
            gevent.sleep(CHECK_INTERVAL)
            self._expire()
            try:
                with gevent.Timeout(STUCK_TIMEOUT):
                    self._suspect = self._database.is_suspect()
            except (Unavailable, gevent.Timeout):
                self._suspect = True
            if self._suspect:
                self._work.set()  # the writer probes it

    def _expire(self) -> None:
        """Reject overdue changes, and remove those that are still queued."""
        now = time.monotonic()
        late = [item for item in self._queue if item.pending and item.pending.deadline < now]
        for item in late:
            self._queue.remove(item)
        pending = [item.pending for item in (*late, *self._batch) if item.pending]
        for each in (*pending, *self._announcer.waiting()):
            if each.deadline < now:
                each.set(Unavailable("the database does not respond"))

    # --- shutdown ---

    def stop(self, timeout: float) -> None:
        """Accept no more changes; write and announce the accepted ones within `timeout` seconds.

        Events from other servers are announced until `close`.
        """
        deadline = time.monotonic() + timeout
        self._stopping = True
        self._work.set()
        self._written.wait(timeout)
        self._spool_waiting()
        lost = sum(item.change.key not in self._spooled for item in (*self._batch, *self._queue))
        if lost:
            log.error("Stopping with %d changes that could not be stored", lost)
        self._announcer.drain(deadline - time.monotonic())

    def close(self) -> None:
        """Stop announcing."""
        self._closed = True
        self._announcer.close()

    # --- writer ---

    def _write(self) -> None:
        """Write all queued changes in one transaction while others queue up (group commit)."""
        while self._queue or not self._stopping:
            self._work.wait(timeout=RETRY_INTERVAL if self._write_trouble.reason else None)
            self._work.clear()
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
            self._batch = batch
            self._writing_since = time.monotonic()
            try:
                if batch:
                    self._record(batch)
                elif self._write_trouble.reason or self._suspect:
                    self._database.probe()
            except Unavailable as error:
                self._requeue(batch, error)
                if self._stopping:
                    break
                gevent.sleep(RETRY_INTERVAL)
                continue
            finally:
                self._writing_since, self._batch = None, []
            self._write_trouble.recover()
            if self._queue:
                self._work.set()
        self._written.set()

    def _record(self, batch: list[Item]) -> None:
        started = time.monotonic()
        changes = [item.change for item in batch]
        log.debug("Recording %s", ", ".join(f"{change.kind} by {change.source}" for change in changes))
        outcomes, events = self._database.record_and_read(changes, self.current.seq, MAX_ANNOUNCED + 1)
        self._on_commit(time.monotonic() - started)
        if events is not None and len(events) <= MAX_ANNOUNCED:  # otherwise the announcer reads the newest
            self._announcer.announce(events)
        self._resolve(batch, outcomes)

    def _requeue(self, batch: list[Item], error: Unavailable) -> None:
        """Requeue the hardware presses of a failed batch; reject its other changes."""
        self._write_trouble.fail(error)
        for item in batch:
            if item.pending is not None:
                item.pending.set(error)
        self._queue.extendleft(item for item in reversed(batch) if item.pending is None)
        self._batch = []

    def _resolve(self, batch: list[Item], outcomes: Sequence[Outcome]) -> None:
        for item, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Rejected):
                if item.pending is not None:
                    item.pending.set(outcome)
                continue
            event, replayed = outcome
            self.recorded[event.kind, event.source] += not replayed
            if item.pending is not None:
                self._announcer.expect(event, replayed, item.pending)
        if self._announcer.complete() or batch[-1].pending is None:
            self.wake()

    # --- spool ---

    def _waiting(self) -> list[Change]:
        """Return the hardware presses that are not recorded yet."""
        return [item.change for item in (*self._batch, *self._queue) if item.pending is None]

    def _spool_all(self) -> None:
        while not self._closed:
            gevent.sleep(SPOOL_INTERVAL)
            since = self._writing_since
            if self._write_trouble.reason or (
                since is not None and time.monotonic() - since > SPOOL_INTERVAL
            ):
                self._spool_waiting()
            self._drop_recorded()

    def _spool_waiting(self) -> None:
        """Add the unrecorded hardware presses to the spool."""
        waiting = [press for press in self._waiting() if press.key not in self._spooled]
        if self._spool is not None and waiting and self._try_spool(lambda spool: spool.add(waiting)):
            self._spooled |= {press.key for press in waiting if press.key}

    def _drop_recorded(self) -> None:
        """Delete recorded presses from the spool. Replaying one would be harmless, due to its key."""
        recorded = self._spooled - {press.key for press in self._waiting() if press.key}
        if recorded and self._try_spool(lambda spool: spool.drop(recorded)):
            self._spooled -= recorded

    def _try_spool(self, work: Callable[[Spool], None]) -> bool:
        """Run `work` with the spool; return whether it succeeded."""
        assert self._spool is not None
        try:
            work(self._spool)
        except Unavailable as error:
            self._spool_trouble.fail(error)
            return False
        self._spool_trouble.recover()
        return True
