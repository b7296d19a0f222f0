"""The HTTP server beneath: pywsgi without its stalls, with deadlines and a limit."""

import contextlib
import io
import logging
import random
import re
import resource
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import flask
import gevent
from gevent import pywsgi

from . import packets
from .engine import Engine
from .head import Head
from .polling import FastLane, ParkedPoll

log = logging.getLogger(__name__)

#: Seconds within which a request's head and body must have come, and an answer must have been taken.
REQUEST_WITHIN = 10.0
ANSWER_WITHIN = 60.0
#: Seconds that a connection may wait for its next request.
IDLE_WITHIN = 75.0
#: Bodies up to so many bytes are read before the application is called.
READ_AHEAD = 65536
#: Bytes of a body for which an application without a limit of its own (MAX_CONTENT_LENGTH) is given time.
MOST_READ = 10**8
#: Clients are parted with at so many a second when the server stops, in at most so many seconds.
SHED_A_SECOND, SHED_WITHIN = 1000, 3.0
#: Descriptors that connections never get: the database, the log and the pins need some.
RESERVED_DESCRIPTORS = 128
#: What comes before the path in a URL.
_URL = re.compile("https?://[^/?#]*", re.I)


class Handler(pywsgi.WSGIHandler):
    """One connection.

    Head and body of an answer leave in one send: pywsgi's two make the second wait for the delayed
    acknowledgement of the first, 45 ms on every kept-alive long poll. `deadline` is when the connection
    is cut unless something happens before; None: never. `parked` is the long poll that it holds; `drained`:
    nothing had come behind that. `long`: not all of the request's body was read ahead.
    """

    server: "_WSGIServer"
    socket: Any
    response_length: int
    close_connection: bool
    path: str

    def __init__(self, sock: Any, address: Any, server: "_WSGIServer") -> None:
        super().__init__(sock, address, server, sock.makefile("rb", 4096))
        self.deadline: float | None = None
        self.parked: ParkedPoll | None = None
        self.drained = False
        self.long = False

    def handle(self) -> None:
        """Serve the connection until it ends."""
        self.server.handlers.add(self)
        try:
            with contextlib.suppress(OSError):  # the peer has gone, or was cut
                super().handle()
        finally:
            self.server.handlers.discard(self)
            if self.parked is not None:
                self._unpark()
            self.environ = None  # in which this very object stands

    def handle_one_request(self) -> Any:
        """Wait for a request and answer it."""
        rfile = self.rfile
        if rfile.closed:
            return None
        if self.parked is None:
            first = self.response_length == 0
            self._within(REQUEST_WITHIN if first else IDLE_WITHIN)
        try:
            if self.parked is not None and self.drained:  # to read in vain first costs a tenth of a poll
                self.socket._wait(self.socket._read_event)
            data = rfile.peek(1)
        except (OSError, ValueError):
            data = b""
        if self.parked is not None:
            self._unpark(overtaken=bool(data))
        if not data:
            return None
        self._within(REQUEST_WITHIN)
        if self.server.fast_lane.take(self, data):
            self.response_length = 1
            return True
        answer = super().handle_one_request()
        if isinstance(answer, tuple) and answer[0] == "414":
            return self._refuse("414", "414 URI Too Long", "a request line that is too long")
        return answer

    def read_request(self, raw_requestline: str) -> bool:
        """Read a request's head; the target may be a whole URL, as for proxies (RFC 9112, section 3.2.2)."""
        read: bool = super().read_request(raw_requestline)
        if whole := _URL.match(self.path):
            rest = self.path[whole.end() :]
            self.path = rest if rest.startswith("/") else "/" + rest
        return read

    def get_environ(self) -> dict[str, Any]:
        """The WSGI environ."""
        environ: dict[str, Any] = super().get_environ()
        environ["realtime.connection"] = self
        return environ

    def handle_one_response(self) -> None:
        """Answer a request once its body has come; of a long one the application reads the rest, in time."""
        length, chunked, body = self.content_length or 0, self.wsgi_input.chunked_input, b""
        if chunked or 0 < length <= READ_AHEAD:
            try:
                body = self.wsgi_input.read(READ_AHEAD + 1)
            except (OSError, ValueError) as error:
                self._refuse_body(error)
                return
        environ: Any = self.environ
        self.long = max(length, len(body)) > READ_AHEAD
        if self.long:
            most = self.server.application.config.get("MAX_CONTENT_LENGTH") or MOST_READ
            self._within(REQUEST_WITHIN + min(length or most, most) / 100_000)
            environ["wsgi.input"] = io.BufferedReader(_Joined(body, self.wsgi_input))
        else:
            self.deadline = None
            environ["wsgi.input"] = io.BytesIO(body)
        super().handle_one_response()

    def start_response(self, *arguments: Any, **more: Any) -> Any:
        """Begin an answer, which must be taken in time; for what may be unread of a body, nobody waits."""
        unread = self.long and (self.content_length is None or self.content_length > self.wsgi_input.position)
        self.close_connection = self.close_connection or unread
        self._within(REQUEST_WITHIN if unread else ANSWER_WITHIN)
        return super().start_response(*arguments, **more)

    def detach(self) -> tuple[socket.socket, bytes]:
        """Give the connection away: its plain socket, which does not block, and what it has received."""
        self.socket.settimeout(0.0)
        received = self.rfile.peek(1) or b""
        raw = socket._socket.socket(fileno=self.socket.detach())  # type: ignore[attr-defined]
        raw.setblocking(False)
        self.socket = None
        self.close_connection = True
        return raw, received

    def _write_with_headers(self, data: bytes) -> None:
        self.headers_sent = True
        self.finalize_headers()
        answer = bytearray(b"HTTP/1.1 " + self.status + b"\r\n")
        for name, value in self.response_headers:
            answer += name + b": " + value + b"\r\n"
        if self.close_connection and b"\r\nconnection:" not in answer.lower():
            answer += b"Connection: close\r\n"
        answer += b"\r\n"
        if self.response_use_chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._sendall(answer + data)

    def log_request(self) -> None:
        """Log nothing: pywsgi makes a line of each request though nobody wants it."""

    def wait_for_request(self) -> None:
        """Give the connection so long as it may be idle."""
        self._within(IDLE_WITHIN)

    def _within(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds

    def _unpark(self, overtaken: bool = False) -> None:
        """The connection of a parked poll has something to say, or has ended: then so has the client."""
        poll, self.parked = self.parked, None
        if poll is None or not poll.is_waited_for():
            return
        poll.client.poll = None
        if overtaken:
            poll.answer([packets.NOOP])
        else:
            poll.client.close("transport close", tell=False)

    def _handle_client_error(self, error: Exception) -> Any:
        """A request that is none: a 400 and one line, never a traceback."""
        return self._refuse("400", "400 Bad Request", str(error) or type(error).__name__)

    def _refuse(self, code: str, status: str, why: str) -> tuple[str, bytes]:
        self.server.rejected("request", why)
        return code, self.server.refusal(status)

    def _refuse_body(self, error: Exception) -> None:
        """A body that is none, or that broke off: the error of that has a number."""
        self.close_connection = True
        if not isinstance(getattr(error, "errno", None), int):
            with contextlib.suppress(OSError):
                self.socket.sendall(self._refuse("400", "400 Bad Request", str(error))[1])

    def MessageClass(self, rfile: Any, _seekable: int) -> Head:
        """Read the header lines of a request."""
        return Head(rfile)

    def handle_error(self, kind: Any, error: Any, traceback: Any) -> None:
        """An application that failed, or a peer that went while it was answered."""
        if isinstance(error, OSError):
            self.close_connection = True
            return
        log.error("%s failed", self.requestline, exc_info=(kind, error, traceback))
        self._send_error_response_if_possible(500)


class _Joined(io.RawIOBase):
    """A body whose beginning has been read."""

    def __init__(self, begun: bytes, rest: Any) -> None:
        self._begun = io.BytesIO(begun)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._begun.read(len(buffer)) or self._rest.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _WSGIServer(pywsgi.WSGIServer):
    handler_class = Handler
    #: Connections accepted at a time. With gevent's 100, the handshakes under way at once leave so much
    #: freed memory between what stays that a client costs 9 kB instead of 1.2.
    max_accept = 4

    def __init__(
        self,
        listener: Any,
        app: flask.Flask,
        engine: Engine,
        path: str,
        headers: Sequence[tuple[str, str]],
        **more: Any,
    ) -> None:
        super().__init__(listener, app, log=None, error_log=log, **more)
        self._headers = headers
        self.handlers: set[Handler] = set()
        self.fast_lane = FastLane(engine, path)
        self.rejected: Callable[[str, str], None] = engine.rejected
        self._engine = engine
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_DESCRIPTORS

    def do_handle(self, *arguments: Any) -> None:
        """Serve a new connection, or tell it to come later."""
        if len(self.handlers) + self._engine.open_websockets < self._most:
            super().do_handle(*arguments)
            return
        connection = arguments[0]
        with contextlib.suppress(OSError):
            connection._sock.send(self.refusal("503 Service Unavailable", ("Retry-After", "5")))
        connection.close()

    def refusal(self, status: str, *more: tuple[str, str]) -> bytes:
        """An answer of the server's own to what never reaches the application."""
        body = status[4:] + "\n"
        headers = [
            *more,
            *self._headers,
            ("Content-Type", "text/plain"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "", body]
        return "\r\n".join(lines).encode()

    def cut_the_late(self) -> None:
        """Never returns: cuts the connections whose deadline has passed."""
        while True:
            gevent.sleep(1)
            now = time.monotonic()
            for handler in [each for each in self.handlers if each.deadline and each.deadline < now]:
                if handler.socket is not None:
                    with contextlib.suppress(OSError):
                        handler.socket.shutdown(socket.SHUT_RDWR)


def bind(host: str, port: int) -> gevent.socket.socket:
    """A listening socket; port 0 takes a free one. Raises `OSError` if the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = gevent.socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # which the accepted inherit
        listener.bind((host, port))
        listener.listen(4096)
    except OSError:
        listener.close()
        raise
    return listener


class Server:
    """An HTTP server for `app` on a listening socket (see `bind`); `url` says where.

    `spawn(function)` starts a greenlet whose death must not go unseen. `headers` are for the answers that
    the server gives by itself, to what is no request and to one connection too many.
    """

    def __init__(
        self,
        app: flask.Flask,
        listener: gevent.socket.socket,
        spawn: Callable[[Callable[[], None]], gevent.Greenlet] = gevent.spawn,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        socketio = app.extensions["socketio"]
        self._engine: Engine = socketio.server.eio
        silent = int(1000 * (self._engine.ping_interval + self._engine.ping_timeout))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silent)  # an end to dead peers
        host, self.port = listener.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        environ = {"SERVER_NAME": host}  # else pywsgi asks the network for its name
        path = socketio.sockio_mw.engineio_path
        self._server = _WSGIServer(listener, app, self._engine, path, headers, environ=environ)
        self._server.start()
        spawn(self._engine.heartbeat.run)
        spawn(self._server.cut_the_late)

    def connections(self) -> dict[str, int]:
        """The connections of now: of HTTP, each with a greenlet, and of WebSockets, which have none."""
        return {"http": len(self._server.handlers), "websocket": self._engine.open_websockets}

    def refuse(self) -> None:
        """Take no new connection; those that are there go on."""
        self._server.close()

    def close(self, within: float = SHED_WITHIN) -> None:
        """Close every client at the engine's level, after which browsers come back by themselves.

        A thousand a second, or as many as it takes to be done `within` seconds: they go to neighbours.
        """
        self.refuse()
        clients = list(self._engine.sockets.values())
        random.shuffle(clients)
        begun, pace = time.monotonic(), min(within / max(1, len(clients)), 1 / SHED_A_SECOND)
        for number, client in enumerate(clients):
            client.close(self._engine.reason.SERVER_DISCONNECT, code=1001)
            if number % 20 == 19:
                gevent.sleep(max(0.0, begun + number * pace - time.monotonic()))
        gevent.sleep(0.1)  # what they were sent is to leave


def serve(app: flask.Flask, host: str, port: int, **more: Any) -> Server:
    """Serve `app` at `host` and `port`; returns the running server. Raises `OSError`."""
    return Server(app, bind(host, port), **more)
