"""Rules of the count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.rules import Change, Rejected, apply, check_same, origin


class Log:
    """A list of events that stands in for a database."""

    def __init__(self, goal=20):
        self.events = [origin(goal, 0.0)]

    def add(self, kind, **argument):
        self.events.append(
            apply(self.events[-1], Change(kind, "test", **argument), 1.0, lambda seq: self.events[seq])
        )
        return self.events[-1]

    @property
    def state(self):
        return self.events[-1].count, self.events[-1].goal


def test_new_count_starts_at_the_goal():
    assert Log(goal=7).state == (7, 7)


def test_21_presses_count_down_to_zero_and_start_a_new_round():
    log = Log()
    assert [log.add("press").count for _ in range(21)] == [*range(19, -1, -1), 20]
    assert [event.seq for event in log.events] == list(range(22))


def test_undo_reverts_a_press_a_reset_and_a_goal():
    log = Log()
    for kind, argument in (("press", {}), ("goal", {"goal": 30}), ("press", {}), ("reset", {})):
        before = log.state
        log.add(kind, **argument)
        log.add("undo")
        assert log.state == before
        log.add(kind, **argument)


def test_repeated_undo_reverts_earlier_changes():
    log = Log()
    for _ in range(3):
        log.add("press")
    assert [log.add("undo").count for _ in range(3)] == [18, 19, 20]
    with pytest.raises(Rejected) as caught:
        log.add("undo")
    assert caught.value.code == "nothing_to_undo"


def test_press_after_an_undo_is_the_next_to_be_undone():
    log = Log()
    for kind in ("press", "press", "undo", "press"):
        log.add(kind)
    assert log.add("undo").undoes == 4
    assert log.add("undo").undoes == 1


def test_undo_of_another_change_than_the_newest_is_rejected():
    log = Log()
    log.add("press")
    log.add("press")
    with pytest.raises(Rejected) as caught:
        log.add("undo", seq=1)
    assert caught.value.code == "changed"
    assert log.add("undo", seq=2).undoes == 2


def test_press_at_zero_can_be_undone():
    log = Log(goal=1)
    log.add("press")
    log.add("press")
    assert log.state == (1, 1)
    log.add("undo")
    assert log.state == (0, 1)


@pytest.mark.parametrize(("new", "left"), [(25, 22), (20, 17), (10, 7), (3, 0), (1, 0), (1000, 997)])
def test_new_goal_keeps_the_number_of_presses(new, left):
    log = Log()
    for _ in range(3):
        log.add("press")
    assert log.add("goal", goal=new).count == left


def test_reset_without_effect_is_recorded():
    log = Log()
    assert log.add("reset").seq == 1


def test_idempotency_key_cannot_be_reused_for_another_request():
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
def test_undo_of_every_change_restores_the_initial_state(steps, goal):
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
def test_undo_behaves_like_a_stack_of_states(steps):
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
