"""A press counts once, however the contact bounces."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from switch_model import Finger

from hardware import Debouncer


def feed(debouncer, levels, begin=0.0, period=0.002):
    """Samples of a string of levels; returns what was certain at which time."""
    events = []
    for index, level in enumerate(levels):
        now = begin + index * period
        if event := debouncer.update(int(level), now):
            events.append((event, round(now, 4)))
    return events


def test_a_press_is_certain_after_five_milliseconds_low():
    assert feed(Debouncer(), "1110000") == [("pressed", 0.012)]


def test_a_shorter_low_is_a_glitch():
    debouncer = Debouncer()
    assert feed(debouncer, "111001110100111") == []
    assert debouncer.bounces == 3


def test_a_release_takes_twenty_five_milliseconds_high():
    assert feed(Debouncer(), "1" + "0" * 5 + "1" * 20) == [("pressed", 0.008), ("released", 0.038)]


def test_a_bounce_at_the_release_is_no_press():
    assert [event for event, _ in feed(Debouncer(), "1" + "0" * 9 + "111110000111111" + "1" * 20)] == [
        "pressed",
        "released",
    ]


def test_a_pin_low_at_the_start_waits_for_a_release():
    levels = "0" * 50 + "1" * 20 + "0" * 10
    assert [event for event, _ in feed(Debouncer(), levels)] == ["pressed"]


def test_one_glitch_before_and_one_after_a_stall_are_no_press():
    debouncer = Debouncer()
    for now, level in ((0.0, 1), (0.002, 0), (0.022, 0), (0.024, 1)):
        assert debouncer.update(level, now) is None


def test_a_button_held_for_more_than_ten_seconds_is_stuck():
    debouncer = Debouncer()
    feed(debouncer, "1" + "0" * 10)
    assert not debouncer.is_stuck(9.9)
    assert debouncer.is_stuck(10.1)
    feed(debouncer, "1" * 20, begin=11.0)
    assert not debouncer.is_stuck(30.0)


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_two_thousand_presses_of_a_worn_switch_are_two_thousand(seed):
    finger = Finger(seed, 80)
    assert finger.judge(finger.sample(Debouncer()))[:2] == (0, 0)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_a_storm_of_glitches_neither_hides_nor_adds_a_press(seed):
    finger = Finger(seed, 50, glitches_a_second=20, longest_glitch=0.004)
    assert finger.judge(finger.sample(Debouncer()))[:2] == (0, 0)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_stalls_of_the_sampler_lose_and_add_nothing(seed):
    finger = Finger(seed, 80)
    assert finger.judge(finger.sample(Debouncer(), stall=0.025))[:2] == (0, 0)


@pytest.mark.parametrize("broken", ["first sample", "no release time"])
def test_the_model_catches_a_broken_debouncer(broken):
    """Else the tests above could not fail."""
    debouncer = Debouncer()
    finger = Finger(3, 300)
    if broken == "first sample":
        seen, last = [], 1
        now = 0.0
        while now < finger.end:
            level = finger.level(now)
            if level == 0 and last == 1:
                seen.append(now)
            last, now = level, now + 0.002
    else:
        seen, run, now, ready = [], 0, 0.0, True
        while now < finger.end:
            run = run + 1 if finger.level(now) == 0 else 0
            if run == 3 and ready:
                seen.append(now)
            ready = run < 3
            now += 0.002
    lost, extra, _ = finger.judge(seen)
    assert lost + extra > 0, debouncer


def spans(*parts):
    """Levels, each for so many seconds, as samples."""
    return "".join(level * round(seconds / 0.002) for level, seconds in parts)


def test_a_press_that_lasts_is_held_once_and_a_short_one_is_not():
    levels = spans(("1", 0.5), ("0", 0.3), ("1", 0.5), ("0", 5), ("1", 0.5))
    held = [(event, round(at, 1)) for event, at in feed(Debouncer(hold_time=2), levels)]
    assert held == [("pressed", 0.5), ("released", 0.8), ("pressed", 1.3), ("held", 3.3), ("released", 6.3)]
    assert [event for event, _ in feed(Debouncer(), levels)] == ["pressed", "released"] * 2


def test_a_pin_that_is_low_at_the_start_is_held_by_nobody():
    assert feed(Debouncer(hold_time=1), spans(("0", 5), ("1", 0.5))) == []


def test_a_finger_that_lets_go_while_it_bounces_holds_no_more():
    levels = spans(("1", 0.02), ("0", 0.99), ("1", 0.01), ("0", 0.004), ("1", 1))
    assert [event for event, _ in feed(Debouncer(hold_time=1), levels)] == ["pressed", "released"]
