"""From the level of a pin, sampled, to presses: each counted once, however the contact bounces. Pure."""

#: Seconds that the pin must be low on end for a press. A glitch from a motor or a lamp is shorter.
PRESS_AFTER = 0.005
#: Samples on end that must be low besides, since one glitch before and one after a stall of the
#: sampler would else look like one long low.
LEAST_SAMPLES = 3
#: Seconds that it must be high before the next press. The worst ordinary switch bounces for 6.2 ms
#: (Ganssle, "A Guide to Debouncing"), a worn one for 12 ms and more; people tap 7 times a second.
READY_AFTER = 0.025
#: A low sample meanwhile takes back so many times the time that it stands for. To begin anew at each,
#: as one would first think, loses a press in 500 where glitches come 20 a second (tests/bounce.py).
LOW_COUNTS = 2
#: Seconds between two samples from which on the sampler had stalled, and nobody knows what was.
STALL = 0.010
#: Seconds after which a button that is held is reported as stuck.
STUCK_AFTER = 10.0


class Debouncer:
    """Tells presses from bounces.

    Feed it every sample of the pin's level, 0 for low (pressed: the pin is pulled up and the button
    connects it to ground), with the time in seconds of any steady clock:

        debouncer = Debouncer()
        event = debouncer.update(0, 12.345)    # "pressed", "held", "released" or None

    A level is believed once it has lasted. A pin that is low at the start waits for a release first:
    nobody is known to have pressed it. A press is "held" once, after `hold` seconds; 0: never.
    """

    def __init__(self, hold: float = 0.0) -> None:
        self._hold = hold
        self._held = False  # the press that lasts was told to be held
        self._level = 1
        self._sampled: float | None = None
        self._pressed = False
        self._seen = False  # the press that lasts was one: it began before our eyes
        self._began = 0.0  # when the present run of low samples began
        self._lows = 0  # samples in it
        #: Whether the pin is low and it is not certain yet what of: to be sampled soon.
        self.undecided = False
        self._high = 0.0  # seconds of high since the press, less what bounces took back
        #: Changes of level that led to nothing: bounces and glitches.
        self.bounces = 0

    def update(self, level: int, now: float) -> str | None:
        """Take a sample; returns "pressed" or "released" when that is now certain."""
        if level and self._level and not self._pressed:
            self._sampled = now  # at rest, as nearly always
            return None
        if self._sampled is None:  # low at the start
            self._sampled, self._level, self._began, self._pressed = now, 0, now, True
        passed, self._sampled = now - self._sampled, now
        changed, self._level = level != self._level, level
        event = self._release(level, changed, passed) if self._pressed else None
        if event is None and self._pressed:
            return self._hold_on(level, now)
        return event or (None if self._pressed else self._press(level, changed, now))

    def _hold_on(self, level: int, now: float) -> str | None:
        # Only while the pin stays low: a finger that has just let go holds no more.
        self._lows = 0 if level else self._lows + 1
        if self._lows < LEAST_SAMPLES or self._held or not self._hold or not self._seen or self._high:
            return None
        self._held = now - self._began >= self._hold
        return "held" if self._held else None

    def _press(self, level: int, changed: bool, now: float) -> str | None:
        self.undecided = False
        if level:
            self.bounces += changed
            return None
        if changed:
            self._began, self._lows = now, 0
        self._lows += 1
        if self._lows < LEAST_SAMPLES or now - self._began < PRESS_AFTER:
            self.undecided = True
            return None
        self._pressed, self._seen, self._held, self._high = True, True, False, 0.0
        return "pressed"

    def _release(self, level: int, changed: bool, passed: float) -> str | None:
        stalled = passed > STALL
        if level or (changed and stalled):
            self._high += passed if stalled or not changed else 0.0
        elif not stalled:
            self._high = max(0.0, self._high - LOW_COUNTS * passed)
        self.bounces += changed and not level
        if self._high < READY_AFTER:
            return None
        self._pressed = False
        self._level = 1  # a low that comes with it begins the next press
        return "released" if self._seen else None

    def is_stuck(self, now: float) -> bool:
        """Whether the button has been held for longer than anybody means to."""
        return self._pressed and now - self._began > STUCK_AFTER
