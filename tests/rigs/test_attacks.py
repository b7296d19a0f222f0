"""Under attack a press reaches the disk and every screen, memory is bounded, and SIGTERM ends the server."""

import pytest
from attacks import ATTACKS
from siege import Siege

#: One of each kind, in `make test`; the others, for longer, in `make test-slow`.
SHORT = (
    "pipelining /api/count",
    "pipelining without reading",
    "600 readers of the history",
    "chunked: trailers without end",
    "150 unfinished heads",
    "260 sessions with large headers",
    "8 clients that leave and rejoin",
    "20 clients that flood with events",
    "200 peers that read nothing",
    "12 guessers with changing addresses",
    "a feed message without end",
)
#: Ten times the figures of docs/security.md for what takes time; memory is not a matter of speed.
MAX_PRESS, MAX_SCREENS, MAX_STOP = 3.0, 5.0, 5.0
MAX_MEMORY, MAX_MEMORY_AFTER = 64 * 2**20, 16 * 2**20


def check(tmp_path, name, seconds):
    figures = Siege(tmp_path).attack(name, seconds)
    assert figures["press"] < MAX_PRESS, figures
    assert figures["screens"] < MAX_SCREENS, figures
    assert figures["stop"] < MAX_STOP, figures
    assert figures["memory"] < MAX_MEMORY, figures
    assert figures.get("memory_after", 0) < MAX_MEMORY_AFTER, figures


@pytest.mark.parametrize("name", SHORT)
def test_presses_count_under_attack(tmp_path, name):
    check(tmp_path, name, seconds=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in SHORT])
def test_presses_count_under_a_long_attack(tmp_path, name):
    check(tmp_path, name, seconds=4)
