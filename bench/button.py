"""Latency, CPU and sampling gaps of the button, and accuracy of the debouncer."""

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


class ModelPin:
    """A pin driven by a switch model.

    `low_at` has the times of the first low sample of each press.
    """

    driver = "model"

    def __init__(self, finger):
        self.finger, self.started_at, self.low_at, self.reads = finger, _clock(), [], []
        self._next = 0

    def read(self):
        self.reads.append(_clock())
        now = self.reads[-1] - self.started_at
        level = self.finger.level(now)
        began = self.finger.began
        if not level and self._next < len(began) and now >= began[self._next]:
            self.low_at.append(_clock())
            self._next += 1
        return level

    def close(self):
        pass


def measure(busy, presses=150):
    """Return the latencies from low sample to callback, and the gaps between samples, in seconds."""
    pressed_at = []
    finger = Finger(3, presses, glitches_a_second=0.0001)
    pin = ModelPin(finger)
    button = Button({"button": pin}, lambda _: pressed_at.append(_clock()))
    start(button)
    pin.started_at = _clock()
    while _clock() - pin.started_at < finger.end:
        if busy:
            end = _clock() + 0.02
            while _clock() < end:
                sum(range(500))
            gevent.sleep(0.001)
        else:
            gevent.sleep(0.1)
    button.stop()
    gaps = [after - before for before, after in itertools.pairwise(pin.reads)]
    assert len(pressed_at) == presses, f"expected {presses} presses, got {len(pressed_at)}"
    return [after - before for before, after in zip(pin.low_at, pressed_at, strict=True)], gaps


def start(button):
    button.start()
    for task in button.tasks():
        gevent.spawn(task)


def idle(seconds=10):
    """Return the share of a core that the sampler uses without presses."""

    class IdlePin:
        driver = "idle"

        def read(self):
            return 1

        def close(self):
            pass

    before = time.process_time()
    gevent.sleep(seconds)
    without_sampler = time.process_time() - before
    button = Button({"button": IdlePin()}, print)
    start(button)
    before = time.process_time()
    gevent.sleep(seconds)
    used = time.process_time() - before - without_sampler
    button.stop()
    return used / seconds


def model(seeds=20, presses=500):
    """Print lost and extra presses in the model, with and without sampler stalls."""
    for stall in (0.0, 0.025):
        lost = extra = 0
        for seed in range(seeds):
            finger = Finger(seed, presses)
            result = finger.judge(finger.sample(Debouncer(), stall))
            lost, extra = lost + result[0], extra + result[1]
        name = f"with stalls up to {stall * 1000:.0f} ms" if stall else "without stalls"
        print(f"model, {seeds * presses} presses over {seeds} seeds, {name}: {lost} lost, {extra} extra")


def main():
    sys.setswitchinterval(SWITCH_INTERVAL)
    print(f"sampler, one pin every 2 ms: {idle():.2%} of a core")
    for busy in (False, True):
        latencies, gaps = measure(busy)
        state = "hub busy" if busy else "hub idle"
        print(spread(f"low sample to callback, {state}", latencies))
        print(spread(f"between samples, {state}", gaps), f"  p99.9 {percentile(gaps, 0.999) * 1000:.2f}")
    model()


if __name__ == "__main__":
    main()
    os._exit(0)
