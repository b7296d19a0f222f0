"""Physical buttons, sampled in a native thread, with callbacks in a greenlet."""

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

#: Seconds between samples. The shortest press that counts spans 3 samples. Sampling takes 1 % of a core.
SAMPLE_INTERVAL = 0.002
#: The same while a pin is low but not yet pressed, so that screens are updated a millisecond earlier.
UNDECIDED_INTERVAL = 0.001
#: Seconds between samples in which a whole press could be missed. Such gaps are counted.
LONG_GAP = 0.020
#: Seconds without a sample after which the sampler counts as stopped.
STOPPED_TIMEOUT = 2.0

# The originals, even if gevent has patched the process, since greenlets must not block the sampler.
_sleep = monkey.get_original("time", "sleep")
_start_thread = monkey.get_original("_thread", "start_new_thread")


class ButtonStatus(TypedDict):
    """Health of the buttons. Presses are detected while `trouble` is None."""

    driver: str
    sources: list[str]
    trouble: str | None
    #: Sources of the buttons that are currently pressed, and of those that are stuck.
    pressed: list[str]
    stuck: list[str]
    warnings: list[str]
    presses: int
    bounces: int
    #: Gaps between samples in which a press could be missed: their number, the longest and the last one in
    #: seconds, and the Unix time of the last one.
    long_gaps: int
    worst_gap: float
    last_gap: float | None
    last_gap_at: float | None
    #: Unix time of the last press, or None if there was none since the start.
    pressed_at: float | None


class _Contact(NamedTuple):
    source: str
    pin: InputPin
    debouncer: Debouncer


class Button:
    """One or more physical buttons.

        button = Button({"button": SimulatedInput()}, when_pressed=print)
        button.start()
        for task in button.tasks():
            gevent.spawn(task)

    A native thread samples every 2 ms and wakes the hub through the loop's async watcher, the only part of
    gevent that other threads may use.

    Args:
        pins: Maps names of sources (`button`, `button-11`) to their pins.
        when_pressed: Called in a greenlet with the source, once for each press, in order.
        when_held: Called with the source when a press has lasted for `hold_time`.
        hold_time: Seconds after which `when_held` is called; 0 disables it.
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
        self._last_gap: tuple[float, float] | None = None  # of the last long one: seconds, Unix time
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
        """Return the background tasks. Run each in a greenlet."""
        return (self._dispatch,) if self._contacts else ()

    def stop(self, timeout: float = 0.0) -> None:
        """Stop sampling, call the callbacks for earlier presses, and release the pins."""
        self._stopping = True
        self._call_back()
        for contact in self._contacts:
            contact.pin.close()

    def status(self) -> ButtonStatus:
        """Return the buttons' health."""
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
        """Return whether a button has been held for an unusually long time."""
        return bool(self._stuck())

    def _stuck(self) -> list[str]:
        now = time.monotonic()
        return [contact.source for contact in self._contacts if contact.debouncer.is_stuck(now)]

    def _sample(self) -> None:
        """Sample until the button stops.

        Runs in a native thread, so only the async watcher of gevent may be used.
        """
        try:
            contacts = [(source, pin.read, debouncer) for source, pin, debouncer in self._contacts]
            clock, sleep, last, undecided = time.monotonic, _sleep, time.monotonic(), False
            while not self._stopping:  # a hot loop, 500 times a second
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
        """Call the callbacks until the button stops. Raises `RuntimeError` if sampling fails."""
        logged: list[str] = []
        while not self._stopping:
            self._signal.wait(timeout=STUCK_TIME / 2)
            self._signal.clear()
            if (stuck := self._stuck()) != logged:
                logged = stuck
                log.warning("Stuck buttons: %s", ", ".join(stuck) or "none")
            self._call_back()
            if self._failure is not None and not self._stopping:
                raise RuntimeError("the sampler thread crashed") from self._failure

    def _call_back(self) -> None:
        while self._events:
            event, source = self._events.popleft()
            log.debug("Contact %s %s", source, event)
            if event == "pressed":
                self._presses += 1
                self._last_press = time.time()
            self._handlers[event](source)
