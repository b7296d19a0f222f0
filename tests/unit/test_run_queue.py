"""The run queue, which shares the event loop."""

import time

import gevent
from server import DEADLINE

from realtime.fairness import PASS_BUDGET, RunQueue


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_work_beyond_the_budget_waits_for_the_next_pass():
    queue, ran = RunQueue(), []
    for number in range(10):
        queue.submit(lambda number=number: (spin(PASS_BUDGET), ran.append(number)))
    ticks = []
    while len(ran) < 10:
        gevent.sleep(0.0001)
        ticks.append(len(ran))
    assert ran == list(range(10)), "in the order of submission"
    assert len(set(ticks)) >= 5, "timers run in between"


def test_urgent_work_runs_first():
    queue, ran = RunQueue(), []
    for number in range(5):
        queue.submit(lambda number=number: ran.append(number))
    queue.submit(lambda: ran.append("urgent"), urgent=True)
    with gevent.Timeout(DEADLINE):
        while len(ran) < 6:
            gevent.sleep(0.001)
    assert ran[0] == "urgent"


def test_greenlets_of_finished_work_are_reused():
    queue, greenlets = RunQueue(), []
    for _ in range(50):
        queue.submit(lambda: greenlets.append(gevent.getcurrent()))
        gevent.sleep(0.001)
    assert len(set(greenlets)) == 1
