"""The physical button, sampled by a native thread, with callbacks in a greenlet."""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypedDict

import gevent
from gevent import event as gevent_event
from gevent import monkey

from .debouncer import STUCK_TIME, Debouncer
from .pins import InputPin

log = logging.getLogger(__name__)

#: Seconds between two samples. The shortest press that counts gets 3 samples, for 1 % of a core.
SAMPLE_INTERVAL = 0.002
#: The same while a pin is low but not pressed yet, so that screens are updated a millisecond earlier.
UNDECIDED_INTERVAL = 0.001
#: Seconds between two samples in which a whole press could go unseen. Such gaps are counted.
LONG_GAP = 0.020
#: Seconds without a sample after which the sampler counts as stopped.
STOPPED_TIMEOUT = 2.0

# The originals, whether or not gevent has patched the process: no greenlet may block the sampler.
_sleep = monkey.get_original("time", "sleep")
_start_thread = monkey.get_original("_thread", "start_new_thread")


class ButtonStatus(TypedDict):
    """The health of the button. With `trouble` None a press would be seen now."""

    driver: str
    sources: list[str]
    trouble: str | None
    #: The sources of buttons that are pressed now, and of those that have been for too long.
    pressed: list[str]
    stuck: list[str]
    warnings: list[str]
    presses: int
    bounces: int
    #: Gaps between samples in which a press could go unseen: number, seconds of the longest and of the last
    #: one, and its Unix time.
    long_gaps: int
    worst_gap: float
    last_gap: float | None
    last_gap_at: float | None
    #: Unix time of the last press; None: none since the start.
    pressed_at: float | None


class _Contact(NamedTuple):
    source: str
    pin: InputPin
    debouncer: Debouncer


class Button:
    """One or several physical buttons.

        button = Button({"button": SimulatedInput()}, when_pressed=print)
        button.start()
        for task in button.tasks():
            gevent.spawn(task)

    A native thread samples every 2 ms and wakes the hub through the loop's async watcher, the only part of
    gevent that a foreign thread may call.

    Args:
        pins: Maps the name of a source (`button`, `button-11`) to its pin.
        when_pressed: Called in a greenlet with the source, once for each press, in order.
        when_held: Called with the source when a press has lasted for `hold_time`.
        hold_time: Seconds; 0: never.
    """

    def __init__(
        self,
        pins: dict[str, InputPin],
        when_pressed: Callable[[str], Any],
        when_held: Callable[[str], Any] = lambda source: None,
        hold_time: float = 0.0,
    ) -> None:
        self._contacts: Sequence[_Contact] = [_Contact(*item, Debouncer(hold_time)) for item in pins.items()]
        self._handlers = {"pressed": when_pressed, "held": when_held}
        self._signal = gevent_event.Event()
        self._events: deque[tuple[str, str]] = deque()
        self._stopping = False
        self._failure: BaseException | None = None
        self._last_sample = time.monotonic()
        self._long_gaps = 0
        self._worst_gap = 0.0
        self._notable_gap = 0.0
        self._last_gap: tuple[float, float] | None = None  # the last long one, in seconds, and its Unix time
        self._presses = 0
        self._last_press: float | None = None

    def start(self) -> None:
        """Start sampling and return after the first sample.

        Must be called on the hub that runs the callbacks.
        """
        if not self._contacts:
            return
        self._wake = gevent.get_hub().loop.async_()
        self._wake.start(self._signal.set)
        started_at = self._last_sample
        _start_thread(self._sample, ())
        while self._last_sample == started_at and self._failure is None:
            gevent.sleep(SAMPLE_INTERVAL)

    def tasks(self) -> Sequence[Callable[[], None]]:
        """Return what must run in a greenlet for the life of the button."""
        return (self._dispatch,) if self._contacts else ()

    def stop(self, timeout: float = 0.0) -> None:
        """Stop sampling, call the callbacks for earlier presses, and release the pins."""
        self._stopping = True
        self._call_back()
        for contact in self._contacts:
            contact.pin.close()

    def status(self) -> ButtonStatus:
        """Return the health."""
        stopped = bool(self._contacts) and time.monotonic() - self._last_sample > STOPPED_TIMEOUT
        stuck = self._stuck()
        return {
            "driver": self._contacts[0].pin.driver if self._contacts else "none",
            "sources": [contact.source for contact in self._contacts],
            "trouble": "the pin is no longer sampled" if stopped else None,
            "pressed": [contact.source for contact in self._contacts if contact.debouncer.pressed],
            "stuck": stuck,
            "warnings": [f"{source} has been held for over {STUCK_TIME:.0f} s" for source in stuck],
            "presses": self._presses,
            "bounces": sum(contact.debouncer.bounces for contact in self._contacts),
            "long_gaps": self._long_gaps,
            "worst_gap": round(self._worst_gap, 4),
            "last_gap": round(self._last_gap[0], 4) if self._last_gap else None,
            "last_gap_at": self._last_gap[1] if self._last_gap else None,
            "pressed_at": self._last_press,
        }

    def is_stuck(self) -> bool:
        """Return whether a button has been held for longer than anybody presses."""
        return bool(self._stuck())

    def _stuck(self) -> list[str]:
        now = time.monotonic()
        return [contact.source for contact in self._contacts if contact.debouncer.is_stuck(now)]

    def _sample(self) -> None:
        """Sample until the button stops. Runs in a native thread, so no gevent but the async watcher."""
        try:
            contacts = [(source, pin.read, debouncer) for source, pin, debouncer in self._contacts]
            clock, sleep, last, undecided = time.monotonic, _sleep, time.monotonic(), False
            while not self._stopping:  # 500 times a second: kept lean
                sleep(UNDECIDED_INTERVAL if undecided else SAMPLE_INTERVAL)
                undecided = False
                now = clock()
                if now - last > self._notable_gap:
                    self._record_gap(now - last)
                self._last_sample = last = now
                for source, read, debouncer in contacts:
                    event = debouncer.update(read(), now)
                    undecided = undecided or debouncer.undecided
                    if event is not None and event != "released":
                        self._events.append((event, source))
                        self._wake.send()
        except BaseException as error:
            self._failure = error
            if not self._stopping:
                self._wake.send()

    def _record_gap(self, gap: float) -> None:
        if gap > LONG_GAP:
            self._long_gaps += 1
            self._last_gap = gap, time.time()
        self._worst_gap = max(self._worst_gap, gap)
        self._notable_gap = min(self._worst_gap, LONG_GAP)

    def _dispatch(self) -> None:
        """Call the callbacks until the button stops. Raises `RuntimeError` if the sampler has crashed."""
        logged: list[str] = []
        while not self._stopping:
            self._signal.wait(timeout=STUCK_TIME / 2)
            self._signal.clear()
            if (stuck := self._stuck()) != logged:
                logged = stuck
                log.warning("Stuck buttons: %s", ", ".join(stuck) or "none")
            self._call_back()
            if self._failure is not None and not self._stopping:
                raise RuntimeError("the sampler of the pin has crashed") from self._failure

    def _call_back(self) -> None:
        while self._events:
            event, source = self._events.popleft()
            log.debug("Contact %s %s", source, event)
            if event == "pressed":
                self._presses += 1
                self._last_press = time.time()
            self._handlers[event](source)
