"""Data as in a real office: four weeks of deals, and the values of a shop and its machine."""

import datetime
import math
import random
import time

from storage import Change, open_database
from storage.database import row
from storage.rules import apply, origin

GOAL = 20
#: Hours of the day with deals, and how many there are in each on average.
DEALS = {8: 1, 9: 3, 10: 5, 11: 4, 12: 1, 13: 3, 14: 5, 15: 4, 16: 3, 17: 1}
#: Number and interval of the samples of each series, in seconds.
SAMPLES, INTERVAL = 100, 6


def afternoon():
    """Return the name of a time zone in which it is afternoon now, between 15:00 and 16:00."""
    ahead = (15 - datetime.datetime.now(datetime.UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}"


def record_deals(path, days=28):
    """Record deals of the last days, as seen in the afternoon, in a new SQLite database at `path`."""
    chance, now = random.Random(6), time.time()
    midnight = now - 15 * 3600 - now % 3600
    times = [
        midnight - day * 86400 + (hour + chance.random()) * 3600
        for day, busy in enumerate(chance.uniform(0.4, 1.2) for _ in range(days))
        for hour, deals in DEALS.items()
        for _ in range(round(chance.gauss(deals, deals / 2) * busy))
    ]
    events = [origin(GOAL, midnight - days * 86400)]
    for at in sorted(at for at in times if at < now - 60):
        events.append(apply(events[-1], Change("press", "button"), at, events.__getitem__))
    database = open_database(f"sqlite:///{path}", GOAL)
    database.load(GOAL, events[0].at, map(row, events[1:]), {})
    database.close()


def publish_values(publisher):
    """Publish the values of the last ten minutes; return their number."""
    chance, temperature, now = random.Random(1), 21.0, time.time()
    for number in range(SAMPLES):
        temperature += chance.gauss(0, 0.15) + (22 - temperature) / 30
        values = {
            "Machine load %": 62 + 14 * math.sin(number / 11) + chance.gauss(0, 4),
            "Temperature °C": temperature,
            "Orders per minute": max(0, round(38 + 8 * math.sin(number / 17 + 2) + chance.gauss(0, 2))),
        }
        for series, value in values.items():
            x_ms = (now - (SAMPLES - number) * INTERVAL) * 1000
            publisher.send_json({"x": x_ms, "y": round(value, 1), "series": series})
    return SAMPLES * len(values)
