"""gevent-based Socket.IO server for Flask-SocketIO apps with many idle clients.

    socketio = create_socketio(app, newest_only={"price"})
    server = serve(app, "127.0.0.1", 8000)
    socketio.emit("price", 42)

An idle client costs little more than its socket: it has no greenlet, queue or buffer.
"""

from collections.abc import Collection, Mapping
from importlib import metadata
from typing import Any

import flask

from .extension import SocketIO
from .http_headers import RequestHead
from .http_server import SHUTDOWN_TIMEOUT, HTTPServer, serve
from .listeners import bind
from .log_limit import RateLimit
from .socketio import BroadcastManager

__all__ = [
    "SHUTDOWN_TIMEOUT",
    "HTTPServer",
    "RateLimit",
    "RequestHead",
    "SocketIO",
    "bind",
    "create_socketio",
    "serve",
]

#: The versions that this package was written for. It overrides methods that are not part of their public API.
VERSIONS = {
    "gevent": "26.9.0",
    "Flask-SocketIO": "5.7.0",
    "python-socketio": "5.18.1",
    "python-engineio": "4.15.1",
}


def create_socketio(
    app: flask.Flask,
    *,
    newest_only: Collection[str] | Mapping[str, int] = (),
    max_clients: int = 20_000,
    connect_timeout: float | None = 45.0,
    **options: Any,
) -> SocketIO:
    """Create a Flask-SocketIO server for thousands of idle clients.

    Serve it with `serve()` or its `run()` method, since other WSGI servers cannot hand over their sockets.

    Args:
        app: The application.
        newest_only: Events for which only the newest packet is kept for a slow client. A mapping gives the
            number of packets to keep; with more than one, long polls complete five times a second.
        max_clients: Maximum number of clients. Further handshakes get 503.
        connect_timeout: Seconds within which a client must connect to a namespace. None disables the timeout.
        options: Passed to `flask_socketio.SocketIO`. An additional option, `on_reject`, is called with the
            kind of each rejected input.

    Raises:
        RuntimeError: An installed library has another version than the one in `VERSIONS`.
        ValueError: `message_queue` is set.
    """
    _check_versions()
    if options.get("message_queue"):
        raise ValueError("message_queue: not supported")
    kept = newest_only if isinstance(newest_only, Mapping) else dict.fromkeys(newest_only, 1)
    return SocketIO(
        app,
        async_mode=options.pop("async_mode", None) or "gevent",
        client_manager=BroadcastManager(kept),
        max_clients=max_clients,
        connect_timeout=connect_timeout,
        http_compression=False,  # packets of 100 bytes do not get smaller
        **options,
    )


def _check_versions() -> None:
    for name, expected in VERSIONS.items():
        if (installed := metadata.version(name)) != expected:
            raise RuntimeError(f"{name}: expected {expected}, got {installed}; install requirements.txt")
