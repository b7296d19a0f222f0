"""The feed: values that other programs publish over ZeroMQ, on their way to the graph."""

import json
import logging
import math
import time
import unicodedata
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import gevent
from gevent import event as gevent_event
from gevent import socket
from gevent.lock import BoundedSemaphore

from .zmtp import ProtocolError, Subscriber

log = logging.getLogger(__name__)

#: Where publishers connect to unless endpoints are configured.
DEFAULT_ENDPOINT = "tcp://127.0.0.1:5555"
#: Name of a series whose publisher gives none.
DEFAULT_SERIES = "Value"
MAX_SERIES = 16
#: Characters of a series' name.
MAX_NAME_SIZE = 64
#: Samples that are kept of a series, the newest, and that one event holds.
MAX_SAMPLES = 100
#: Frames of a message: a topic and the sample.
MAX_FRAMES = 2
#: Bytes of a message that is parsed; of a frame and of a message above which the publisher is disconnected.
MAX_MESSAGE_SIZE, MAX_FRAME_SIZE, MAX_DISCARDED_SIZE = 4096, 2**16, 2**20
#: Publishers at once.
MAX_PUBLISHERS = 64
#: Seconds within which a publisher must complete its handshake.
HANDSHAKE_TIMEOUT = 10.0
#: Seconds within which a publisher must take a reply.
SEND_TIMEOUT = 2.0
#: Bytes received at a time, and seconds that the hub then has for everything else at least.
READ_SIZE, PAUSE = 8192, 0.002
#: Bytes that the kernel buffers for a publisher; it doubles the number. What does not fit, PUB drops.
RECEIVE_BUFFER = 2**16
#: Seconds between attempts to connect, doubled each time up to the second.
RECONNECT_DELAY, MAX_RECONNECT_DELAY = 0.1, 2.0
#: Seconds between two events to the screens: not quite 20 a second, whatever the feed does.
EVENT_INTERVAL = 0.051
#: Seconds between two log lines about dropped messages.
LOG_INTERVAL = 60.0
#: The latest date that JavaScript knows, in milliseconds (ECMAScript, "Time Values").
MAX_X_MS = 8.64e15
#: A double holds whole numbers up to this one exactly.
_EXACT = 2**53

Series = dict[str, list[tuple[float, float]]]


class FeedError(Exception):
    """An endpoint cannot be opened. The message says why and how to fix it."""


class Malformed(Exception):
    """A dropped message. `reason` is for the counter, the text for the log."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Sample(NamedTuple):
    """A value of a series: `x` in milliseconds since 1970, `y` any finite number."""

    series: str
    x: float
    y: float


def parse(frames: Sequence[bytes], now_ms: float) -> Sample:
    """Return the sample in a message: a JSON object, perhaps behind a frame with a topic.

    `now_ms` is x where that is missing. Raises `Malformed`.
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


def _refuse(word: str) -> None:
    raise ValueError(word)


_decoder = json.JSONDecoder(parse_constant=_refuse)


def _number(value: Any) -> float | None:
    """Return `value` if it is a finite double, else None. A whole number stays one while that is exact."""
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
        and 1 <= len(name) <= MAX_NAME_SIZE
        and not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)
    )


class SampleBuffer:
    """The newest samples of the newest series, those that were published and those that will be next."""

    def __init__(self) -> None:
        self._published: OrderedDict[str, deque[tuple[float, float]]] = OrderedDict()
        self._new: dict[str, deque[tuple[float, float]]] = {}

    def __len__(self) -> int:
        return len(self._published)

    def add(self, sample: Sample) -> None:
        """Add a sample. A new series beyond `MAX_SERIES` replaces the one that was silent longest."""
        if sample.series not in self._published:
            if len(self._published) == MAX_SERIES:
                silent, _ = self._published.popitem(last=False)
                self._new.pop(silent, None)
            self._published[sample.series] = deque(maxlen=MAX_SAMPLES)
        self._published.move_to_end(sample.series)
        new = self._new.get(sample.series)
        if new is None:
            new = self._new[sample.series] = deque(maxlen=MAX_SAMPLES)
        new.append((sample.x, sample.y))

    def pop_new(self) -> Series:
        """Return what is new since the last call; the series with the newest sample comes last."""
        new, self._new = self._new, {}
        for name, samples in new.items():
            self._published[name].extend(samples)
        return {name: list(new[name]) for name in self._published if name in new}

    def snapshot(self) -> Series:
        """Return the newest samples of each series that `pop_new` has returned so far."""
        return {name: list(samples) for name, samples in self._published.items() if samples}


class Feed:
    """Subscribes to what programs publish, and passes on what is new at most 20 times a second.

        feed = Feed()
        feed.subscribe(print)
        for task in feed.tasks():
            gevent.spawn(task)

    Args:
        endpoints: ZeroMQ endpoints to bind, or with `connect:` in front to connect to; none: no feed.
            None: the default one; if another program has it, that is only a warning.

    Raises:
        FeedError: An endpoint cannot be opened.
    """

    def __init__(self, endpoints: Sequence[str] | None = None) -> None:
        self._buffer = SampleBuffer()
        self._subscribers: list[Callable[[Series], None]] = []
        self._news = gevent_event.Event()
        self._turn = BoundedSemaphore(1)
        self._messages = 0
        self._dropped: Counter[str] = Counter()
        self._unlogged = 0
        self._logged = -math.inf
        self._warnings: list[str] = []
        self._unavailable = ""
        self._closed = False
        self._listeners: list[socket.socket] = []
        self._remote: list[str] = []  # endpoints to connect to
        self._publishers: set[socket.socket] = set()
        #: The bound endpoints, with the real port in place of `*`.
        self.bound: list[str] = []
        try:
            for endpoint in [DEFAULT_ENDPOINT] if endpoints is None else endpoints:
                self._open(endpoint)
        except OSError as error:
            problem = f"{endpoint}: {error.strerror or error}"
            if endpoints is not None:
                self.stop()
                raise FeedError(f"BUTTON_FEED: {problem}; name another, or set BUTTON_FEED=off") from error
            self._unavailable = problem
            self._warnings = ["another program has the default endpoint, so no values arrive"]

    def _open(self, endpoint: str) -> None:
        if endpoint.startswith("connect:"):
            self._remote.append(endpoint.removeprefix("connect:"))
            return
        listener = _listen(endpoint)
        self._listeners.append(listener)
        host, port = listener.getsockname()[:2]
        self.bound.append(f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}")

    def subscribe(self, callback: Callable[[Series], None]) -> None:
        """Call `callback(series)` with new samples. It must not block.

        `series` maps the name of each series that has new samples to the newest hundred of these, pairs of x
        (milliseconds since 1970) and y, oldest first.
        """
        self._subscribers.append(callback)

    def tasks(self) -> list[Callable[[], None]]:
        """Return what must run, each in a greenlet, for the life of the feed."""
        for endpoint in self.bound:
            log.info("Feed listens at %s", endpoint)
        for endpoint in self._remote:
            log.info("Feed connects to %s", endpoint)
        if self._unavailable:
            log.warning("Feed disabled: %s", self._unavailable)
        accept = [partial(self._accept, listener) for listener in self._listeners]
        return [*accept, *(partial(self._connect, endpoint) for endpoint in self._remote), self._publish]

    def stop(self, timeout: float = 0.0) -> None:
        """Close all sockets."""
        self._closed = True
        self._news.set()
        for sock in (*self._listeners, *self._publishers):
            sock.close()

    def samples(self) -> Series:
        """Return the newest samples of each series, for a screen that has just connected."""
        return self._buffer.snapshot()

    def status(self) -> dict[str, Any]:
        """Return the health of the feed; it is never a trouble, since presses do not need it."""
        return {
            "series": len(self._buffer),
            "messages": self._messages,
            "dropped": dict(self._dropped),
            "warnings": self._warnings,
        }

    # --- publishers ---

    def _accept(self, listener: socket.socket) -> None:
        """Accept publishers for ever. Blocks."""
        while not self._closed:
            try:
                sock, _ = listener.accept()
            except OSError:  # closed, or out of descriptors
                gevent.sleep(RECONNECT_DELAY)
                continue
            if len(self._publishers) >= MAX_PUBLISHERS:
                self._drop(Malformed("publishers", f"expected at most {MAX_PUBLISHERS} publishers"))
                sock.close()
            else:
                gevent.spawn(self._receive, sock)

    def _connect(self, endpoint: str) -> None:
        """Connect to a publisher, again whenever it is lost. Blocks."""
        delay = RECONNECT_DELAY
        while not self._closed:
            try:
                sock = _dial(endpoint)
            except OSError:
                gevent.sleep(delay)
                delay = min(MAX_RECONNECT_DELAY, delay * 2)
                continue
            self._receive(sock)
            delay = RECONNECT_DELAY
            gevent.sleep(delay)

    def _receive(self, sock: socket.socket) -> None:
        """Receive what one publisher sends until it is lost. Blocks."""
        self._publishers.add(sock)
        subscriber = Subscriber(MAX_FRAME_SIZE, MAX_DISCARDED_SIZE, MAX_FRAMES)
        try:
            _configure(sock)
            sock.settimeout(HANDSHAKE_TIMEOUT)
            sock.sendall(subscriber.to_send())
            while data := sock.recv(READ_SIZE):
                # All publishers together get at most half of the hub.
                with self._turn:
                    started = time.monotonic()
                    self._take(subscriber, data)
                    gevent.sleep(max(PAUSE, time.monotonic() - started))
                if reply := subscriber.to_send():
                    with gevent.Timeout(SEND_TIMEOUT, ProtocolError("it does not read")):
                        sock.sendall(reply)
                if subscriber.ready:
                    sock.settimeout(None)
        except ProtocolError as error:
            self._drop(Malformed("protocol", f"publisher disconnected: {error}"))
        except OSError:
            pass  # the publisher is gone
        finally:
            self._publishers.discard(sock)
            sock.close()

    def _take(self, subscriber: Subscriber, data: bytes) -> None:
        for frames in subscriber.receive(data):
            self._messages += 1
            try:
                self._buffer.add(parse(frames, time.time() * 1000))
            except Malformed as error:
                self._drop(error)
            else:
                self._news.set()

    def _drop(self, error: Malformed) -> None:
        self._dropped[error.reason] += 1
        self._unlogged += 1
        if time.monotonic() - self._logged >= LOG_INTERVAL:
            log.warning("The feed dropped %d messages; the newest: %s", self._unlogged, error)
            self._logged, self._unlogged = time.monotonic(), 0

    def _publish(self) -> None:
        """Pass new samples on for ever. Blocks."""
        while not self._closed:
            self._news.wait()
            self._news.clear()
            if new := self._buffer.pop_new():
                for callback in self._subscribers:
                    callback(new)
                gevent.sleep(EVENT_INTERVAL)


def _address(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return host.strip("[]"), 0 if port == "*" else int(port)


def _listen(endpoint: str) -> socket.socket:
    """Return a socket that listens at a `tcp://` endpoint. Raises `OSError`."""
    host, port = _address(endpoint)
    host = "0.0.0.0" if host in ("", "*") else host  # noqa: S104 - as asked for
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        listener.bind(address)
        listener.listen(MAX_PUBLISHERS)
    except OSError:
        listener.close()
        raise
    return listener


def _dial(endpoint: str) -> socket.socket:
    """Return a socket connected to a `tcp://` or `ipc://` endpoint. Raises `OSError`."""
    if not endpoint.startswith("ipc://"):
        return socket.create_connection(_address(endpoint), timeout=HANDSHAKE_TIMEOUT)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(endpoint.removeprefix("ipc://"))
    except OSError:
        sock.close()
        raise
    return sock


def _configure(sock: socket.socket) -> None:
    if sock.family != socket.AF_UNIX:  # a publisher whose plug was pulled sends nothing more
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)


def publish_sine(endpoint: str) -> None:
    """Publish a sine 20 times a second, as the producer of "WebSockets to Socket.io" did. Blocks for ever."""
    import zmq.green as zmq  # only for the demonstration

    publisher: Any = zmq.Context.instance().socket(zmq.PUB)
    publisher.set(zmq.LINGER, 0)
    publisher.set(zmq.IPV6, int("[" in endpoint))
    publisher.connect(endpoint.replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]"))
    while True:
        x_ms = time.time() * 1000
        publisher.send_json({"x": x_ms, "y": 2.5 * (1 + math.sin(x_ms / 500))})
        gevent.sleep(0.05)
