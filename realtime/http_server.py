"""HTTP server that waits on the event loop and runs complete requests in pywsgi."""

import contextlib
import logging
import random
import resource
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypedDict

import flask
import gevent
from gevent import pywsgi

from .engineio import EngineServer
from .http_connection import CLOSED, Connection
from .http_handler import RequestHandler
from .http_headers import RequestError, RequestHead
from .listeners import MAX_ACCEPT, Acceptor, accept, bind
from .polling import FastPath

log = logging.getLogger(__name__)

#: Maximum number of concurrent requests in greenlets, not counting urgent ones. Further requests are queued
#: as bytes. A greenlet that waits inside an application takes about 40 kB.
MAX_RUNNING = 256
#: Maximum bytes of memory for all HTTP connections, not counting parked long polls.
MEMORY_BUDGET = 32 * 2**20
#: Seconds that a connection must have waited for its peer before it can be evicted.
MIN_EVICTION_AGE = 1.0
#: File descriptors reserved for the database, the log and the pins.
RESERVED_DESCRIPTORS = 128
#: Sessions closed per second at shutdown (more if the timeout requires it), and the timeout in seconds.
SHUTDOWN_RATE, SHUTDOWN_TIMEOUT = 1000, 3.0


#: Takes a request's target (empty if unknown), the status and the reason. Returns the content type and the
#: body of the error response, both ASCII.
ErrorBody = Callable[[str, str, str], tuple[str, str]]


def _plain_error(target: str, status: str, reason: str) -> tuple[str, str]:
    return "text/plain", f"{status[4:]}\n"


class _WSGIServer(pywsgi.WSGIServer):
    """Accepts connections and shares descriptors, memory and time among them."""

    max_accept = MAX_ACCEPT

    def __init__(
        self,
        listener: Any,
        app: flask.Flask,
        engine: EngineServer,
        path: str,
        headers: Sequence[tuple[str, str]],
        is_urgent: Callable[[RequestHead], bool],
        error_body: ErrorBody,
        **options: Any,
    ) -> None:
        super().__init__(listener, app, log=None, error_log=log, **options)
        self.run_queue = engine.run_queue
        self.fast_path = FastPath(engine.sockets, path)
        self.connections: set[Connection] = set()
        self._engine = engine
        self._headers = headers
        self._is_urgent = is_urgent
        self._error_body = error_body
        self._max_descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_DESCRIPTORS
        self._waiting: dict[Connection, float] = {}  # since when they wait for their peer, oldest first
        self._reserved = 0
        self._running = 0
        self._backlog: deque[Connection] = deque()  # requests beyond MAX_RUNNING

    # --- connections ---

    def do_read(self) -> Any:
        """Accept a connection as a plain socket."""
        return accept(self.socket)

    def do_handle(self, sock: Any, address: Any) -> None:
        """Serve a connection, or reject it with 503 at the descriptor limit."""
        if (
            len(self.connections) + self._engine.open_websockets >= self._max_descriptors
            and not self._evict()
        ):
            with contextlib.suppress(OSError):
                sock.send(self._error("503 Service Unavailable", "", "", ("Retry-After", "5")))
            sock.close()
            return
        connection = Connection(self, sock, address)
        if connection.state != CLOSED:  # closed immediately if the memory budget is exceeded
            self.connections.add(connection)

    def set_waiting(self, connection: Connection, waiting: bool) -> None:
        """Record that a connection has started or stopped waiting for its peer."""
        self._waiting.pop(connection, None)
        if waiting:
            self._waiting[connection] = time.monotonic()

    def reserve(self, size: int) -> bool:
        """Reserve `size` bytes, or release them if negative. Return whether they fit."""
        self._reserved += size
        while self._reserved > MEMORY_BUDGET:
            if not self._evict():
                return False
        return True

    def closed(self, connection: Connection) -> None:
        """Remove a connection."""
        self.connections.discard(connection)

    def _evict(self) -> bool:
        """Close the connection that has waited longest. Return whether one was found."""
        connection, since = next(iter(self._waiting.items()), (None, 0.0))
        if connection is None or time.monotonic() - since < MIN_EVICTION_AGE:
            return False
        connection.close()
        return True

    def close_overdue(self) -> None:
        """Close overdue connections. Does not return, so start it in a greenlet."""
        while True:
            gevent.sleep(1)
            now = time.monotonic()
            for connection in list(self.connections):
                if connection.deadline is not None and connection.deadline < now:
                    connection.close()

    # --- requests ---

    def admit(self, connection: Connection, head: RequestHead) -> None:
        """Serve a request in its turn."""
        if self._is_urgent(head):
            self.run_queue.submit(partial(self._run, connection), urgent=True)
        elif self._running < MAX_RUNNING:
            self._running += 1
            self.run_queue.submit(partial(self._run_counted, connection))
        else:
            self._backlog.append(connection)

    def _run(self, connection: Connection) -> None:
        try:
            head = connection.begin()
            if head is not None:
                RequestHandler(connection, head, self).run()
        except Exception:
            log.exception("Serving a request failed")
            connection.close()

    def _run_counted(self, connection: Connection) -> None:
        self._run(connection)
        if self._backlog:
            self.run_queue.submit(partial(self._run_counted, self._backlog.popleft()))
        else:
            self._running -= 1

    def error_response(self, error: RequestError, target: str) -> bytes:
        """Log and count a rejected request, and return the response."""
        self._engine.reject("request", str(error))
        return self._error(error.status, target, str(error))

    def _error(self, status: str, target: str = "", reason: str = "", *more: tuple[str, str]) -> bytes:
        content_type, body = self._error_body(target, status, reason)
        headers = [
            *more,
            *self._headers,
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "", body]
        return "\r\n".join(lines).encode()


class Connections(TypedDict):
    """Numbers of open HTTP and WebSocket connections."""

    http: int
    websocket: int


class HTTPServer:
    """An HTTP server for a Flask app with a Socket.IO server of this package.

    It starts serving on construction.

    Args:
        app: The application.
        listeners: Listening sockets (see `bind`). The first one determines `url` and `port`.
        headers: Added to responses that the server itself creates (400, 431, 503).
        is_urgent: Called with each request head. Requests for which it returns True are served first. It
            must be fast, and must not trust unauthenticated input.
        error_body: Returns the body of those responses. The default is the status as plain text.
    """

    def __init__(
        self,
        app: flask.Flask,
        listeners: Sequence[gevent.socket.socket],
        headers: Sequence[tuple[str, str]] = (),
        is_urgent: Callable[[RequestHead], bool] = lambda head: False,
        error_body: ErrorBody = _plain_error,
    ) -> None:
        socketio = app.extensions["socketio"]
        self._engine: EngineServer = socketio.server.eio
        silence = int(1000 * (self._engine.ping_interval + self._engine.ping_timeout))
        for listener in listeners:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence)  # ms; drops dead peers
        first, *further = listeners
        host, self.port = first.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        environ = {"SERVER_NAME": host}  # otherwise pywsgi resolves the host name
        path = socketio.sockio_mw.engineio_path
        self._server = _WSGIServer(
            first, app, self._engine, path, headers, is_urgent, error_body, environ=environ
        )
        self._acceptors: list[Any] = [
            self._server,
            *(Acceptor(each, self._server.do_handle) for each in further),
        ]
        for acceptor in self._acceptors:
            acceptor.start()

    def tasks(self) -> tuple[Callable[[], None], ...]:
        """Return the server's background tasks. Run each in a greenlet."""
        return self._engine.heartbeat.run, self._server.close_overdue

    def connections(self) -> Connections:
        """Return the number of open connections."""
        return {"http": len(self._server.connections), "websocket": self._engine.open_websockets}

    def stop_accepting(self) -> None:
        """Stop accepting. Open connections continue. Idempotent."""
        for acceptor in self._acceptors:
            acceptor.close()

    def close(self, timeout: float = SHUTDOWN_TIMEOUT) -> None:
        """Stop accepting and close all sessions, after which every client reconnects.

        Sessions are closed at `SHUTDOWN_RATE`, or faster to meet `timeout` (in seconds), to spread the load
        on other servers. Only the transports are closed: after a close packet, Python clients would not
        reconnect.
        """
        self.stop_accepting()
        self._end_sessions(timeout)
        gevent.sleep(0.1)  # let pending data be sent

    def restart_sessions(self) -> None:
        """Close all sessions, so that each client reconnects and gets the current state.

        Does not block.
        """
        gevent.spawn(self._end_sessions, SHUTDOWN_TIMEOUT)

    def _end_sessions(self, timeout: float) -> None:
        sessions = list(self._engine.sockets.values())
        random.shuffle(sessions)
        started, pace = time.monotonic(), min(timeout / max(1, len(sessions)), 1 / SHUTDOWN_RATE)
        for number, session in enumerate(sessions):
            session.close(self._engine.reason.SERVER_DISCONNECT, final=False)
            if number % 20 == 19:
                gevent.sleep(max(0.0, started + number * pace - time.monotonic()))


def serve(app: flask.Flask, host: str, port: int, **options: Any) -> HTTPServer:
    """Serve `app` at `host` and `port` in the background.

    Args:
        app: A Flask app with a server from `create_socketio`.
        host: Address to listen on.
        port: Port; 0 picks a free one.
        options: Passed to `HTTPServer`.

    Returns:
        The running server, with `url`, `port` and `close()`.

    Raises:
        OSError: The address cannot be bound.
    """
    server = HTTPServer(app, bind(host, port), **options)
    for task in server.tasks():
        gevent.spawn(task)
    return server
