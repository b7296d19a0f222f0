"""The physical button: a native thread samples the pins, a greenlet calls back."""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gevent
from gevent import event as gevent_event
from gevent import monkey

from .debounce import STUCK_AFTER, Debouncer
from .pin import Pin

log = logging.getLogger(__name__)

#: Seconds between two samples. 2 ms see 3 samples of the shortest press that counts, for 1 % of a core.
PERIOD = 0.002
#: The same while a pin is low and it is not certain of what yet: so screens hear of it a millisecond sooner.
PERIOD_UNDECIDED = 0.001
#: A gap between samples from which on a press could fall into it unseen; they are counted.
LONG_GAP = 0.020
#: Seconds without a sample after which the sampler counts as stopped.
STOPPED_AFTER = 2.0

# The originals, patched process or not: the sampler must be a thread that no greenlet can hold up.
_sleep = monkey.get_original("time", "sleep")
_start_thread = monkey.get_original("_thread", "start_new_thread")


class _Watched(NamedTuple):
    source: str
    pin: Pin
    debouncer: Debouncer


class Button:
    """One or several physical buttons.

        button = Button({"button": SimulatedPin()}, when_pressed=print)
        button.start()
        for task in button.tasks():
            gevent.spawn(task)

    A native thread samples every 2 ms and wakes the hub through the loop's async watcher: nothing else of
    gevent's may be called from a foreign thread.

    Args:
        pins: Maps the name of a source (`button`, `button-11`) to its pin.
        when_pressed: Called in a greenlet with the source, once for each press, in their order.
        when_held: Called after that if the press lasts `hold_time`.
        hold_time: Seconds; 0: never.
    """

    def __init__(
        self,
        pins: dict[str, Pin],
        when_pressed: Callable[[str], Any],
        when_held: Callable[[str], Any] = lambda source: None,
        hold_time: float = 0.0,
    ) -> None:
        self._watched: Sequence[_Watched] = [_Watched(*item, Debouncer(hold_time)) for item in pins.items()]
        self._handlers = {"pressed": when_pressed, "held": when_held}
        self._signal = gevent_event.Event()
        self._events: deque[tuple[str, str]] = deque()
        self._stopping = False
        self._failure: BaseException | None = None
        self._last_sample = time.monotonic()
        self._long_gaps = 0
        self._worst_gap = 0.0
        self._notable_gap = 0.0
        self._last_gap: tuple[float, float] | None = None  # the last long one: seconds, when it ended
        self._presses = 0
        self._last_press: float | None = None

    def start(self) -> None:
        """Begin to sample; return after the first sample, from which on a press is seen.

        Must be called on the hub that runs the callbacks.
        """
        if not self._watched:
            return
        self._wake = gevent.get_hub().loop.async_()
        self._wake.start(self._signal.set)
        started = self._last_sample
        _start_thread(self._sample, ())
        while self._last_sample == started and self._failure is None:
            gevent.sleep(PERIOD)

    def tasks(self) -> Sequence[Callable[[], None]]:
        """Return what must run in a greenlet for the life of the button."""
        return (self._dispatch,) if self._watched else ()

    def stop(self, timeout: float = 0.0) -> None:
        """Sample no more, call the callbacks for what was pressed before, and release the pins."""
        self._stopping = True
        self._call_back()
        for watched in self._watched:
            watched.pin.close()

    def status(self) -> dict[str, Any]:
        """The health of the button: `trouble` None means that a press would be seen now."""
        stopped = bool(self._watched) and time.monotonic() - self._last_sample > STOPPED_AFTER
        stuck = self._stuck()
        return {
            "driver": self._watched[0].pin.driver if self._watched else "none",
            "sources": [watched.source for watched in self._watched],
            "trouble": "the pin is no longer sampled" if stopped else None,
            "stuck": stuck,
            "warnings": [f"{source} has been held for over {STUCK_AFTER:.0f} s" for source in stuck],
            "presses": self._presses,
            "bounces": sum(watched.debouncer.bounces for watched in self._watched),
            "long_gaps": self._long_gaps,
            "worst_gap": round(self._worst_gap, 4),
            "last_gap": self._last_gap and round(self._last_gap[0], 4),
            "last_gap_at": self._last_gap and self._last_gap[1],
            "pressed_at": self._last_press,
        }

    def _stuck(self) -> list[str]:
        now = time.monotonic()
        return [watched.source for watched in self._watched if watched.debouncer.is_stuck(now)]

    def _sample(self) -> None:
        """The native thread. It must touch nothing of gevent's but the async watcher."""
        try:
            watched = [(source, pin.read, debouncer) for source, pin, debouncer in self._watched]
            clock, sleep, last, undecided = time.monotonic, _sleep, time.monotonic(), False
            while not self._stopping:  # 500 times a second: kept lean
                sleep(PERIOD_UNDECIDED if undecided else PERIOD)
                undecided = False
                now = clock()
                if now - last > self._notable_gap:
                    self._note_gap(now - last)
                self._last_sample = last = now
                for source, read, debouncer in watched:
                    event = debouncer.update(read(), now)
                    undecided = undecided or debouncer.undecided
                    if event is not None and event != "released":
                        self._events.append((event, source))
                        self._wake.send()
        except BaseException as error:
            self._failure = error
            if not self._stopping:
                self._wake.send()

    def _note_gap(self, gap: float) -> None:
        if gap > LONG_GAP:
            self._long_gaps += 1
            self._last_gap = gap, time.time()
        self._worst_gap = max(self._worst_gap, gap)
        self._notable_gap = min(self._worst_gap, LONG_GAP)

    def _dispatch(self) -> None:
        """Call the callbacks until the button stops. Raises `RuntimeError` if the sampler has crashed."""
        logged: list[str] = []
        while not self._stopping:
            self._signal.wait(timeout=STUCK_AFTER / 2)
            self._signal.clear()
            if (stuck := self._stuck()) != logged:
                logged = stuck
                log.warning("Stuck buttons: %s", ", ".join(stuck) or "none any more")
            self._call_back()
            if self._failure is not None and not self._stopping:
                raise RuntimeError("the sampler of the pin has crashed") from self._failure

    def _call_back(self) -> None:
        while self._events:
            event, source = self._events.popleft()
            if event == "pressed":
                self._presses += 1
                self._last_press = time.time()
            self._handlers[event](source)
