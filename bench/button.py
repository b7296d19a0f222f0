"""The pin: from the first low sample to the greenlet, what the sampler costs, and its gaps while the hub computes."""

from gevent import monkey

monkey.patch_all()

import itertools
import os
import sys
import time

import gevent

from bench.rig import HERE, percentile, spread
from hardware import Button
from integrations.process import SWITCH_INTERVAL

sys.path.insert(0, str(HERE.parent / "tests/support"))

from switch_model import Finger

from hardware.debouncer import Debouncer

_clock = time.monotonic


class PlayedPin:
    """A pin that a modelled finger moves; `low` is when each press was first sampled low."""

    driver = "played"

    def __init__(self, finger):
        self.finger, self.begun, self.low, self.reads = finger, _clock(), [], []
        self._next = 0

    def read(self):
        self.reads.append(_clock())
        now = self.reads[-1] - self.begun
        level = self.finger.level(now)
        began = self.finger.began
        if not level and self._next < len(began) and now >= began[self._next]:
            self.low.append(_clock())
            self._next += 1
        return level

    def close(self):
        pass


def play(computing, presses=150):
    """Seconds from low sample to greenlet, and those between samples."""
    heard = []
    finger = Finger(3, presses, glitches_a_second=0.0001)
    pin = PlayedPin(finger)
    button = Button({"button": pin}, lambda _: heard.append(_clock()))
    start(button)
    pin.begun = _clock()
    while _clock() - pin.begun < finger.end:
        if computing:
            end = _clock() + 0.02
            while _clock() < end:
                sum(range(500))
            gevent.sleep(0.001)
        else:
            gevent.sleep(0.1)
    button.stop()
    gaps = [after - before for before, after in itertools.pairwise(pin.reads)]
    assert len(heard) == presses, f"{len(heard)} of {presses}"
    return [after - before for before, after in zip(pin.low, heard, strict=True)], gaps


def start(button):
    button.start()
    for task in button.tasks():
        gevent.spawn(task)


def idle(seconds=10):
    """Share of a core that the sampler takes while nothing happens."""

    class Rest:
        driver = "rest"

        def read(self):
            return 1

        def close(self):
            pass

    before = time.process_time()
    gevent.sleep(seconds)
    without = time.process_time() - before
    button = Button({"button": Rest()}, print)
    start(button)
    before = time.process_time()
    gevent.sleep(seconds)
    used = time.process_time() - before - without
    button.stop()
    return used / seconds


def model(seeds=20, presses=500):
    """Lost and extra presses of the model, plain and with stalls of the sampler."""
    for stall in (0.0, 0.025):
        lost = extra = 0
        for seed in range(seeds):
            finger = Finger(seed, presses)
            more = finger.judge(finger.sample(Debouncer(), stall))
            lost, extra = lost + more[0], extra + more[1]
        name = f"with stalls up to {stall * 1000:.0f} ms" if stall else "plain"
        print(f"model, {seeds * presses} presses over {seeds} seeds, {name}: {lost} lost, {extra} extra")


def main():
    sys.setswitchinterval(SWITCH_INTERVAL)
    print(f"sampler, one pin each 2 ms: {idle():.2%} of a core")
    for computing in (False, True):
        delays, gaps = play(computing)
        what = "hub computing" if computing else "hub idle"
        print(spread(f"low to greenlet, {what}", delays))
        print(spread(f"between samples, {what}", gaps), f"  99.9 % {percentile(gaps, 0.999) * 1000:.2f}")
    model()


if __name__ == "__main__":
    main()
    os._exit(0)
