"""Computation of the rounds from the events, as a pure function."""

from collections.abc import Iterable
from typing import NamedTuple

from .rules import Event


class Round(NamedTuple):
    """A completed round.

    `began` is the time of its first change, `ended` the time at which the count first reached 0, in Unix
    seconds.
    """

    began: float
    ended: float
    goal: int


def rounds(events: Iterable[Event], newest: Event) -> tuple[list[Round], list[Event]]:
    """Return the completed rounds, oldest first, and the changes of the current round.

    A round begins with the very first change, a press at 0, or a reset, and ends when the count reaches 0.
    Undone changes are omitted.

    Args:
        events: Consecutive events up to `newest`. A round that began before them is omitted.
        newest: The newest event.
    """
    by_seq = {event.seq: event for event in events}
    changes, seq = [], newest.top
    while seq > 0 and seq in by_seq:
        changes.append(by_seq[seq])
        seq = by_seq[seq].below
    completed: list[Round] = []
    current: list[Event] = []
    running = seq == 0  # its first change is known and it is not completed yet
    for event in reversed(changes):
        if event.kind == "reset" or (event.kind == "press" and event.count == event.goal):
            current, running = [], True
        current.append(event)
        if running and event.count == 0:
            completed.append(Round(current[0].at, event.at, event.goal))
            running = False
    return completed, current
