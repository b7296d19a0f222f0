"""Socket.IO server on gevent for Flask-SocketIO programs with many idle clients.

    socketio = create_socketio(app, newest_only={"price"})
    server = serve(app, "127.0.0.1", 8000)
    socketio.emit("price", 42)

Ten thousand clients cost what their sockets cost: no greenlet, queue or buffer while nothing happens.
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

#: The versions whose source this package was written against: it overrides methods that they do not promise.
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

    Serve it with `serve()` or its `run()`; other WSGI servers cannot hand over their sockets.

    Args:
        app: The application.
        newest_only: Events of which a slow client needs only the newest packet. A mapping gives the number of
            packets to keep for each event; with more than one, long polls complete five times a second.
        max_clients: Further handshakes get 503.
        connect_timeout: Seconds within which a client must connect to a namespace; None: any time.
        options: Passed on to `flask_socketio.SocketIO`. Besides its own, `on_reject` is called with the kind
            of each input that was rejected.

    Returns:
        A `flask_socketio.SocketIO`.

    Raises:
        RuntimeError: An installed library is not of the version that this package was written for.
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
        http_compression=False,  # a packet of 100 bytes gains nothing
        **options,
    )


def _check_versions() -> None:
    for name, expected in VERSIONS.items():
        if (installed := metadata.version(name)) != expected:
            raise RuntimeError(f"{name}: expected {expected}, got {installed}; install requirements.txt")
