"""The HTTP server beneath: pywsgi without its stalls, with deadlines and a limit."""

import contextlib
import io
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import flask
import gevent
from gevent import pywsgi

from .client import Client
from .engine import Engine
from .polling import FastLane

log = logging.getLogger(__name__)

#: Seconds within which a request's head and body must have come, and an answer must have been taken.
REQUEST_WITHIN = 10.0
ANSWER_WITHIN = 60.0
#: Seconds that a connection may wait for its next request.
IDLE_WITHIN = 75.0
#: Bodies up to so many bytes are read before the application is called.
READ_AHEAD = 65536
#: Connections beyond the clients' that are served at once: pages, polls, programs.
MORE_CONNECTIONS = 200

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class Handler(pywsgi.WSGIHandler):
    """One connection.

    Head and body of an answer leave in one send: pywsgi's two make the second wait for the delayed
    acknowledgement of the first, 45 ms on every kept-alive long poll. `deadline` is when the connection
    is cut unless something happens before; None: never. `parked` is the client whose long poll it holds.
    """

    server: "_WSGIServer"
    socket: Any
    response_length: int

    def __init__(self, sock: Any, address: Any, server: "_WSGIServer") -> None:
        super().__init__(sock, address, server, sock.makefile("rb", 4096))
        self.deadline: float | None = None
        self.parked: Client | None = None

    def handle(self) -> None:
        """Serve the connection until it ends."""
        self.server.handlers.add(self)
        try:
            super().handle()
        finally:
            self.server.handlers.discard(self)
            if self.parked is not None:
                self._unpark()

    def handle_one_request(self) -> Any:
        """Wait for a request and answer it."""
        rfile = self.rfile
        if rfile.closed:
            return None
        if self.parked is None:
            first = self.response_length == 0
            self._within(REQUEST_WITHIN if first else IDLE_WITHIN)
        try:
            data = rfile.peek(1)
        except (OSError, ValueError):
            data = b""
        if self.parked is not None:
            self._unpark(overtaken=bool(data))
        if not data:
            return None
        self._within(REQUEST_WITHIN)
        if self.server.fast_lane.take(self, data):
            self.deadline = None
            self.response_length = 1
            return True
        return super().handle_one_request()

    def get_environ(self) -> dict[str, Any]:
        """The WSGI environ, once the body has come, if it is one of ordinary length."""
        environ: dict[str, Any] = super().get_environ()
        environ["realtime.connection"] = self
        length = self.content_length or 0
        if 0 < length <= READ_AHEAD and not environ.get("HTTP_EXPECT"):
            environ["wsgi.input"] = io.BytesIO(self.wsgi_input.read())
        if length <= READ_AHEAD and not environ.get("HTTP_TRANSFER_ENCODING"):
            self.deadline = None
        else:
            self._within(REQUEST_WITHIN + length / 100_000)
        return environ

    def start_response(self, *arguments: Any, **more: Any) -> Any:
        """Begin an answer, which must be taken in time."""
        self._within(ANSWER_WITHIN)
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
        answer += b"\r\n"
        if self.response_use_chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._sendall(answer + data)

    def _within(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds

    def _unpark(self, overtaken: bool = False) -> None:
        """The connection of a parked poll has something to say, or has ended: then so has the client."""
        client, self.parked = self.parked, None
        if client is not None and client.poll is not None:
            poll, client.poll = client.poll, None
            if overtaken:
                poll.answer([])
            else:
                client.close("transport close", tell=False)

    def _handle_client_error(self, error: Exception) -> Any:
        """A request that is none: a 400 and one line, never a traceback."""
        self.server.rejected("request", str(error) or type(error).__name__)
        return "400", pywsgi._BAD_REQUEST_RESPONSE

    def handle_error(self, kind: Any, error: Any, traceback: Any) -> None:
        """An application that failed, or a peer that went while it was answered."""
        if isinstance(error, OSError):
            self.close_connection = True
            return
        log.error("%s failed", self.requestline, exc_info=(kind, error, traceback))
        self._send_error_response_if_possible(500)


class _WSGIServer(pywsgi.WSGIServer):
    handler_class = Handler
    #: Connections accepted at a time. With gevent's 100, the handshakes under way at once leave so much
    #: freed memory between what stays that a client costs 9 kB instead of 1.2.
    max_accept = 4

    def __init__(self, listener: Any, app: flask.Flask, engine: Engine, path: str, **more: Any) -> None:
        super().__init__(listener, app, log=None, error_log=log, **more)
        self.handlers: set[Handler] = set()
        self.fast_lane = FastLane(engine, path)
        self.rejected: Callable[[str, str], None] = engine.rejected
        self._most = engine.max_clients + MORE_CONNECTIONS

    def do_handle(self, *arguments: Any) -> None:
        """Serve a new connection, or tell it to come later."""
        if len(self.handlers) < self._most:
            super().do_handle(*arguments)
            return
        connection = arguments[0]
        with contextlib.suppress(OSError):
            connection._sock.send(_BUSY)
        connection.close()

    def cut_the_late(self) -> None:
        """Never returns: cuts the connections whose deadline has passed."""
        while True:
            gevent.sleep(1)
            now = time.monotonic()
            for handler in [each for each in self.handlers if each.deadline and each.deadline < now]:
                if handler.socket is not None:
                    with contextlib.suppress(OSError):
                        handler.socket.shutdown(socket.SHUT_RDWR)


class Server:
    """An HTTP server for `app` that listens from the start; `url` says where. Port 0 takes a free one.

    `spawn(function)` starts a greenlet whose death must not go unseen. Raises `OSError` if the address
    cannot be had.
    """

    def __init__(
        self,
        app: flask.Flask,
        host: str,
        port: int,
        spawn: Callable[[Callable[[], None]], gevent.Greenlet] = gevent.spawn,
    ) -> None:
        socketio = app.extensions["socketio"]
        self._engine: Engine = socketio.server.eio
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = listener = gevent.socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The accepted inherit these: no waiting for acknowledgements, an end to dead peers.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        silent = int(1000 * (self._engine.ping_interval + self._engine.ping_timeout))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silent)
        with _closed_on_error(listener):
            listener.bind((host, port))
            listener.listen(4096)
        self.port: int = listener.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        environ = {"SERVER_NAME": host}  # else pywsgi asks the network for its name
        path = socketio.sockio_mw.engineio_path
        self._server = _WSGIServer(listener, app, self._engine, path, environ=environ)
        self._server.start()
        spawn(self._engine.heartbeat.run)
        spawn(self._server.cut_the_late)

    def refuse(self) -> None:
        """Take no new connection; those that are there go on."""
        self._server.close()

    def close(self) -> None:
        """Close every client at the engine's level, after which browsers come back by themselves."""
        self.refuse()
        for number, client in enumerate(list(self._engine.sockets.values())):
            client.close(self._engine.reason.SERVER_DISCONNECT, code=1001)
            if number % 200 == 199:
                gevent.sleep(0)
        gevent.sleep(0.1)  # what they were sent is to leave


def serve(app: flask.Flask, host: str, port: int, **more: Any) -> Server:
    """Serve `app` at `host` and `port`; returns the running server. Raises `OSError`."""
    return Server(app, host, port, **more)


@contextlib.contextmanager
def _closed_on_error(listener: Any) -> Any:
    try:
        yield
    except OSError:
        listener.close()
        raise
