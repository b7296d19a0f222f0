"""From one event to every screen: Socket.IO on gevent, for any Flask-SocketIO program.

    socketio = create_socketio(app, newest_only={"price"})
    server = serve(app, "127.0.0.1", 8000)
    socketio.emit("price", 42)

Ten thousand clients cost what their sockets cost: no greenlet, queue or buffer while nothing happens.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import flask
import flask_socketio

from . import internals
from .engine import Engine
from .environs import Environs
from .fanout import Manager
from .fanout import Server as SocketServer
from .server import SHED_WITHIN, Server, bind, serve

__all__ = ["SHED_WITHIN", "Server", "bind", "create_socketio", "serve"]

log = logging.getLogger(__name__)


def create_socketio(
    app: flask.Flask,
    newest_only: Collection[str] | Mapping[str, int] = (),
    connected: Callable[[str, str], None] | None = None,
    max_clients: int = 20_000,
    rejected: Callable[[str], None] = lambda what: None,
    **options: Any,
) -> flask_socketio.SocketIO:
    """A Flask-SocketIO for `app`, on gevent, to be served by `serve`.

    `newest_only` names the events of which a client that cannot keep up needs only the newest, or maps
    their names to how many of the newest it needs; long polls are answered five times a second for such.
    `connected(sid, namespace)`, if not None, is called once a client has been told that it is connected;
    it may emit to it and must not block. One client more than `max_clients` is told to come later (503).
    Input that is refused is logged, ten lines a second at most; `rejected(what)` hears of each.
    `options` are Flask-SocketIO's.
    """
    internals.check()
    manager = Manager(newest_only, connected)
    made = flask_socketio.SocketIO(
        app,
        async_mode="gevent",
        client_manager=manager,
        http_compression=False,  # a packet of 100 bytes gains nothing
        **options,
    )
    server = made.server
    server.__class__ = SocketServer
    server.environ = Environs()
    server.eio.on("message", server._handle_eio_message)  # ours, now
    manager.engine = engine = Engine.adopt(server.eio, max_clients, _Rejections(rejected).log)
    engine.settle, engine.dropped, engine.opened = manager.settle, manager.dropped, manager.opened
    return made


class _Rejections:
    """Logs what was refused: at most ten lines a second, and never a traceback."""

    MOST = 10

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told
        self._second = 0
        self._lines = 0

    def log(self, what: str, why: str) -> None:
        self._told(what)
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines <= self.MOST:
            log.warning("Refused a %s: %.200s", what, why)
