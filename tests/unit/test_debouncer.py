"""Debouncing of a switch that bounces."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from switch_model import Finger

from hardware import Debouncer


def feed(debouncer, levels, begin=0.0, period=0.002):
    """Feed a string of levels as samples; return each event with its time."""
    events = []
    for index, level in enumerate(levels):
        now = begin + index * period
        if event := debouncer.update(int(level), now):
            events.append((event, round(now, 4)))
    return events


def test_press_is_reported_after_5_ms_low():
    assert feed(Debouncer(), "1110000") == [("pressed", 0.012)]


def test_shorter_low_is_a_glitch():
    debouncer = Debouncer()
    assert feed(debouncer, "111001110100111") == []
    assert debouncer.bounces == 3


def test_release_is_reported_after_25_ms_high():
    assert feed(Debouncer(), "1" + "0" * 5 + "1" * 20) == [("pressed", 0.008), ("released", 0.038)]


def test_bounce_on_release_is_not_a_press():
    assert [event for event, _ in feed(Debouncer(), "1" + "0" * 9 + "111110000111111" + "1" * 20)] == [
        "pressed",
        "released",
    ]


def test_pin_low_at_start_is_ignored_until_released():
    levels = "0" * 50 + "1" * 20 + "0" * 10
    assert [event for event, _ in feed(Debouncer(), levels)] == ["pressed"]


def test_glitches_before_and_after_a_stall_are_not_a_press():
    debouncer = Debouncer()
    for now, level in ((0.0, 1), (0.002, 0), (0.022, 0), (0.024, 1)):
        assert debouncer.update(level, now) is None


def test_button_held_over_10_seconds_is_stuck():
    debouncer = Debouncer()
    feed(debouncer, "1" + "0" * 10)
    assert not debouncer.is_stuck(9.9)
    assert debouncer.is_stuck(10.1)
    feed(debouncer, "1" * 20, begin=11.0)
    assert not debouncer.is_stuck(30.0)


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_every_press_of_a_worn_switch_counts_once(seed):
    switch = Finger(seed, 80)
    assert switch.judge(switch.sample(Debouncer()))[:2] == (0, 0)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_frequent_glitches_neither_hide_nor_add_a_press(seed):
    switch = Finger(seed, 50, glitches_a_second=20, longest_glitch=0.004)
    assert switch.judge(switch.sample(Debouncer()))[:2] == (0, 0)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_sampler_stalls_neither_hide_nor_add_a_press(seed):
    switch = Finger(seed, 80)
    assert switch.judge(switch.sample(Debouncer(), stall=0.025))[:2] == (0, 0)


@pytest.mark.parametrize("broken", ["first sample", "no release time"])
def test_switch_model_detects_a_broken_debouncer(broken):
    """Otherwise the tests above could not fail."""
    debouncer = Debouncer()
    switch = Finger(3, 300)
    if broken == "first sample":
        seen, last = [], 1
        now = 0.0
        while now < switch.end:
            level = switch.level(now)
            if level == 0 and last == 1:
                seen.append(now)
            last, now = level, now + 0.002
    else:
        seen, run, now, ready = [], 0, 0.0, True
        while now < switch.end:
            run = run + 1 if switch.level(now) == 0 else 0
            if run == 3 and ready:
                seen.append(now)
            ready = run < 3
            now += 0.002
    lost, extra, _ = switch.judge(seen)
    assert lost + extra > 0, debouncer


def samples(*spans):
    """Return samples for pairs of a level and a duration in seconds."""
    return "".join(level * round(seconds / 0.002) for level, seconds in spans)


def test_long_press_is_held_once_and_a_short_one_never():
    levels = samples(("1", 0.5), ("0", 0.3), ("1", 0.5), ("0", 5), ("1", 0.5))
    events = [(event, round(at, 1)) for event, at in feed(Debouncer(hold_time=2), levels)]
    assert events == [("pressed", 0.5), ("released", 0.8), ("pressed", 1.3), ("held", 3.3), ("released", 6.3)]
    assert [event for event, _ in feed(Debouncer(), levels)] == ["pressed", "released"] * 2


def test_pin_low_at_start_is_never_held():
    assert feed(Debouncer(hold_time=1), samples(("0", 5), ("1", 0.5))) == []


def test_release_that_bounces_ends_the_hold():
    levels = samples(("1", 0.02), ("0", 0.99), ("1", 0.01), ("0", 0.004), ("1", 1))
    assert [event for event, _ in feed(Debouncer(hold_time=1), levels)] == ["pressed", "released"]
