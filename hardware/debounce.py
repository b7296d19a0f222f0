"""From the level of a pin, sampled, to presses: each counted once, however the contact bounces. Pure."""

#: Seconds that the pin must be low on end for a press. A glitch from a motor or a lamp is shorter.
PRESS_AFTER = 0.005
#: Seconds that it must be high on end before the next press. The worst ordinary switch bounces for
#: 6.2 ms (Ganssle, "A Guide to Debouncing"), a worn one for 12 ms and more; people tap 7 times a second.
READY_AFTER = 0.025
#: Samples on end that must agree besides, since one glitch before and one after a stall of the
#: sampler would else look like one long level.
LEAST_SAMPLES = 3
#: Seconds after which a button that is held is reported as stuck.
STUCK_AFTER = 10.0


class Debouncer:
    """Tells presses from bounces.

    Feed it every sample of the pin's level, 0 for low (pressed: the pin is pulled up and the button
    connects it to ground), with the time in seconds of any steady clock:

        debouncer = Debouncer()
        event = debouncer.update(0, 12.345)    # "pressed", "released" or None

    A level is believed once it has lasted. A pin that is low at the start waits for a release first:
    nobody is known to have pressed it.
    """

    def __init__(self) -> None:
        self._believed = 1
        self._waits_for_release = False
        self._level: int | None = None
        self._since = 0.0  # when the present run of equal samples began
        self._samples = 0
        self._pressed_at: float | None = None
        #: Runs of samples that ended before they were believed: bounces and glitches.
        self.bounces = 0

    def update(self, level: int, now: float) -> str | None:
        """Take a sample; returns "pressed" or "released" when that is now certain."""
        if level != self._level:
            if self._level is None and level == 0:
                self._believed, self._pressed_at, self._waits_for_release = 0, now, True
            elif self._level is not None and self._level != self._believed:
                self.bounces += 1
            self._level, self._since, self._samples = level, now, 1
            return None
        self._samples += 1
        lasts = PRESS_AFTER if level == 0 else READY_AFTER
        if level == self._believed or self._samples < LEAST_SAMPLES or now - self._since < lasts:
            return None
        self._believed = level
        if level == 0:
            self._pressed_at = self._since
            return "pressed"
        self._pressed_at = None
        if self._waits_for_release:
            self._waits_for_release = False
            return None
        return "released"

    @property
    def pressed_at(self) -> float | None:
        """When the press that lasts began, by the sampler's clock; None while released."""
        return self._pressed_at

    def is_stuck(self, now: float) -> bool:
        """Whether the button has been held for longer than anybody means to."""
        return self._pressed_at is not None and now - self._pressed_at > STUCK_AFTER
