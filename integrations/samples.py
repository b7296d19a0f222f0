"""Samples of the feed, parsed from messages and buffered for the screens."""

import json
import math
import unicodedata
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any, NamedTuple

#: Default name of a series.
DEFAULT_SERIES = "Value"
MAX_SERIES = 16
#: Maximum characters of a series name.
MAX_NAME_SIZE = 64
#: Maximum number of samples of a series, both in the buffer and in an event.
MAX_SAMPLES = 100
#: Maximum frames of a message, which are a topic and the sample.
MAX_FRAMES = 2
#: Maximum bytes of a message.
MAX_MESSAGE_SIZE = 4096
#: The latest date in JavaScript, in milliseconds (ECMAScript, "Time Values").
MAX_X_MS = 8.64e15
#: Values of x that are a date from 2001 to 5138 in seconds, but from 1970 to 1973 in milliseconds.
SECONDS = range(10**9, 10**11)
#: Up to this value a double represents all integers exactly.
_MAX_EXACT = 2**53

Series = dict[str, list[tuple[float, float]]]


class Malformed(Exception):
    """A dropped message, with a reason for the counter and a text for the log."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Sample(NamedTuple):
    """A finite value `y` of a series, at `x` milliseconds since 1970."""

    series: str
    x: float
    y: float

    def has_seconds(self) -> bool:
        """Return whether x looks like seconds since 1970. It is not converted."""
        return SECONDS.start <= self.x < SECONDS.stop


def parse(frames: Sequence[bytes], now_ms: float) -> Sample:
    """Return the sample in a message.

    A message is a JSON object, optionally preceded by a frame with a topic.

    Args:
        frames: Frames of the message.
        now_ms: Default value of x.

    Raises:
        Malformed: The message is not a sample.
    """
    if len(frames) > MAX_FRAMES:
        raise Malformed("frames", "expected one frame, or a topic and one")
    if sum(map(len, frames)) > MAX_MESSAGE_SIZE:
        raise Malformed("too_long", f"expected at most {MAX_MESSAGE_SIZE} bytes")
    try:
        body = _decoder.decode(frames[-1].decode())
        if not isinstance(body, dict):
            raise Malformed("not_object", 'expected a JSON object such as {"y": 2.5}')
        topic = frames[0].decode() if len(frames) == 2 and "series" not in body else ""
    except UnicodeDecodeError:
        raise Malformed("not_utf8", "expected UTF-8") from None
    except (ValueError, RecursionError):
        raise Malformed("not_json", "expected JSON, without NaN and Infinity") from None
    x, y = _number(body.get("x", now_ms)), _number(body.get("y"))
    if x is None or not 0 <= x <= MAX_X_MS:
        raise Malformed("invalid_x", "x: expected milliseconds since 1970")
    if y is None:
        raise Malformed("invalid_y", "y: expected a finite number")
    name = body.get("series", topic or DEFAULT_SERIES)
    if not _is_name(name):
        raise Malformed(
            "invalid_series", f"series: expected 1 to {MAX_NAME_SIZE} characters, no control characters"
        )
    return Sample(name, x, y)


def _reject_constant(word: str) -> None:
    raise ValueError(word)


_decoder = json.JSONDecoder(parse_constant=_reject_constant)


def _number(value: Any) -> float | None:
    """Return a finite number, otherwise None.

    Integers that a double cannot represent exactly are converted to float.
    """
    if type(value) is float:
        return value if math.isfinite(value) else None
    if type(value) is not int:
        return None
    if -_MAX_EXACT <= value <= _MAX_EXACT:
        return value
    try:
        return float(value)
    except OverflowError:
        return None


def _is_name(name: Any) -> bool:
    return (
        isinstance(name, str)
        and 1 <= len(name) <= MAX_NAME_SIZE
        and not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)
    )


class SampleBuffer:
    """Buffer of the newest samples of the most recent series."""

    def __init__(self) -> None:
        self._published: OrderedDict[str, deque[tuple[float, float]]] = OrderedDict()
        self._new: dict[str, deque[tuple[float, float]]] = {}

    def __len__(self) -> int:
        return len(self._published)

    def add(self, sample: Sample) -> None:
        """Add a sample.

        A new series beyond `MAX_SERIES` replaces the least recently updated one.
        """
        if sample.series not in self._published:
            if len(self._published) == MAX_SERIES:
                oldest, _ = self._published.popitem(last=False)
                self._new.pop(oldest, None)
            self._published[sample.series] = deque(maxlen=MAX_SAMPLES)
        self._published.move_to_end(sample.series)
        new = self._new.get(sample.series)
        if new is None:
            new = self._new[sample.series] = deque(maxlen=MAX_SAMPLES)
        new.append((sample.x, sample.y))

    def pop_new(self) -> Series:
        """Return the samples since the last call, with the most recently updated series last."""
        new, self._new = self._new, {}
        for name, samples in new.items():
            self._published[name].extend(samples)
        return {name: list(new[name]) for name in self._published if name in new}

    def snapshot(self) -> Series:
        """Return the newest samples of each series that were returned by `pop_new`."""
        return {name: list(samples) for name, samples in self._published.items() if samples}
