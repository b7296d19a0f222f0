"""Parsing of feed messages and buffering of samples."""

import hypothesis.strategies as some
import pytest
from feed_messages import INVALID, NOW, VALID
from hypothesis import given

from integrations.samples import MAX_SAMPLES, MAX_SERIES, Malformed, Sample, SampleBuffer, parse


@pytest.mark.parametrize(("frames", "sample"), VALID)
def test_valid_message_is_parsed(frames, sample):
    assert parse(frames, NOW) == sample


@pytest.mark.parametrize(("frames", "reason"), INVALID)
def test_invalid_message_is_rejected_with_its_reason(frames, reason):
    with pytest.raises(Malformed) as error:
        parse(frames, NOW)
    assert error.value.reason == reason
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("x", "has_seconds"), [(1763760000, True), (1763760000123, False), (0, False), (8.64e15, False)]
)
def test_time_in_seconds_is_recognized(x, has_seconds):
    assert Sample("Value", x, 0).has_seconds() is has_seconds


@given(some.lists(some.one_of(some.integers(0, 30), some.none()), max_size=400))
def test_buffer_publishes_samples_in_order_within_its_limits(steps):
    """A number in the sequence adds a sample to that series, and None publishes the new samples."""
    buffer, published, added = SampleBuffer(), {}, {}
    for number, step in enumerate([*steps, None]):
        if step is None:
            for name, samples in buffer.pop_new().items():
                published.setdefault(name, []).extend(samples)
        else:
            buffer.add(Sample(str(step), number, step))
            added.setdefault(str(step), []).append((number, step))
    kept = buffer.snapshot()
    assert len(kept) <= MAX_SERIES
    latest = sorted(added, key=lambda name: added[name][-1])[-MAX_SERIES:]
    assert sorted(kept) == sorted(latest)
    for name in kept:
        assert published[name][-len(kept[name]) :] == kept[name]
        assert kept[name][-1] == added[name][-1]


def test_buffer_publishes_the_newest_100_samples_of_a_flood():
    buffer = SampleBuffer()
    for number in range(1000):
        buffer.add(Sample("Value", number, 0))
    assert buffer.snapshot() == {}
    assert [x for x, _ in buffer.pop_new()["Value"]] == list(range(900, 1000))
    assert buffer.pop_new() == {}
    assert len(buffer.snapshot()["Value"]) == MAX_SAMPLES
