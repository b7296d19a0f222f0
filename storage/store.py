"""The one writer of changes and the one announcer of them: commit, then tell."""

import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import gevent
from gevent.event import AsyncResult
from gevent.event import Event as Signal

from .count import Change, Event, Refused
from .errors import Unavailable
from .spool import Spool

log = logging.getLogger(__name__)

#: Presses of the pin that wait at most while the database cannot take them.
MOST_WAITING = 1000
#: Seconds within which a change is answered, come what may.
ANSWER_WITHIN = 8.0
#: Seconds between attempts while the database cannot be written.
RETRY_AFTER = 0.5
#: Seconds between looks whether presses wait for longer than a commit takes, and are to be spooled.
SPOOL_EVERY = 0.25
#: Seconds of writing after which the database counts as stuck.
STUCK_AFTER = 2.0
#: A transaction takes at most so many changes, so that the first of a flood is not the last answered.
MOST_AT_ONCE = 200
#: More unannounced events than these: only the newest is announced, since it holds the whole state.
MOST_ANNOUNCED = 100


class Database(Protocol):
    """What a database does, for the store and for the pages; each may raise `Unavailable`."""

    def record(self, changes: Sequence[Change]) -> list[tuple[Event, bool] | Refused]:
        """Record changes in one transaction, on the disk when this returns."""

    def now(self) -> float:
        """Unix seconds by the clock that stamps the events; asks nobody."""

    def newest(self) -> Event:
        """The newest event; the origin if there is none."""

    def events_after(self, seq: int, limit: int) -> list[Event]:
        """The events above `seq`, oldest first, at most `limit` of them."""

    def news(self, seq: int, limit: int) -> list[Event]:
        """The same, for the announcer: no other reader holds it up."""

    def probe(self) -> None:
        """Find out whether changes can be made."""

    def latest(self, limit: int) -> list[Event]:
        """The newest `limit` events, newest first."""

    def tally(self, day: float, week: float) -> tuple[float | None, int, int]:
        """When the last press was (None: never), and how many there were since `day` and `week`."""

    def sole(self, purpose: int) -> bool:
        """Whether this server alone, of all on the database, may do what `purpose` stands for."""

    def query(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows that `sql` (with `:name` for each value) selects."""

    def change(self, *statements: tuple[str, dict[str, Any]]) -> None:
        """Carry out SQL statements, each with its values, in one transaction."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever another server may have recorded something; for a greenlet."""

    def close(self) -> None:
        """Close it."""


class Answer(NamedTuple):
    """What became of a change: its event, and whether an earlier request with its key had made it."""

    event: Event
    again: bool


class _Item(NamedTuple):
    """A change that waits to be written; `answer` None: of the pin, so it waits as long as it takes."""

    change: Change
    answer: AsyncResult | None


class Store:
    """Takes changes, has the database record them, and announces each once it is on disk.

    `announce(event)` is called in the order of `seq`, in one greenlet, and must not block.
    `spawn(function)` starts a greenlet whose death must not go unseen. `committed(seconds)` hears how
    long each transaction took. In `spool`, if not None, presses of the pin wait while the database is
    away.

        store = Store(database, announce=print)
        store.submit(Change("press", "api")).event.count
    """

    def __init__(
        self,
        database: Database,
        announce: Callable[[Event], None],
        spawn: Callable[[Callable[[], None]], gevent.Greenlet] = gevent.spawn,
        committed: Callable[[float], None] = lambda seconds: None,
        spool: Spool | None = None,
    ) -> None:
        self._database = database
        self._announce = announce
        self._committed = committed
        #: How many changes of each kind and source this store has recorded.
        self.recorded: Counter[tuple[str, str]] = Counter()
        self._spool = spool
        waiting = spool.waiting() if spool is not None else []
        self._spooled = {press.key for press in waiting if press.key}
        self._queue: deque[_Item] = deque(_Item(press, None) for press in waiting)
        self._batch: list[_Item] = []  # what is being written
        self._work = Signal()
        self._news = Signal()
        self._caught_up = Signal()
        self._unannounced: deque[tuple[Event, bool, AsyncResult]] = deque()
        self._trouble: dict[str, str] = {}  # what cannot be done now, and why
        self._writing_since: float | None = None
        self._refused_presses = 0
        self._stopping = self._closed = False
        #: The newest event that was announced: what every screen shows.
        self.current = database.newest()
        if waiting:
            log.warning("%d presses that waited in the spool are recorded now", len(waiting))
            self._work.set()
        self._writer = spawn(self._write)
        self._announcer = spawn(self._tell)
        if spool is not None:
            spawn(self._keep_safe)

    def submit(self, change: Change) -> Answer:
        """Record `change`; returns when it is on disk and announced.

        Raises `Refused` if the rules do not allow it, `Unavailable` if the database cannot take it
        now: then it is forgotten, but for one that was on its way to the disk, of which asking
        again with its key tells.
        """
        if self._stopping:
            raise Unavailable("the server is stopping")
        if self.stuck():
            raise Unavailable("the database does not answer")
        answer = AsyncResult()
        item = _Item(change, answer)
        self._queue.append(item)
        self._work.set()
        try:
            return answer.get(timeout=ANSWER_WITHIN)
        except gevent.Timeout:
            if item in self._queue:
                self._queue.remove(item)
            raise Unavailable("the database does not answer") from None

    def press(self, source: str) -> str | None:
        """Record a press of the pin as soon as the database takes it; never blocks.

        Returns its key, by which `take_back` knows it. None: a thousand presses wait already, and this
        one is refused.
        """
        if len(self._waiting()) >= MOST_WAITING:
            self._refused_presses += 1
            log.error("Press of %s refused: %d presses wait for the database", source, MOST_WAITING)
            return None
        press = Change("press", source, key=secrets.token_hex(12))
        self._queue.append(_Item(press, None))
        self._work.set()
        return press.key

    def take_back(self, source: str, key: str, by: str) -> Answer | None:
        """Take the press of the pin back that has this key, if nothing else has changed since.

        `by` is the source of the undo. None: something has. Raises `Unavailable` as `submit` does.
        """
        press = self.submit(Change("press", source, key=key)).event  # asked again, it tells what it was
        if press.seq != self.current.seq:
            return None
        try:
            return self.submit(Change("undo", by, seq=press.seq))
        except Refused:
            return None

    def wake(self) -> None:
        """Look soon whether another server has recorded something; does not block."""
        self._news.set()

    def stuck(self) -> bool:
        """Whether the database has been writing for longer than it may."""
        since = self._writing_since
        return since is not None and time.monotonic() - since > STUCK_AFTER

    def status(self) -> dict[str, Any]:
        """The health of the road to the disk; `trouble` None: a press can be recorded now."""
        stuck = "the database does not answer" if self.stuck() else None
        return {
            "trouble": stuck or self._trouble.get("write") or self._trouble.get("read"),
            "warnings": [f"presses cannot be spooled: {why}" for why in [self._trouble.get("spool")] if why],
            "seq": self.current.seq,
            "waiting": len(self._waiting()),
            "refused_presses": self._refused_presses,
        }

    def stop(self, within: float) -> None:
        """Take no further change; write and announce those accepted, in at most `within` seconds.

        What other servers record is announced on, until `close`.
        """
        self._stopping = True
        self._work.set()
        gevent.joinall([self._writer], timeout=within)
        self._spool_waiting()
        lost = sum(item.change.key not in self._spooled for item in self._queue)
        if lost:
            log.error("%d presses could not be stored", lost)
        self._caught_up.clear()
        self._news.set()
        self._caught_up.wait(within)

    def close(self) -> None:
        """Announce no more; after that the database may be closed."""
        self._closed = True
        self._announcer.kill(timeout=0.5)

    def _write(self) -> None:
        """Write whatever waits, in one transaction; the next gathers meanwhile (group commit)."""
        while self._queue or not self._stopping:
            self._work.wait(timeout=RETRY_AFTER if "write" in self._trouble else None)
            self._work.clear()
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_AT_ONCE))]
            self._batch = batch
            self._writing_since = time.monotonic()
            try:
                if batch:
                    outcomes = self._database.record([item.change for item in batch])
                    self._committed(time.monotonic() - self._writing_since)
                    self._settle(batch, outcomes)
                elif "write" in self._trouble:
                    self._database.probe()
            except Unavailable as error:
                self._put_off(batch, error)
                if self._stopping:
                    return
                gevent.sleep(RETRY_AFTER)
                continue
            finally:
                self._writing_since, self._batch = None, []
            self._resolve("write")
            if self._queue:
                self._work.set()

    def _put_off(self, batch: list[_Item], error: Unavailable) -> None:
        """Keep the pin's presses of a batch that could not be written; refuse the other changes."""
        self._fail("write", error)
        for item in batch:
            if item.answer is not None:
                item.answer.set_exception(error)
        self._queue.extendleft(item for item in reversed(batch) if item.answer is None)
        self._batch = []

    def _waiting(self) -> list[Change]:
        """The presses of the pin that are not recorded yet."""
        return [item.change for item in (*self._batch, *self._queue) if item.answer is None]

    def _keep_safe(self) -> None:
        while not self._closed:
            gevent.sleep(SPOOL_EVERY)
            since = self._writing_since
            if "write" in self._trouble or (since is not None and time.monotonic() - since > SPOOL_EVERY):
                self._spool_waiting()
            self._drop_recorded()

    def _spool_waiting(self) -> None:
        """Have the spool hold every press of the pin that waits."""
        waiting = [press for press in self._waiting() if press.key not in self._spooled]
        if self._spool is not None and waiting and self._with_spool(lambda spool: spool.add(waiting)):
            self._spooled |= {press.key for press in waiting if press.key}

    def _drop_recorded(self) -> None:
        """What is recorded need not wait in the spool; while it does, it is answered with what it was."""
        done = self._spooled - {press.key for press in self._waiting() if press.key}
        if done and self._with_spool(lambda spool: spool.drop(done)):
            self._spooled -= done

    def _with_spool(self, work: Callable[[Spool], None]) -> bool:
        """Do something with the spool; returns whether that could be done."""
        assert self._spool is not None
        try:
            work(self._spool)
        except Unavailable as error:
            self._fail("spool", error)
            return False
        self._resolve("spool")
        return True

    def _fail(self, what: str, error: Unavailable) -> None:
        if self._trouble.get(what) != str(error):
            log.error("The database cannot %s: %s", what, error)
        self._trouble[what] = str(error)

    def _resolve(self, what: str) -> None:
        if self._trouble.pop(what, None):
            log.warning("The database can %s again", what)

    def _settle(self, batch: list[_Item], outcomes: Sequence[tuple[Event, bool] | Refused]) -> None:
        for item, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Refused):
                if item.answer is not None:
                    item.answer.set_exception(outcome)
                continue
            event, again = outcome
            self.recorded[event.kind, event.source] += not again
            if item.answer is not None:
                self._unannounced.append((event, again, item.answer))
        self._news.set()

    def _tell(self) -> None:
        """Announce each event once, in order, as it is read back from the database."""
        while not self._closed:
            self._news.wait(timeout=1.0)
            self._news.clear()
            try:
                self._catch_up()
                self._resolve("read")
                self._caught_up.set()
            except Unavailable as error:
                self._fail("read", error)
                gevent.sleep(RETRY_AFTER)
                self._news.set()

    def _catch_up(self) -> None:
        while events := self._database.news(self.current.seq, MOST_ANNOUNCED + 1):
            if len(events) > MOST_ANNOUNCED:
                events = [self._database.newest()]
            for event in events:
                self.current = event
                self._announce(event)
        self._answer()

    def _answer(self) -> None:
        for _ in range(len(self._unannounced)):
            event, again, answer = self._unannounced.popleft()
            if event.seq <= self.current.seq:
                answer.set(Answer(event, again))
            else:
                self._unannounced.append((event, again, answer))
