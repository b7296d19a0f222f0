"""The rules of the count, which are pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.rules import Change, Rejected, check_same, follow, origin


class Log:
    """Events one after the other, as a database keeps them."""

    def __init__(self, goal=20):
        self.events = [origin(goal, 0.0)]

    def add(self, kind, **argument):
        self.events.append(
            follow(self.events[-1], Change(kind, "test", **argument), 1.0, lambda seq: self.events[seq])
        )
        return self.events[-1]

    @property
    def state(self):
        return self.events[-1].count, self.events[-1].goal


def test_a_new_count_begins_at_the_goal():
    assert Log(goal=7).state == (7, 7)


def test_twenty_one_presses_go_down_to_nothing_and_begin_anew():
    log = Log()
    assert [log.add("press").count for _ in range(21)] == [*range(19, -1, -1), 20]
    assert [event.seq for event in log.events] == list(range(22))


def test_an_undo_takes_back_a_press_a_reset_and_a_goal():
    log = Log()
    for kind, argument in (("press", {}), ("goal", {"goal": 30}), ("press", {}), ("reset", {})):
        before = log.state
        log.add(kind, **argument)
        log.add("undo")
        assert log.state == before
        log.add(kind, **argument)


def test_undo_after_undo_goes_further_back():
    log = Log()
    for _ in range(3):
        log.add("press")
    assert [log.add("undo").count for _ in range(3)] == [18, 19, 20]
    with pytest.raises(Rejected) as caught:
        log.add("undo")
    assert caught.value.code == "nothing_to_undo"


def test_a_press_after_an_undo_is_the_next_to_be_taken_back():
    log = Log()
    for kind in ("press", "press", "undo", "press"):
        log.add(kind)
    assert log.add("undo").undoes == 4
    assert log.add("undo").undoes == 1


def test_an_undo_that_names_another_change_than_the_newest_is_refused():
    log = Log()
    log.add("press")
    log.add("press")
    with pytest.raises(Rejected) as caught:
        log.add("undo", seq=1)
    assert caught.value.code == "changed"
    assert log.add("undo", seq=2).undoes == 2


def test_a_press_at_nothing_can_be_taken_back():
    log = Log(goal=1)
    log.add("press")
    log.add("press")
    assert log.state == (1, 1)
    log.add("undo")
    assert log.state == (0, 1)


@pytest.mark.parametrize(("new", "left"), [(25, 22), (20, 17), (10, 7), (3, 0), (1, 0), (1000, 997)])
def test_a_new_goal_keeps_what_the_ring_shows_as_pressed(new, left):
    log = Log()
    for _ in range(3):
        log.add("press")
    assert log.add("goal", goal=new).count == left


def test_a_reset_that_alters_nothing_is_a_change_all_the_same():
    log = Log()
    assert log.add("reset").seq == 1


def test_a_key_stands_for_one_request():
    log = Log()
    first = log.add("goal", goal=5, key="k")
    check_same(Change("goal", "api", key="k", goal=5), first)
    for other in (Change("goal", "api", key="k", goal=6), Change("press", "api", key="k")):
        with pytest.raises(Rejected) as caught:
            check_same(other, first)
        assert caught.value.code == "key_reused"


changes = st.one_of(
    st.sampled_from(["press", "undo", "reset"]).map(lambda kind: (kind, {})),
    st.integers(1, 30).map(lambda goal: ("goal", {"goal": goal})),
)


@given(st.lists(changes, max_size=80), st.integers(1, 30))
def test_undo_all_the_way_leads_back_to_the_beginning(steps, goal):
    log = Log(goal)
    for kind, argument in steps:
        try:
            log.add(kind, **argument)
        except Rejected:
            assert log.events[-1].top == 0
        assert 0 <= log.state[0] <= log.state[1]
    while log.events[-1].top:
        log.add("undo")
    assert log.state == (goal, goal)


@given(st.lists(changes, max_size=80))
def test_undo_follows_a_stack_of_states(steps):
    log, stack = Log(), []
    for kind, argument in steps:
        before = log.state
        if kind == "undo" and not stack:
            continue
        log.add(kind, **argument)
        if kind == "undo":
            assert log.state == stack.pop()
        else:
            stack.append(before)
