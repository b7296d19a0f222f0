"""Which messages of the feed are samples, and which samples are kept."""

import hypothesis.strategies as some
import pytest
from feed_messages import BAD, GOOD, NOW
from hypothesis import given

from integrations.samples import MAX_SAMPLES, MAX_SERIES, Malformed, Sample, SampleBuffer, parse


@pytest.mark.parametrize(("frames", "sample"), GOOD)
def test_a_message_is_a_sample(frames, sample):
    assert parse(frames, NOW) == sample


@pytest.mark.parametrize(("frames", "reason"), BAD)
def test_what_is_no_sample_is_named(frames, reason):
    with pytest.raises(Malformed) as error:
        parse(frames, NOW)
    assert error.value.reason == reason
    assert "\n" not in str(error.value)


@given(some.lists(some.one_of(some.integers(0, 30), some.none()), max_size=400))
def test_what_is_told_is_what_came_in_order_but_for_the_bounds(steps):
    """A number adds a sample to that series; None has what is new told."""
    recent, told, came = SampleBuffer(), {}, {}
    for number, step in enumerate([*steps, None]):
        if step is None:
            for name, samples in recent.pop_new().items():
                told.setdefault(name, []).extend(samples)
        else:
            recent.add(Sample(str(step), number, step))
            came.setdefault(str(step), []).append((number, step))
    kept = recent.snapshot()
    assert len(kept) <= MAX_SERIES
    latest = sorted(came, key=lambda name: came[name][-1])[-MAX_SERIES:]
    assert sorted(kept) == sorted(latest)
    for name in kept:
        assert told[name][-len(kept[name]) :] == kept[name]
        assert kept[name][-1] == came[name][-1]


def test_of_a_flood_the_newest_hundred_of_each_series_are_told():
    recent = SampleBuffer()
    for number in range(1000):
        recent.add(Sample("Value", number, 0))
    assert recent.snapshot() == {}
    assert [x for x, _ in recent.pop_new()["Value"]] == list(range(900, 1000))
    assert recent.pop_new() == {}
    assert len(recent.snapshot()["Value"]) == MAX_SAMPLES
