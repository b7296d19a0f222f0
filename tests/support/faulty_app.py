"""The Button with the fault selected by the environment variable VARIANT."""

import itertools
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import gevent
from gevent import monkey

import app  # patches this process
from hardware import debouncer, simulated
from storage import sqlite

_sleep = monkey.get_original("time", "sleep")


def block_the_hub():
    """Block the hub for 250 ms of every 550 ms, as a careless greenlet would."""
    while True:
        gevent.sleep(0.3)
        _sleep(0.25)


def keep_the_hub_busy():
    """Block the hub by computing, which also keeps the GIL from the sampler."""
    while True:
        gevent.sleep(0.01)
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            sum(range(1000))


def hang(*_):
    """Block the calling thread for 1,000 s."""
    _sleep(1000)


def break_led():
    raise OSError("the light burnt out")


if os.environ["VARIANT"] == "hub hangs":
    gevent.spawn_later(5, hang)
elif os.environ["VARIANT"] == "sampler hangs":
    levels = itertools.repeat(1, 1000)
    simulated.SimulatedInput.read = lambda pin: next(levels, None) or hang()
elif os.environ["VARIANT"] == "writer hangs":
    sqlite.SqliteDatabase._record = hang
elif os.environ["VARIANT"] == "light breaks":
    writes = iter(range(5))
    simulated.SimulatedOutput.write = lambda pin, level: break_led() if next(writes, None) is None else None
elif os.environ["VARIANT"] == "blocked":
    gevent.spawn(block_the_hub)
elif os.environ["VARIANT"] == "busy":
    gevent.spawn(keep_the_hub_busy)
elif os.environ["VARIANT"] == "broken":
    debouncer.PRESS_TIME = debouncer.RELEASE_TIME = 0.0
    debouncer.MIN_SAMPLES = 1
sys.exit(app.main())
