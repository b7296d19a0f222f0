"""Presses, memory and shutdown under attack."""

import pytest
from attacks import ATTACKS
from siege import Siege

#: One attack of each kind, for `make test`. The others run for longer in `make test-slow`.
SHORT = (
    "pipelining /api/count",
    "pipelining without reading",
    "chunked: endless trailers",
    "150 unfinished requests, 16 kB of headers",
    "260 sessions with large headers",
    "8 clients that leave and rejoin",
    "20 clients that flood with events",
    "200 HTTP clients that read nothing",
    "12 guessers with changing addresses",
    "an endless feed message",
)
#: Seconds, ten times the figures in docs/security.md.
MAX_PRESS, MAX_SCREENS, MAX_STOP = 3.0, 5.0, 5.0
#: Bytes. Memory usage does not depend on the machine's speed.
MAX_MEMORY, MAX_MEMORY_AFTER = 64 * 2**20, 16 * 2**20


def check(tmp_path, name, seconds):
    figures = Siege(tmp_path).attack(name, seconds)
    assert figures["press"] < MAX_PRESS, figures
    assert figures["screens"] < MAX_SCREENS, figures
    assert figures["stop"] < MAX_STOP, figures
    assert figures["memory"] < MAX_MEMORY, figures
    assert figures.get("memory_after", 0) < MAX_MEMORY_AFTER, figures


@pytest.mark.parametrize("name", SHORT)
def test_presses_are_recorded_under_attack(tmp_path, name):
    check(tmp_path, name, seconds=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in SHORT])
def test_presses_are_recorded_under_a_longer_attack(tmp_path, name):
    check(tmp_path, name, seconds=4)
