"""The light in the button: it tells the finger what became of the press."""

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import gevent
from gevent import event as gevent_event

#: Seconds that the light is out, and then on, in a blink.
BLINK = 0.12
#: Seconds from one blink to the next, as long as something is the matter. At rest the light is on.
PERIODS = {"rest": None, "slow": 1.6, "fast": 0.2}
#: Seconds between looks at what is the matter, at rest.
LOOK_EVERY = 0.25
#: Blinks that wait at most: of a burst of presses the finger feels the first.
MOST_WAITING = 3


class OutputPin(Protocol):
    """A pin whose level can be set."""

    def write(self, level: int) -> None:
        """Set the level: 1 lights the LED."""

    def close(self) -> None:
        """Put the light out and give the pin back."""


class Led:
    """Shows what is the matter, and blinks when told.

    Wire physical pin 12 (GPIO18) through 330 Ohm to the LED's long leg, and its short leg to ground, say
    physical pin 14.

        led = Led(open_led("gpio", 12), state=lambda: "rest")
        for task in led.tasks():
            gevent.spawn(task)
        led.blink(1)

    `state()` is "rest" (lit), "slow" or "fast".
    """

    def __init__(self, pin: OutputPin, state: Callable[[], str]) -> None:
        self._pin = pin
        self._state = state
        self._shown = "rest"
        self._closed = False
        self._blinks: deque[int] = deque(maxlen=MOST_WAITING)
        self._wake = gevent_event.Event()

    def blink(self, times: int) -> None:
        """Blink so many times, as soon as the blinks before are done; does not block."""
        self._blinks.append(times)
        self._wake.set()

    def tasks(self) -> tuple[Callable[[], None], ...]:
        """Return what must run in a greenlet for the life of the LED."""
        return (self._run,)

    def _run(self) -> None:
        """Drive the LED until it is stopped. Blocks."""
        while not self._closed:
            if self._blinks:
                self._blink(self._blinks.popleft())
                continue
            self._shown = self._state()
            period = PERIODS[self._shown]
            if period is None:
                self._set(1, LOOK_EVERY)
            else:
                self._set(0, period / 2)
                self._set(1, period / 2)

    def status(self) -> dict[str, Any]:
        """What the light shows."""
        return {"shows": self._shown}

    def stop(self, timeout: float = 0.0) -> None:
        """Put the light out for good."""
        self._closed = True
        self._pin.close()

    def _write(self, level: int) -> None:
        if not self._closed:
            self._pin.write(level)

    def _blink(self, times: int) -> None:
        for _ in range(times):
            self._write(0)
            gevent.sleep(BLINK)
            self._write(1)
            gevent.sleep(BLINK)
        gevent.sleep(BLINK)  # so that two blinks and two times one are not the same

    def _set(self, level: int, seconds: float) -> None:
        """Set the level for so long, or until there is something to blink for."""
        if not self._blinks:
            self._write(level)
            self._wake.wait(seconds)
            self._wake.clear()
