"""The LED in the button, which shows whether a press counted."""

from collections import deque
from collections.abc import Callable
from typing import TypedDict

import gevent
from gevent import event as gevent_event

from .pins import OutputPin

#: Seconds for which the LED is off, and then on, in one blink.
BLINK_TIME = 0.12
#: Blinking period of each state, in seconds. At rest, the LED is on.
PERIODS = {"rest": None, "slow": 1.6, "fast": 0.2}
#: Seconds between checks of the state while at rest.
CHECK_INTERVAL = 0.25
#: Number of blinks for each kind of change.
BLINKS = {"press": 1, "undo": 2}
#: Maximum number of queued blinks, since a burst of presses need not be shown in full.
MAX_BLINKS = 3


class LedStatus(TypedDict):
    """What the LED shows, which is "rest", "slow" or "fast"."""

    shows: str


class Led:
    """An LED that shows a state and blinks on request.

    Wire physical pin 12 (GPIO18) through 330 Ohm to the LED's long leg, and its short leg to ground, such as
    physical pin 14.

        led = Led(GpioOutput(12), state=lambda: "rest")
        for task in led.tasks():
            gevent.spawn(task)
        led.blink(1)

    Args:
        pin: The LED's pin.
        state: Returns "rest" (lit), "slow" or "fast" (blinking).
    """

    def __init__(self, pin: OutputPin, state: Callable[[], str]) -> None:
        self._pin = pin
        self._state = state
        self._shown = "rest"
        self._closed = False
        self._blinks: deque[int] = deque(maxlen=MAX_BLINKS)
        self._wake = gevent_event.Event()

    def blink(self, times: int) -> None:
        """Queue a number of blinks. Does not block."""
        self._blinks.append(times)
        self._wake.set()

    def acknowledge(self, kind: str) -> None:
        """Queue one blink for a "press", two for an "undo" and none for other changes."""
        if blinks := BLINKS.get(kind):
            self.blink(blinks)

    def tasks(self) -> tuple[Callable[[], None], ...]:
        """Return the background tasks. Run each in a greenlet."""
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
                self._set(1, CHECK_INTERVAL)
            else:
                self._set(0, period / 2)
                self._set(1, period / 2)

    def status(self) -> LedStatus:
        """Return what the LED shows."""
        return {"shows": self._shown}

    def stop(self, timeout: float = 0.0) -> None:
        """Turn the LED off and release its pin."""
        self._closed = True
        self._pin.close()

    def _write(self, level: int) -> None:
        if not self._closed:
            self._pin.write(level)

    def _blink(self, times: int) -> None:
        for _ in range(times):
            self._write(0)
            gevent.sleep(BLINK_TIME)
            self._write(1)
            gevent.sleep(BLINK_TIME)
        gevent.sleep(BLINK_TIME)  # so that two blinks differ from one blink twice

    def _set(self, level: int, seconds: float) -> None:
        """Set the level for `seconds`, or until a blink is queued."""
        if not self._blinks:
            self._write(level)
            self._wake.wait(seconds)
            self._wake.clear()
