"""Pure debouncer, which turns samples of a pin's level into presses."""

#: Seconds for which the pin must stay low for a press. Glitches caused by motors are shorter.
PRESS_TIME = 0.005
#: Minimum number of consecutive low samples for a press. Otherwise a glitch before and another one after a
#: stall of the sampler would look like one long low level.
MIN_SAMPLES = 3
#: Seconds for which the pin must be high before the next press. The worst ordinary switch bounces for 6.2 ms
#: (Ganssle, "A Guide to Debouncing"), a worn one for 12 ms or more. People can tap 7 times a second.
RELEASE_TIME = 0.025
#: Each low sample subtracts this multiple of its duration from the time that the pin was high. Starting over
#: at each low sample would lose one press in 500 with 20 glitches a second (tests/support/switch_model.py).
LOW_WEIGHT = 2
#: Seconds between samples beyond which the level in between is unknown.
STALL_TIME = 0.010
#: Seconds after which a held button is reported as stuck.
STUCK_TIME = 10.0


class Debouncer:
    """Detects presses in samples of a bouncing contact.

    Pass it every sample of the pin's level, 0 for low (pressed, since the button connects a pulled-up pin to
    ground), and its monotonic time:

        debouncer = Debouncer()
        event = debouncer.update(0, 12.345)    # "pressed", "held", "released" or None

    A pin that is low at the start must be released first, since it may be shorted.

    Args:
        hold_time: Seconds after which a press is reported as "held", once; 0 disables this.
    """

    def __init__(self, hold_time: float = 0.0) -> None:
        self._hold_time = hold_time
        self._held = False  # "held" was returned for the current press
        self._level = 1
        self._sampled_at: float | None = None
        #: Whether the button is pressed, or the pin has been low since the start.
        self.pressed = False
        self._counted = False  # the current press was reported; False if low at the start
        self._low_since = 0.0  # start of the current run of low samples
        self._lows = 0  # number of samples in it
        #: Whether the pin is low but not pressed yet, so that the next sample should follow soon.
        self.undecided = False
        self._high = 0.0  # seconds of high level since the press, reduced by bounces
        #: Number of level changes without effect, such as bounces and glitches.
        self.bounces = 0

    def update(self, level: int, now: float) -> str | None:
        """Process a sample.

        Args:
            level: 0 or 1.
            now: Monotonic time in seconds.

        Returns:
            "pressed", "held" or "released" once that is certain, else None.
        """
        if level and self._level and not self.pressed:
            self._sampled_at = now  # idle, as almost always
            return None
        if self._sampled_at is None:  # low at the start
            self._sampled_at, self._level, self._low_since, self.pressed = now, 0, now, True
        passed, self._sampled_at = now - self._sampled_at, now
        changed, self._level = level != self._level, level
        if not self.pressed:
            return self._press(level, changed, now)
        return self._release(level, changed, passed) or self._hold(level, now)

    def is_stuck(self, now: float) -> bool:
        """Return whether the button has been held for an unusually long time."""
        return self.pressed and now - self._low_since > STUCK_TIME

    def _press(self, level: int, changed: bool, now: float) -> str | None:
        self.undecided = False
        if level:
            self.bounces += changed
            return None
        if changed:
            self._low_since, self._lows = now, 0
        self._lows += 1
        if self._lows < MIN_SAMPLES or now - self._low_since < PRESS_TIME:
            self.undecided = True
            return None
        self.pressed, self._counted, self._held, self._high = True, True, False, 0.0
        return "pressed"

    def _release(self, level: int, changed: bool, passed: float) -> str | None:
        stalled = passed > STALL_TIME
        if level or (changed and stalled):
            self._high += passed if stalled or not changed else 0.0
        elif not stalled:
            self._high = max(0.0, self._high - LOW_WEIGHT * passed)
        self.bounces += changed and not level
        if self._high < RELEASE_TIME:
            return None
        self.pressed = False
        self._level = 1  # a low sample that completes the release starts the next press
        return "released" if self._counted else None

    def _hold(self, level: int, now: float) -> str | None:
        if not self.pressed:  # just released
            return None
        # Only while the pin stays low, since a button that was just released is not held.
        self._lows = 0 if level else self._lows + 1
        if self._lows < MIN_SAMPLES or self._held or not self._hold_time or not self._counted or self._high:
            return None
        self._held = now - self._low_since >= self._hold_time
        return "held" if self._held else None
