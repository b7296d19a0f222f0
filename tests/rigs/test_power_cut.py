"""Simulated power cuts, which must not lose published changes."""

import random
import sys

import pytest
from power_cut import record
from server import SUPPORT

from storage import SqliteDatabase, sqlite_files

PROGRAM = SUPPORT / "power_workload.py"
PRESSES = 120


def published(log, at):
    """Return the number of changes published before the cut, each a byte in a file."""
    (file,) = {file for kind, file, _, name in log.records if kind == "n" and name == b"announced"} or {None}
    return sum(kind == "w" and which == file for kind, which, _, _ in log.records[:at])


def losses(log, cuts, folder, seed=1):
    """Simulate `cuts` power cuts at random moments. Return the number with a loss."""
    chance = random.Random(seed)
    lost = 0
    for number in range(cuts):
        at = chance.randint(0, len(log.records))
        place = folder / str(number)
        place.mkdir()
        for name, data in log.cut(at, chance).items():
            (place / name).write_bytes(data)
        count = published(log, at)
        try:
            database = SqliteDatabase(place / "button.db", goal=20)
        except sqlite_files.DatabaseError:
            lost += 1
            continue
        events = database.events_after(0, 10_000)
        lost += len(events) < count or [event.seq for event in events] != list(range(1, len(events) + 1))
        database.close()
    return lost


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    return place


def test_300_power_cuts_lose_no_published_change(folder, tmp_path):
    log = record(folder, [sys.executable, PROGRAM, folder, str(PRESSES)])
    assert log.syncs > PRESSES / 4
    assert published(log, len(log.records)) >= PRESSES
    assert losses(log, 300, tmp_path) == 0


def test_power_cuts_without_syncs_lose_changes(folder, tmp_path):
    """Shows that the test above can detect a loss."""
    log = record(folder, [sys.executable, PROGRAM, folder, str(PRESSES)], no_sync=True)
    assert losses(log, 60, tmp_path) > 0
