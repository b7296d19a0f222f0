"""The feed, which receives samples for the graph over ZeroMQ."""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypedDict

import gevent
from gevent import event as gevent_event
from gevent import socket
from gevent.lock import BoundedSemaphore

from .samples import MAX_FRAMES, MAX_SERIES, Malformed, Sample, SampleBuffer, Series, parse
from .zmtp import ProtocolError, Subscriber

log = logging.getLogger(__name__)

#: Where the feed listens unless endpoints are configured.
DEFAULT_ENDPOINT = "tcp://127.0.0.1:5555"
#: Maximum size of a frame, and of a message that is dropped, in bytes. Larger ones disconnect the publisher.
MAX_FRAME_SIZE, MAX_DISCARDED_SIZE = 2**16, 2**20
#: Maximum number of connected publishers.
MAX_PUBLISHERS = 64
#: Timeout for a publisher's handshake, in seconds.
HANDSHAKE_TIMEOUT = 10.0
#: Timeout for sending a reply to a publisher, in seconds.
SEND_TIMEOUT = 2.0
#: Maximum bytes per receive, and minimum seconds for which the feed yields the hub after each.
READ_SIZE, MIN_PAUSE = 8192, 0.002
#: Receive buffer of a publisher in bytes, which the kernel doubles. PUB drops messages when it is full.
RECEIVE_BUFFER = 2**16
#: Seconds before reconnecting, and the maximum to which the delay doubles.
RECONNECT_DELAY, MAX_RECONNECT_DELAY = 0.1, 2.0
#: Seconds between two events to the screens, slightly more than 1/20.
EVENT_INTERVAL = 0.051
_SECONDS_WARNING = "x of some values looks like seconds; publish milliseconds since 1970"
#: Seconds between two log lines about dropped messages.
LOG_INTERVAL = 60.0


class FeedError(Exception):
    """An endpoint cannot be opened. The message contains the reason and a fix."""


class FeedStatus(TypedDict):
    """The health of the feed. Problems are warnings, since presses do not need the feed."""

    series: int
    messages: int
    #: Dropped messages by reason.
    dropped: dict[str, int]
    warnings: list[str]


class Feed:
    """Subscribes to publishers, and publishes new samples at most 20 times a second.

        feed = Feed()
        feed.subscribe(print)
        for task in feed.tasks():
            gevent.spawn(task)

    Args:
        endpoints: ZeroMQ endpoints to bind, or to connect to if prefixed with `connect:`. If None, the
            default endpoint is bound, and there is only a warning if another program uses it.
        any_port: Whether to bind a free port if another program uses the default endpoint.

    Raises:
        FeedError: An endpoint cannot be opened.
    """

    def __init__(self, endpoints: Sequence[str] | None = None, any_port: bool = False) -> None:
        self._buffer = SampleBuffer()
        self._subscribers: list[Callable[[Series], None]] = []
        self._news = gevent_event.Event()
        self._turn = BoundedSemaphore(1)
        self._messages = 0
        self._dropped: Counter[str] = Counter()
        self._unlogged = 0
        self._logged = -math.inf
        self._warnings: list[str] = []
        self._has_seconds: set[str] = set()  # series
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
                raise FeedError(
                    f"BUTTON_FEED: {problem}; choose another endpoint, or set BUTTON_FEED=off"
                ) from error
            if any_port:
                self._open("tcp://127.0.0.1:*")
                return
            self._unavailable = problem
            self._warnings = ["default endpoint in use by another program, feed disabled"]

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

        `series` maps names to the newest hundred of the new samples, as pairs of x (milliseconds since 1970)
        and y, oldest first.
        """
        self._subscribers.append(callback)

    def tasks(self) -> list[Callable[[], None]]:
        """Return the functions to run, each in its own greenlet."""
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
        """Return the newest samples of each series, for a newly connected screen."""
        return self._buffer.snapshot()

    def status(self) -> FeedStatus:
        """Return the health of the feed."""
        return {
            "series": len(self._buffer),
            "messages": self._messages,
            "dropped": dict(self._dropped),
            "warnings": [*self._warnings, *([_SECONDS_WARNING] if self._has_seconds else [])],
        }

    # --- publishers ---

    def _accept(self, listener: socket.socket) -> None:
        """Accept publishers until the feed stops. Blocks."""
        while not self._closed:
            try:
                sock, _ = listener.accept()
            except OSError:  # closed, or out of file descriptors
                gevent.sleep(RECONNECT_DELAY)
                continue
            if len(self._publishers) >= MAX_PUBLISHERS:
                self._drop(Malformed("publishers", f"expected at most {MAX_PUBLISHERS} publishers"))
                sock.close()
            else:
                gevent.spawn(self._receive, sock)

    def _connect(self, endpoint: str) -> None:
        """Connect to a publisher, and reconnect when the connection is lost. Blocks."""
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
        """Receive from a publisher until the connection is lost. Blocks."""
        self._publishers.add(sock)
        subscriber = Subscriber(MAX_FRAME_SIZE, MAX_DISCARDED_SIZE, MAX_FRAMES)
        try:
            _configure(sock)
            sock.settimeout(HANDSHAKE_TIMEOUT)
            sock.sendall(subscriber.to_send())
            while data := sock.recv(READ_SIZE):
                # All publishers together use at most half of the hub's time.
                with self._turn:
                    started = time.monotonic()
                    self._process(subscriber, data)
                    gevent.sleep(max(MIN_PAUSE, time.monotonic() - started))
                if reply := subscriber.to_send():
                    with gevent.Timeout(SEND_TIMEOUT, ProtocolError("timeout while sending a reply")):
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

    def _process(self, subscriber: Subscriber, data: bytes) -> None:
        for frames in subscriber.receive(data):
            self._messages += 1
            try:
                sample = parse(frames, time.time() * 1000)
            except Malformed as error:
                self._drop(error)
            else:
                self._buffer.add(sample)
                self._check_unit(sample)
                self._news.set()

    def _check_unit(self, sample: Sample) -> None:
        """Warn about an x in seconds, a common mistake that puts the samples into 1970."""
        if not sample.has_seconds():
            self._has_seconds.discard(sample.series)
        elif sample.series not in self._has_seconds and len(self._has_seconds) < MAX_SERIES:
            if not self._has_seconds:
                log.warning("Series %r: x looks like seconds; publish milliseconds since 1970", sample.series)
            self._has_seconds.add(sample.series)

    def _drop(self, error: Malformed) -> None:
        self._dropped[error.reason] += 1
        self._unlogged += 1
        if time.monotonic() - self._logged >= LOG_INTERVAL:
            log.warning("Feed dropped messages: %d, most recently: %s", self._unlogged, error)
            self._logged, self._unlogged = time.monotonic(), 0

    def _publish(self) -> None:
        """Publish new samples until the feed stops. Blocks."""
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
    host = "0.0.0.0" if host in ("", "*") else host  # noqa: S104 - as configured
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
    if sock.family != socket.AF_UNIX:  # detects a publisher that lost power
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
