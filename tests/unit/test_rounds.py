"""Computation of the rounds from the events."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import Change, Rejected, rounds
from storage.rules import apply, origin

KINDS = {
    "p": Change("press", "test"),
    "u": Change("undo", "test"),
    "r": Change("reset", "test"),
    "s": Change("set", "test", count=1),
    "g": Change("goal", "test", goal=3),
    "G": Change("goal", "test", goal=5),
}


def record(changes, goal=3):
    """Return the events of changes at 1, 2, 3 … s, without the rejected ones."""
    events = [origin(goal, 0.0)]
    for at, letter in enumerate(changes, 1):
        with contextlib.suppress(Rejected):
            events.append(apply(events[-1], KINDS[letter], float(at), events.__getitem__))
    return events


def past_and_current(changes, goal=3, after=0):
    events = record(changes, goal)
    completed, current = rounds(events[1 + after :], events[-1])
    return [tuple(each) for each in completed], [event.at for event in current]


@pytest.mark.parametrize(
    ("changes", "completed", "current"),
    [
        ("", [], []),
        ("pp", [], [1, 2]),
        ("ppp", [(1, 3, 3)], [1, 2, 3]),
        ("pppp", [(1, 3, 3)], [4]),
        ("ppppppp", [(1, 3, 3), (4, 7, 3)], [4, 5, 6, 7]),
        ("pprp", [], [3, 4]),
        ("pprppp", [(3, 6, 3)], [3, 4, 5, 6]),
        ("pppu", [], [1, 2]),
        ("pppup", [(1, 5, 3)], [1, 2, 5]),
        ("ppppuup", [(1, 7, 3)], [1, 2, 7]),
        ("sp", [(1, 2, 3)], [1, 2]),
        ("pppGpp", [(1, 3, 3)], [1, 2, 3, 4, 5, 6]),
        ("pppG" + "pp" + "p", [(1, 3, 3)], [7]),
        ("ppps", [(1, 3, 3)], [1, 2, 3, 4]),
        ("Gpppg", [(1, 5, 3)], [1, 2, 3, 4, 5]),
        ("u", [], []),
    ],
)
def test_rounds_begin_and_end_as_the_rules_define(changes, completed, current):
    assert past_and_current(changes) == (completed, current)


def test_round_of_one_deal_takes_no_time():
    assert past_and_current("ppp", goal=1) == ([(1, 1, 1), (2, 3, 1)], [2, 3])


def test_round_that_began_before_the_first_event_is_left_out():
    assert past_and_current("pppppppp", after=1) == ([(4, 7, 3)], [8])
    assert past_and_current("pp", after=1) == ([], [2])


@given(st.text(alphabet="pppuurg"), st.integers(min_value=1, max_value=4))
def test_undo_leaves_no_trace(changes, goal):
    events = record(changes, goal)
    undone = {event.undoes for event in events}
    left = [event for event in events[1:] if event.kind != "undo" and event.seq not in undone]
    again = [origin(goal, 0.0)]
    for event in left:
        change = Change(event.kind, "test", goal=event.goal)
        again.append(apply(again[-1], change, event.at, again.__getitem__))
    completed, current = rounds(events, events[-1])
    expected, expected_current = rounds(again, again[-1])
    assert completed == expected
    assert [event.at for event in current] == [event.at for event in expected_current]
