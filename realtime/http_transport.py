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
    """What a transport reports its events to. No method may block."""

    def data_received(self, data: bytes) -> None:
        """Take what was received."""

    def eof_received(self) -> None:
        """The peer sends no more, or the connection broke."""

    def data_sent(self) -> None:
        """The kernel has taken more of what was written; see `Transport.unsent`."""

    def connection_lost(self) -> None:
        """Sending failed: close the connection."""


class Transport:
    """Receives and sends without blocking. What the kernel does not take at once is sent later.

    Args:
        sock: A non-blocking socket.
        listener: Receives the events.
        run_queue: Where it waits for its turn to receive.
    """

    __slots__ = ("_listener", "_reader", "_run_queue", "_sock", "_unsent", "_waiter", "_writer",
                 "eof")  # fmt: skip

    is_http = True

    def __init__(self, sock: Any, listener: Listener, run_queue: RunQueue) -> None:
        self._sock = sock
        self._listener = listener
        self._run_queue = run_queue
        self._unsent: deque[memoryview] | None = None
        self._waiter: Callable[[], object] | None = None  # switches to the greenlet that waits
        self._writer: Any = None
        self.eof = False  # nothing more will be received
        self._reader = gevent.get_hub().loop.io(sock.fileno(), _READ)
        self._reader.start(run_queue.report, self)

    def receive(self) -> None:
        """Receive what has come."""
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
        """Receive, or leave what comes to the kernel: then the peer waits."""
        if self.eof or not reading:
            self._reader.stop()
        elif not self._reader.active:
            self._reader.start(self._run_queue.report, self)

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return sum(map(len, self._unsent)) if self._unsent is not None else 0

    @property
    def drained(self) -> bool:
        """Whether the kernel has taken all that was written."""
        return self._unsent is None

    def write(self, *parts: bytes) -> None:
        """Send `parts`, without a copy. Raises `OSError`."""
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
        """Return after the next `wake`. Blocks."""
        self._waiter = gevent.getcurrent().switch
        gevent.get_hub().switch()

    def wake(self) -> None:
        """End `wait`, in its turn."""
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            self._run_queue.call_later(waiter)

    def shut_down_writing(self) -> None:
        """Send no more; the peer reads the end of the connection."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(SHUT_WR)

    def detach(self) -> Any:
        """Stop, and return the socket."""
        self._reader.stop()
        self._reader.close()
        self._reader = None
        self._stop_writer()
        del self._listener  # so that no reference cycle is left
        return self._sock

    def close(self) -> None:
        """Close the socket at once."""
        with contextlib.suppress(OSError):
            self.detach().close()
