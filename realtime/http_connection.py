"""An HTTP connection on the event loop, which has a greenlet only while its request is served."""

import contextlib
import errno
import time
from collections import deque
from collections.abc import Callable
from socket import SHUT_WR
from typing import Any, Protocol

import gevent

from .fairness import RunQueue
from .http_body import body_decoder
from .http_headers import MAX_HEAD_SIZE, RequestError, RequestHead, find_head_end
from .polling import FastPath, Poll

#: Seconds within which a request must have arrived, and its response must have been taken.
REQUEST_TIMEOUT, RESPONSE_TIMEOUT = 10.0, 60.0
#: Seconds that a connection may be idle between two requests.
KEEP_ALIVE_TIMEOUT = 75.0
#: Seconds that the peer has to close a connection after its last response.
LINGER_TIMEOUT = 2.0
#: Bytes received at a time.
READ_SIZE = 8192
#: Bodies up to this many bytes are received before the application is called.
MAX_BUFFERED_BODY = 65536
#: Bytes of memory for each connection, and for each byte of a parsed head.
CONNECTION_SIZE, PARSED_SIZE = 1500, 3
#: Bytes transferred after which a greenlet lets others run.
FAIR_SHARE = 65536

RECEIVING, QUEUED, RUNNING, PARKED, CLOSING, CLOSED = range(6)

_READ, _WRITE = 1, 2
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Server(Protocol):
    """What a connection needs of its server."""

    run_queue: RunQueue
    fast_path: FastPath

    def waits(self, connection: "Connection", waits: bool) -> None:
        """Note whether a connection waits for its peer, since now."""

    def hold(self, size: int) -> bool:
        """Take `size` bytes of the memory budget (negative: return them); false: it is exceeded."""

    def admit(self, connection: "Connection", request: RequestHead) -> None:
        """Call `connection.run` when it is the request's turn."""

    def serve(self, connection: "Connection", request: RequestHead) -> None:
        """Serve a request. Blocks."""

    def error_response(self, error: RequestError) -> bytes:
        """Log and count a rejected request; return the response."""

    def closed(self, connection: "Connection") -> None:
        """Forget a connection."""


class Connection:
    """A connection in one of six states.

    RECEIVING a request, or idle; QUEUED until it is the request's turn; RUNNING, with its request in a
    greenlet; PARKED until its long poll is answered; CLOSING until the peer closes, too; CLOSED.
    """

    __slots__ = ("_body", "_decoder", "_eof", "_held", "_parked", "_pending", "_reader", "_request",
                 "_searched", "_server", "_sock", "_transferred", "_waiter", "_writer", "address", "buffer",
                 "deadline", "state")  # fmt: skip

    is_http = True

    def __init__(self, server: Server, sock: Any, address: Any) -> None:
        self._server = server
        self._sock = sock
        self.address = address
        self.state = RECEIVING
        self.buffer = b""  # received, not used yet
        #: Monotonic time at which the connection is closed unless the deadline is moved; None: no deadline.
        self.deadline: float | None = None
        self._searched = 0  # bytes of the buffer without the end of a head
        self._request: RequestHead | None = None
        self._decoder: Any = None  # of a body that is incomplete
        self._body = b""
        self._pending: deque[memoryview] | None = None  # what the kernel did not take
        self._parked: Poll | None = None
        self._eof = False
        self._held = 0
        self._transferred = 0
        self._waiter: Callable[[], object] | None = None  # of the greenlet that waits for the peer
        self._writer: Any = None
        self._reader = gevent.get_hub().loop.io(sock.fileno(), _READ)
        self._reader.start(server.run_queue.report, self)
        self._set_deadline(REQUEST_TIMEOUT)
        server.waits(self, True)
        self._account()

    # --- requests ---

    def receive(self) -> None:
        """Receive what has come."""
        if self.state == CLOSED:
            return
        try:
            data = self._sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end_of_input()
            return
        if self.state == CLOSING:
            return
        if self._parked is not None:
            self._parked.request_received()
        self.buffer += data
        if self.state == RECEIVING:
            self.advance()
        else:
            self._wake()
        self._account()

    def _end_of_input(self) -> None:
        self._eof = True
        self._reader.stop()
        if self._parked is not None:
            parked, self._parked = self._parked, None
            self.close()
            parked.connection_lost()
        elif self.state in (QUEUED, RUNNING):
            self._wake()
        elif self.state == RECEIVING:
            self._go_on()
        elif not self._pending:
            self.close()

    def advance(self) -> None:
        """Use what was received, until a request is complete."""
        try:
            while self.buffer and self.state == RECEIVING and not self._pending:
                if self._request is None and not self._read_head():
                    return
                if self._request is not None and not self._read_body(self._request):
                    return
        except RequestError as error:
            self._reject(error)

    def _go_on(self) -> None:
        """Use what was received while a request was served or its response was sent."""
        if self.state == RECEIVING:
            self.advance()
            if self._eof and self.state == RECEIVING and not self._pending:  # nothing complete is left
                if self._request is not None or self.buffer:
                    self._reject(RequestError("connection closed within a request"))
                else:
                    self.close()
            self._account()

    def _read_head(self) -> bool:
        """Take a head from the buffer; false: it is incomplete, or the request went the fast path."""
        if used := self._server.fast_path.serve(self, self.buffer):
            self.buffer = self.buffer[used:]
            if self.buffer:
                if self._parked is not None:
                    self._parked.request_received()
                self._server.run_queue.call_later(self._go_on)
            return False
        if self.buffer[:1] in b"\r\n":
            self.buffer = self.buffer.lstrip(b"\r\n")  # RFC 9112, section 2.2
        end = find_head_end(self.buffer, self._searched)
        if (end if end >= 0 else len(self.buffer)) > MAX_HEAD_SIZE:
            raise RequestError("request head too large", "431 Request Header Fields Too Large")
        if not self._searched:
            self._set_deadline(REQUEST_TIMEOUT)
        if end < 0:
            self._searched = len(self.buffer)
            return False
        self._request = request = RequestHead(self.buffer[:end])
        self.buffer = self.buffer[end:]
        self._decoder = body_decoder(request)
        expects = request.version == "HTTP/1.1" and request.get("expect").lower() == "100-continue"
        if self._decoder and not self.buffer and expects:
            self._write(_CONTINUE)
        return True

    def _read_body(self, request: RequestHead) -> bool:
        """Take a body from the buffer and queue the request; false: the body is incomplete."""
        if self._decoder is not None and (request.content_length or 0) <= MAX_BUFFERED_BODY:
            self._body += self._decode()
            if self._decoder is not None and len(self._body) <= MAX_BUFFERED_BODY:
                return False
        self.state = QUEUED
        self.deadline = None
        self._server.waits(self, False)
        self._server.admit(self, request)
        return True

    def _decode(self) -> bytes:
        payload: bytes = self._decoder.feed(self.buffer)
        self.buffer = self._decoder.unused
        if self._decoder.complete:
            self._decoder = None
        return payload

    def run(self) -> None:
        """Serve the request. Blocks; call it in a greenlet."""
        request = self._request
        if self.state != QUEUED or request is None:
            return
        self.state = RUNNING
        self._server.serve(self, request)

    def _reject(self, error: RequestError) -> None:
        self.respond(self._server.error_response(error), close=True)

    # --- for the greenlet of a request ---

    @property
    def body_is_complete(self) -> bool:
        """Whether nothing of the body is left to receive."""
        return self._decoder is None

    def take_body(self) -> bytes:
        """Return what was received of the body."""
        body, self._body = self._body, b""
        return body

    def read_body(self) -> bytes:
        """Return a piece of the body, `b""` at its end. Blocks. Raises `OSError` and `RequestError`."""
        while not self._body and self._decoder is not None:
            if self.buffer:
                self._body = self._decode()
                self._be_fair(len(self._body))
            elif self._eof or self.state == CLOSED:
                raise ConnectionResetError("the body is incomplete")
            else:
                self._watch_input()
                self._wait()
        return self.take_body()

    def write(self, *parts: bytes) -> None:
        """Send a part of the response. Blocks while the part before is not sent. Raises `OSError`."""
        while self._pending and self.state != CLOSED:
            self._wait()
        if self.state == CLOSED or not self._write(*parts):
            raise BrokenPipeError(errno.EPIPE, "connection lost")
        self._be_fair(sum(map(len, parts)))

    def set_timeout(self, seconds: float | None) -> None:
        """Close the connection in so many seconds unless the request is done; None: never."""
        self.deadline = None
        if seconds is not None:
            self._set_deadline(seconds)

    def finish(self, keep_alive: bool) -> None:
        """End a request whose response was sent, or whose poll is parked."""
        if self.state == RUNNING:
            if keep_alive and self._decoder is None:
                self._receive_next()
            else:
                self._close_gracefully()
        elif self._parked is not None and self._eof:
            self._end_of_input()
        elif self._parked is not None and self.buffer:
            self._parked.request_received()
        if self.state == RECEIVING and self.buffer and not self._eof:
            self._server.run_queue.call_later(self._go_on)
        if self.state != CLOSED:
            self._account()

    def detach(self) -> tuple[Any, bytes]:
        """Hand over the connection: return its socket and the bytes already received."""
        sock, received = self._sock, self.buffer
        self._forget()
        return sock, received

    def _wait(self) -> None:
        self._waiter = gevent.getcurrent().switch
        gevent.get_hub().switch()

    def _wake(self) -> None:
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            self._server.run_queue.call_later(waiter)

    def _be_fair(self, transferred: int) -> None:
        self._transferred += transferred
        if self._transferred > FAIR_SHARE:
            self._transferred = 0
            self._server.run_queue.wait()

    # --- responses ---

    def park(self, parked: Poll) -> None:
        """Keep the connection open until `parked` responds."""
        self.state, self._parked = PARKED, parked
        self.deadline = None  # the heartbeat watches polls
        self._server.waits(self, False)
        self._account()

    def respond(self, data: bytes, close: bool = False) -> bool:
        """Send a complete response; false: the connection is lost. Does not block."""
        self._parked = None
        if not self._write(data):
            return False
        if close:
            self._close_gracefully()
        else:
            self._receive_next()
        return True

    def _receive_next(self) -> None:
        self._request, self._decoder, self._body, self._searched = None, None, b"", 0
        self.state = RECEIVING
        if not self._pending:
            self._set_deadline(KEEP_ALIVE_TIMEOUT)
        if self._eof:
            self._server.run_queue.call_later(self._go_on)
        self._server.waits(self, True)
        self._watch_input()

    def _watch_input(self) -> None:
        """Receive while there is room: what is not received waits in the peer."""
        if self._eof or len(self.buffer) > MAX_HEAD_SIZE:
            self._reader.stop()
        elif not self._reader.active:
            self._reader.start(self._server.run_queue.report, self)

    def _write(self, *parts: bytes) -> bool:
        sent = 0
        if not self._pending:
            try:
                sent = self._sock.send(parts[0]) if len(parts) == 1 else self._sock.sendmsg(parts)
            except BlockingIOError:
                pass
            except OSError:
                self.close()
                return False
        if sent < sum(map(len, parts)):
            if self._pending is None:
                self._pending = deque()
                self._writer = gevent.get_hub().loop.io(self._sock.fileno(), _WRITE)
                self._writer.start(self._writable)
            for part in parts:
                if sent < len(part):
                    self._pending.append(memoryview(part)[sent:])
                sent = max(0, sent - len(part))
            self._set_deadline(RESPONSE_TIMEOUT)
            self._server.waits(self, True)
            self._account()
        return self.state != CLOSED

    def _writable(self) -> None:
        assert self._pending is not None
        try:
            while self._pending:
                sent = self._sock.send(self._pending[0])
                self._pending[0] = self._pending[0][sent:]
                if not self._pending[0]:
                    self._pending.popleft()
        except BlockingIOError:
            self._account()
            return
        except OSError:
            self.close()
            return
        self._stop_writer()
        if self.state == CLOSING:
            self._shut_down()
        elif self.state == RECEIVING:
            if self._request is None:  # else it was a 100 Continue
                self._receive_next()
            self._server.run_queue.call_later(self._go_on)
        else:
            self._server.waits(self, False)
            self._wake()
        self._account()

    def _stop_writer(self) -> None:
        self._pending = None
        if self._writer is not None:
            self._writer.stop()
            self._writer.close()
            self._writer = None

    # --- the end ---

    def _close_gracefully(self) -> None:
        """Close once the peer has taken the response: a reset would discard what it has not read yet."""
        self.state, self._request, self._body, self.buffer = CLOSING, None, b"", b""
        if not self._pending:
            self._shut_down()

    def _shut_down(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(SHUT_WR)
        if self._eof:
            self.close()
            return
        self._set_deadline(LINGER_TIMEOUT)
        self._server.waits(self, True)
        self._watch_input()

    def abort(self) -> None:
        """Close at once, without a response. Its long poll is lost."""
        parked = self._parked
        self.close()
        if parked is not None:
            parked.connection_lost()

    def close(self) -> None:
        """Close at once. Idempotent."""
        if self.state != CLOSED:
            self._forget()
            with contextlib.suppress(OSError):
                self._sock.close()

    def _forget(self) -> None:
        self._reader.stop()
        self._reader.close()
        self._stop_writer()
        self.state, self._parked, self._request, self._body, self.buffer = CLOSED, None, None, b"", b""
        self._server.waits(self, False)
        self._account()
        self._server.closed(self)
        self._wake()

    def _set_deadline(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds

    def _account(self) -> None:
        """Report how much memory the connection holds; close it if that is too much."""
        size = 0
        if self.state != CLOSED:
            self._watch_input()
        if self.state != CLOSED:
            size = len(self.buffer) + len(self._body)
            size += CONNECTION_SIZE if self._parked is None else 0
            size += PARSED_SIZE * self._request.size if self._request is not None else 0
            size += sum(map(len, self._pending)) if self._pending else 0
        grown, self._held = size - self._held, size
        if (
            not self._server.hold(grown)
            and self.state in (RECEIVING, CLOSING)
            and (grown > 0 or self._pending)
        ):
            self.close()
