"""ZeroMQ in, the newest samples out: any program's values on their way to the graph."""

import contextlib
import json
import logging
import math
import time
import unicodedata
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gevent
import zmq.green as zmq
from gevent.event import Event as Signal
from zmq import Socket as PlainSocket

log = logging.getLogger(__name__)

#: Where publishers connect to, unless endpoints are named.
DEFAULT = "tcp://127.0.0.1:5555"
#: The name of a series that its publisher gives none.
UNNAMED = "Value"
MOST_SERIES = 16
LONGEST_NAME = 64
#: Newest samples of a series that are kept, and that one event holds.
MOST_SAMPLES = 100
MOST_FRAMES = 2
#: Bytes of a message that are read at most; above the second libzmq parts with the publisher, unseen by us:
#: HIGH_WATER of them wait while the hub stalls, and a Pi has 1 GB.
LONGEST_MESSAGE, LONGEST_FRAME = 4096, 2**16
#: Messages that wait in libzmq for each publisher at most; more are dropped, as PUB and SUB do.
HIGH_WATER = 1000
#: Seconds for which messages are taken in one go, and seconds that the hub then has for everything else.
AT_ONCE, PAUSE = 0.0015, 0.002
#: Seconds between two events to the screens: not quite 20 a second, whatever the feed does.
TELL_EVERY = 0.051
#: Seconds between two log lines about messages that were dropped.
LOG_EVERY = 60.0
#: The latest date that JavaScript knows, in milliseconds (ECMAScript, "Time Values").
LATEST_X = 8.64e15
#: A double holds whole numbers up to this one exactly.
_EXACT = 2**53

Series = dict[str, list[tuple[float, float]]]


class FeedError(Exception):
    """An endpoint cannot be had; the text is one line that says why and how to mend it."""


class Malformed(Exception):
    """A message that is dropped. `reason` is for the counter, the text for the log."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


class Sample(NamedTuple):
    """A value of a series: `x` in milliseconds since 1970, `y` any finite number."""

    series: str
    x: float
    y: float


def parse(frames: Sequence[bytes], now_ms: float) -> Sample:
    """The sample in a message: a JSON object, with or without a topic in a frame before it.

    `now_ms` stands for an x that is missing. Raises `Malformed`.
    """
    if len(frames) > MOST_FRAMES:
        raise Malformed("frames", "expected one frame, or a topic and one")
    if sum(map(len, frames)) > LONGEST_MESSAGE:
        raise Malformed("too_long", f"expected at most {LONGEST_MESSAGE} bytes")
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
    if x is None or not 0 <= x <= LATEST_X:
        raise Malformed("invalid_x", "x: expected milliseconds since 1970")
    if y is None:
        raise Malformed("invalid_y", "y: expected a finite number")
    name = body.get("series", topic or UNNAMED)
    if not _is_name(name):
        raise Malformed(
            "invalid_series", f"series: expected 1 to {LONGEST_NAME} characters, no control characters"
        )
    return Sample(name, x, y)


def _refuse(word: str) -> None:
    raise ValueError(word)


_decoder = json.JSONDecoder(parse_constant=_refuse)


def _number(value: Any) -> float | None:
    """`value` as a finite double; None if it is none. A whole number stays one while that is exact."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    if type(value) is not int:
        return None
    if -_EXACT <= value <= _EXACT:
        return value
    try:
        return float(value)
    except OverflowError:
        return None


def _is_name(name: Any) -> bool:
    return (
        isinstance(name, str)
        and 1 <= len(name) <= LONGEST_NAME
        and not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)
    )


class Recent:
    """The newest samples of the newest series: what was told already, and what is to be told next."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, deque[tuple[float, float]]] = OrderedDict()
        self._new: dict[str, deque[tuple[float, float]]] = {}

    def __len__(self) -> int:
        return len(self._told)

    def add(self, sample: Sample) -> None:
        """Take a sample. A series too many takes the place of the one silent longest."""
        if sample.series not in self._told:
            if len(self._told) == MOST_SERIES:
                silent, _ = self._told.popitem(last=False)
                self._new.pop(silent, None)
            self._told[sample.series] = deque(maxlen=MOST_SAMPLES)
        self._told.move_to_end(sample.series)
        new = self._new.get(sample.series)
        if new is None:
            new = self._new[sample.series] = deque(maxlen=MOST_SAMPLES)
        new.append((sample.x, sample.y))

    def take(self) -> Series:
        """What is new since the last call; the series that had the newest sample comes last."""
        new, self._new = self._new, {}
        for name, samples in new.items():
            self._told[name].extend(samples)
        return {name: list(new[name]) for name in self._told if name in new}

    def told(self) -> Series:
        """The newest samples that `take` has given out so far, by series."""
        return {name: list(samples) for name, samples in self._told.items() if samples}


class Feed:
    """Subscribes to whatever programs publish, and tells of what is new at most 20 times a second.

        Feed().start(tell=print)

    `endpoints` are ZeroMQ's, to bind, or to connect to with `connect:` in front; none: there is no
    feed; None: the default one, and where another program has that it is only a warning. Raises
    `FeedError`.
    """

    def __init__(self, endpoints: Sequence[str] | None = None) -> None:
        self._recent = Recent()
        self._news = Signal()
        self._messages = 0
        self._dropped: Counter[str] = Counter()
        self._unlogged = 0
        self._logged = -math.inf
        self._warnings: list[str] = []
        self._lost = ""
        self._connected: list[str] = []
        #: The endpoints as they are, `*` and port 0 made out.
        self.bound: list[str] = []
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.set(zmq.RCVHWM, HIGH_WATER)
        self._socket.set(zmq.MAXMSGSIZE, LONGEST_FRAME)
        self._socket.set(zmq.LINGER, 0)
        self._socket.set(zmq.RECONNECT_IVL_MAX, 2000)  # ms
        self._socket.set(zmq.TCP_KEEPALIVE, 1)  # a publisher whose plug was pulled says no goodbye
        self._socket.set(zmq.TCP_KEEPALIVE_IDLE, 30)
        self._socket.set(zmq.SUBSCRIBE, b"")
        try:
            for endpoint in [DEFAULT] if endpoints is None else endpoints:
                self._open(endpoint)
        except zmq.ZMQError as error:
            why = f"{endpoint}: {error.strerror}"
            if endpoints is not None:
                self.close()
                raise FeedError(f"BUTTON_FEED: {why}; name another, or set BUTTON_FEED=off") from error
            self._lost = why
            self._warnings = ["another program has the default endpoint, so no values arrive"]

    def _open(self, endpoint: str) -> None:
        if "[" in endpoint:
            self._socket.set(zmq.IPV6, 1)
        if endpoint.startswith("connect:"):
            self._connected.append(endpoint.removeprefix("connect:"))
            self._socket.connect(self._connected[-1])
        else:
            self._socket.bind(endpoint)
            bound: Any = self._socket.get(zmq.LAST_ENDPOINT)
            self.bound.append(bound.rstrip(b"\0").decode())

    def start(
        self,
        tell: Callable[[Series], None],
        spawn: Callable[[Callable[[], None]], gevent.Greenlet] = gevent.spawn,
    ) -> None:
        """Begin to receive, and to call `tell(series)`, which must not block.

        `series` maps the name of each series that has new samples to the newest hundred of these, pairs
        of x (milliseconds since 1970) and y, oldest first. `spawn(function)` starts a greenlet whose
        death must not go unseen.
        """
        for endpoint in self.bound:
            log.info("Feed listens at %s", endpoint)
        for endpoint in self._connected:
            log.info("Feed connects to %s", endpoint)
        if self._lost:
            log.warning("No feed: %s", self._lost)
        spawn(self._receive)
        spawn(lambda: self._pass_on(tell))

    def close(self) -> None:
        """Let another program have the endpoints."""
        self._socket.close()
        self._context.term()

    def samples(self) -> Series:
        """The newest samples of each series, as a screen needs them that has just come."""
        return self._recent.told()

    def status(self) -> dict[str, Any]:
        """The health of the feed; it is never a trouble, since presses do not need it."""
        return {
            "series": len(self._recent),
            "messages": self._messages,
            "dropped": dict(self._dropped),
            "warnings": self._warnings,
        }

    def _receive(self) -> None:
        while True:
            try:
                first = self._socket.recv()
            except zmq.ZMQError:
                if self._socket.closed:
                    return
                raise
            begun = time.monotonic()
            with contextlib.suppress(zmq.Again):
                while True:
                    self._take(self._rest(first))
                    if time.monotonic() - begun > AT_ONCE:
                        break
                    # Not by way of zmq.green, which looks at the socket's state after each, at twice the
                    # price; the wait for the first of a batch does that, and so none is missed.
                    first = PlainSocket.recv(self._socket, zmq.NOBLOCK)
            self._news.set()
            gevent.sleep(max(PAUSE, time.monotonic() - begun))  # at most half of the hub is ours

    def _rest(self, first: bytes) -> list[bytes]:
        """A whole message, of which the first frame has come; of one with too many frames the first few."""
        frames, number = [first], 1
        while PlainSocket.get(self._socket, zmq.RCVMORE):
            frame = PlainSocket.recv(self._socket, zmq.NOBLOCK)
            number += 1
            if number <= MOST_FRAMES + 1:
                frames.append(frame)
            elif number % 100 == 0:
                gevent.sleep(PAUSE)  # there may be a million
        return frames

    def _take(self, frames: list[bytes]) -> None:
        self._messages += 1
        try:
            self._recent.add(parse(frames, time.time() * 1000))
        except Malformed as error:
            self._dropped[error.reason] += 1
            self._unlogged += 1
            if time.monotonic() - self._logged >= LOG_EVERY:
                log.warning("The feed dropped %d messages; the newest: %s", self._unlogged, error)
                self._logged, self._unlogged = time.monotonic(), 0

    def _pass_on(self, tell: Callable[[Series], None]) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            if new := self._recent.take():
                tell(new)
                gevent.sleep(TELL_EVERY)


def publish_a_sine(endpoint: str) -> None:
    """Never returns: the producer of "WebSockets to Socket.io", 20 times a second, over a real socket."""
    publisher: zmq.Socket = zmq.Context.instance().socket(zmq.PUB)
    publisher.set(zmq.LINGER, 0)
    publisher.set(zmq.IPV6, int("[" in endpoint))
    publisher.connect(endpoint.replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]"))
    while True:
        x_ms = time.time() * 1000
        publisher.send_json({"x": x_ms, "y": 2.5 * (1 + math.sin(x_ms / 500))})
        gevent.sleep(0.05)
