"""HTTP connection on the event loop, with a greenlet only while serving a request."""

import errno
import time
from typing import Any, Protocol

from .fairness import RunQueue
from .http_headers import MAX_HEAD_SIZE, RequestError, RequestHead
from .http_parser import RequestParser
from .http_transport import Transport
from .polling import FastPath, Poll

#: Seconds within which a request must arrive, and within which its response must be received.
REQUEST_TIMEOUT, RESPONSE_TIMEOUT = 10.0, 60.0
#: Seconds for which a connection can be idle between requests.
KEEP_ALIVE_TIMEOUT = 75.0
#: Seconds within which the peer must close a connection after its last response.
LINGER_TIMEOUT = 2.0
#: Bytes of memory per connection.
CONNECTION_SIZE = 1500

RECEIVING, QUEUED, RUNNING, PARKED, CLOSING, CLOSED = range(6)

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Server(Protocol):
    """Server interface used by a connection."""

    run_queue: RunQueue
    fast_path: FastPath

    def set_waiting(self, connection: "Connection", waiting: bool) -> None:
        """Record that a connection has started or stopped waiting for its peer."""

    def reserve(self, size: int) -> bool:
        """Reserve `size` bytes, or release them if negative. Return whether they fit."""

    def admit(self, connection: "Connection", request: RequestHead) -> None:
        """Serve a request in its turn."""

    def error_response(self, error: RequestError, target: str) -> bytes:
        """Log and count a rejected request, and return the response."""

    def closed(self, connection: "Connection") -> None:
        """Remove a connection."""


class Connection:
    """An HTTP connection, in one of six states.

    RECEIVING (a request, or idle), QUEUED (until the request's turn), RUNNING (with the request in a
    greenlet), PARKED (until a long poll completes), CLOSING (until the peer also closes), CLOSED.
    """

    __slots__ = ("_parked", "_reserved", "_server", "_transport", "address", "deadline", "parser",
                 "state")  # fmt: skip

    def __init__(self, server: Server, sock: Any, address: Any) -> None:
        self._server = server
        self.address = address
        self.state = RECEIVING
        self.parser = RequestParser()
        #: Monotonic time at which the connection is closed, None if there is no deadline.
        self.deadline: float | None = None
        self._parked: Poll | None = None
        self._reserved = 0
        self._transport = Transport(sock, self, server.run_queue)
        self._wait_for_peer(REQUEST_TIMEOUT)
        self._track_memory()

    # --- requests ---

    def data_received(self, data: bytes) -> None:
        """Process received data."""
        if self.state == CLOSING:
            return
        if self._parked is not None:
            self._parked.request_received()
        self.parser.buffer += data
        if self.state == RECEIVING:
            self._advance()
        else:
            self._transport.wake()
        self._track_memory()

    def eof_received(self) -> None:
        """Serve the requests already received, then close."""
        if self._parked is not None:
            parked, self._parked = self._parked, None
            self.close()
            parked.connection_lost()
        elif self.state in (QUEUED, RUNNING):
            self._transport.wake()
        elif self.state == RECEIVING:
            self._resume_parsing()
        elif self._transport.drained:
            self.close()

    def _advance(self) -> None:
        """Parse received data until a request is complete."""
        parser = self.parser
        try:
            while parser.buffer and self.state == RECEIVING and self._transport.drained:
                if parser.head is None and not self._read_head():
                    return
                if parser.head is None or not parser.read_body():
                    return
                self.state, self.deadline = QUEUED, None
                self._server.set_waiting(self, False)
                self._server.admit(self, parser.head)
        except RequestError as error:
            self.respond(self._server.error_response(error, self.parser.target), close=True)

    def _resume_parsing(self) -> None:
        """Parse data that arrived while a request was served or its response was sent."""
        if self.state == RECEIVING:
            self._advance()
            if self._transport.eof and self.state == RECEIVING and self._transport.drained:
                if self.parser.head is not None or self.parser.buffer:  # an incomplete request
                    error = RequestError("connection closed within a request")
                    self.respond(self._server.error_response(error, self.parser.target), close=True)
                else:
                    self.close()
            self._track_memory()

    def _read_head(self) -> bool:
        """Parse a head from the buffer. Return False if incomplete or served by the fast path."""
        parser = self.parser
        if used := self._server.fast_path.serve(self, parser.buffer):
            parser.buffer = parser.buffer[used:]
            if parser.buffer:
                if self._parked is not None:
                    self._parked.request_received()
                self._server.run_queue.call_later(self._resume_parsing)
            return False
        if parser.is_new:
            self.set_timeout(REQUEST_TIMEOUT)
        if not parser.read_head():
            return False
        if parser.expects_continue:
            self._write(_CONTINUE)
        return True

    def begin(self) -> RequestHead | None:
        """Start serving the request. Return its head, or None if the connection is closed."""
        if self.state != QUEUED:
            return None
        self.state = RUNNING
        return self.parser.head

    # --- called in the request's greenlet ---

    def wait_for_input(self) -> None:
        """Wait for more of the body. Raises `OSError` if the connection is closed."""
        if self._transport.eof or self.state == CLOSED:
            raise ConnectionResetError("the body is incomplete")
        self._watch_input()
        self._transport.wait()

    def write(self, *parts: bytes) -> None:
        """Send part of the response. Blocks until earlier parts are sent. Raises `OSError`."""
        while not self._transport.drained and self.state != CLOSED:
            self._transport.wait()
        if self.state == CLOSED or not self._write(*parts):
            raise BrokenPipeError(errno.EPIPE, "connection lost")

    def set_timeout(self, seconds: float | None) -> None:
        """Set the deadline to `seconds` from now, or remove it if None."""
        self.deadline = None if seconds is None else time.monotonic() + seconds

    def finish(self, keep_alive: bool) -> None:
        """Finish a request whose response was sent or whose poll is parked."""
        if self.state == RUNNING:
            if keep_alive and self.parser.body_is_complete:
                self._receive_next()
            else:
                self._close_gracefully()
        elif self._parked is not None and self._transport.eof:
            self.eof_received()
        elif self._parked is not None and self.parser.buffer:
            self._parked.request_received()
        if self.state == RECEIVING and self.parser.buffer and not self._transport.eof:
            self._server.run_queue.call_later(self._resume_parsing)
        if self.state != CLOSED:
            self._track_memory()

    def detach(self) -> tuple[Any, bytes]:
        """Hand over the connection. Return its socket and the bytes already received."""
        received = self.parser.buffer
        sock = self._transport.detach()
        self._forget()
        return sock, received

    # --- responses ---

    def park(self, parked: Poll) -> None:
        """Keep the connection open until `parked` responds."""
        self.state, self._parked = PARKED, parked
        self.deadline = None  # the heartbeat times out polls
        self._server.set_waiting(self, False)
        self._track_memory()

    def respond(self, data: bytes, close: bool = False) -> bool:
        """Send a complete response without blocking. Return False if the connection is lost."""
        self._parked = None
        if not self._write(data):
            return False
        if close:
            self._close_gracefully()
        else:
            self._receive_next()
        return True

    def _receive_next(self) -> None:
        self.parser.next()
        self.state = RECEIVING
        self._wait_for_peer(KEEP_ALIVE_TIMEOUT if self._transport.drained else RESPONSE_TIMEOUT)
        if self._transport.eof:
            self._server.run_queue.call_later(self._resume_parsing)

    def _watch_input(self) -> None:
        """Receive while the buffer has room. Otherwise flow control stops the peer."""
        self._transport.set_reading(len(self.parser.buffer) <= MAX_HEAD_SIZE)

    def _write(self, *parts: bytes) -> bool:
        try:
            self._transport.write(*parts)
        except OSError:
            self.close()
            return False
        if not self._transport.drained:
            self._wait_for_peer(RESPONSE_TIMEOUT)
            self._track_memory()
        return self.state != CLOSED

    def data_sent(self) -> None:
        """Continue once all written data was sent."""
        if not self._transport.drained:
            pass
        elif self.state == CLOSING:
            self._shut_down()
        elif self.state == RECEIVING:
            if self.parser.head is None:  # otherwise it was a 100 Continue
                self._receive_next()
            self._server.run_queue.call_later(self._resume_parsing)
        else:
            self._server.set_waiting(self, False)
            self._transport.wake()
        self._track_memory()

    # --- closing ---

    def _close_gracefully(self) -> None:
        """Close after the peer received the response. A reset would discard unread data."""
        self.state = CLOSING
        self.parser.clear()
        if self._transport.drained:
            self._shut_down()

    def _shut_down(self) -> None:
        self._transport.shut_down_writing()
        if self._transport.eof:
            self.close()
            return
        self._wait_for_peer(LINGER_TIMEOUT)

    def close(self) -> None:
        """Close immediately. Idempotent."""
        if self.state != CLOSED:
            self._transport.close()
            self._forget()

    connection_lost = close

    def _forget(self) -> None:
        self.state, self._parked = CLOSED, None
        self.parser.clear()
        self._server.set_waiting(self, False)
        self._track_memory()
        self._server.closed(self)
        self._transport.wake()

    def _wait_for_peer(self, seconds: float | None) -> None:
        """Wait for the peer, with a timeout. The connection can be evicted before that."""
        self.set_timeout(seconds)
        self._server.set_waiting(self, True)
        self._watch_input()

    def _track_memory(self) -> None:
        """Report the connection's memory usage, and close it if that is too much."""
        size = 0
        if self.state != CLOSED:
            self._watch_input()
            size = self.parser.size + (CONNECTION_SIZE if self._parked is None else 0)
            size += self._transport.unsent
        grown, self._reserved = size - self._reserved, size
        closable = self.state in (RECEIVING, CLOSING)
        if not self._server.reserve(grown) and closable and (grown > 0 or self._transport.unsent):
            self.close()
