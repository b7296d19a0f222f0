"""The socket of an HTTP connection on the event loop."""

import contextlib
from collections import deque
from collections.abc import Callable
from socket import SHUT_WR
from typing import Any, Protocol

import gevent

from .fairness import RunQueue

#: Bytes received at a time.
READ_SIZE = 8192

_READ, _WRITE = 1, 2


class Listener(Protocol):
    """Receiver of a transport's events. Its methods must not block."""

    def data_received(self, data: bytes) -> None:
        """Process received data."""

    def eof_received(self) -> None:
        """Handle the end of input, or a broken connection."""

    def data_sent(self) -> None:
        """Handle progress in sending (see `Transport.unsent`)."""

    def connection_lost(self) -> None:
        """Close the connection because sending failed."""


class Transport:
    """Receives and sends without blocking. Unsent data is buffered and sent later.

    Args:
        sock: A non-blocking socket.
        listener: Receives the events.
        run_queue: Schedules receiving.
    """

    __slots__ = ("_listener", "_reader", "_run_queue", "_sock", "_unsent", "_waiter", "_writer",
                 "eof")  # fmt: skip

    is_http = True

    def __init__(self, sock: Any, listener: Listener, run_queue: RunQueue) -> None:
        self._sock = sock
        self._listener = listener
        self._run_queue = run_queue
        self._unsent: deque[memoryview] | None = None
        self._waiter: Callable[[], object] | None = None  # switches to the waiting greenlet
        self._writer: Any = None
        self.eof = False  # the peer sends no more data
        self._reader = gevent.get_hub().loop.io(sock.fileno(), _READ)
        self._reader.start(run_queue.report, self)

    def receive(self) -> None:
        """Read the available data."""
        if self._reader is None:
            return
        try:
            data = self._sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._listener.data_received(data)
        else:
            self.eof = True
            self._reader.stop()
            self._listener.eof_received()

    def set_reading(self, reading: bool) -> None:
        """Start or stop receiving. While stopped, flow control stops the peer."""
        if self.eof or not reading:
            self._reader.stop()
        elif not self._reader.active:
            self._reader.start(self._run_queue.report, self)

    @property
    def unsent(self) -> int:
        """Number of bytes not yet passed to the kernel."""
        return sum(map(len, self._unsent)) if self._unsent is not None else 0

    @property
    def drained(self) -> bool:
        """Whether all written data was passed to the kernel."""
        return self._unsent is None

    def write(self, *parts: bytes) -> None:
        """Send `parts` without copying them. Raises `OSError`."""
        sent = 0
        if self._unsent is None:
            with contextlib.suppress(BlockingIOError):
                sent = self._sock.send(parts[0]) if len(parts) == 1 else self._sock.sendmsg(parts)
        if sent == sum(map(len, parts)):
            return
        if self._unsent is None:
            self._unsent = deque()
            self._writer = gevent.get_hub().loop.io(self._sock.fileno(), _WRITE)
            self._writer.start(self._send_more)
        for part in parts:
            if sent < len(part):
                self._unsent.append(memoryview(part)[sent:])
            sent = max(0, sent - len(part))

    def _send_more(self) -> None:
        assert self._unsent is not None
        try:
            while self._unsent:
                sent = self._sock.send(self._unsent[0])
                self._unsent[0] = self._unsent[0][sent:]
                if not self._unsent[0]:
                    self._unsent.popleft()
            self._stop_writer()
        except BlockingIOError:
            pass
        except OSError:
            self._listener.connection_lost()
            return
        self._listener.data_sent()

    def _stop_writer(self) -> None:
        self._unsent = None
        if self._writer is not None:
            self._writer.stop()
            self._writer.close()
            self._writer = None

    def wait(self) -> None:
        """Block until the next `wake`."""
        self._waiter = gevent.getcurrent().switch
        gevent.get_hub().switch()

    def wake(self) -> None:
        """Resume the greenlet in `wait` in its turn."""
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            self._run_queue.call_later(waiter)

    def shut_down_writing(self) -> None:
        """Stop sending, so that the peer receives the end of the stream."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(SHUT_WR)

    def detach(self) -> Any:
        """Stop receiving and sending, and return the socket."""
        self._reader.stop()
        self._reader.close()
        self._reader = None
        self._stop_writer()
        del self._listener  # break the reference cycle
        return self._sock

    def close(self) -> None:
        """Close the socket immediately."""
        with contextlib.suppress(OSError):
            self.detach().close()
