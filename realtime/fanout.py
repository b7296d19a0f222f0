"""Socket.IO as this house runs it: who is told of a broadcast, and from when on."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

import flask
import flask_socketio
import socketio


class Manager(socketio.Manager):
    """Tells a client nothing before it was told that it is connected.

    python-socketio lets a broadcast overtake the acknowledgement of a connect that is under way; a
    client drops what comes before. `connected(sid, namespace)` is called right after the
    acknowledgement, and what it sends comes before any later broadcast.
    """

    def __init__(self, connected: Callable[[str, str], None] | None) -> None:
        super().__init__()
        self._connected = connected

    def connect(self, sid: str, namespace: str) -> str:
        """Take note that a client has been told that it is connected, and greet it."""
        sid = super().connect(sid, namespace)
        if self._connected is not None:
            self._connected(sid, namespace)
        return sid

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """The clients of a room that have been told that they are connected."""
        pending = self.pending_connect.get(namespace, ())
        for sid, eio_sid in super().get_participants(namespace, room):
            if sid not in pending:
                yield sid, eio_sid


def create_socketio(
    app: flask.Flask,
    newest_only: Collection[str] = (),
    connected: Callable[[str, str], None] | None = None,
    **options: Any,
) -> flask_socketio.SocketIO:
    """A Flask-SocketIO for `app`, on gevent.

    `newest_only` names the events of which a client that cannot keep up needs only the newest.
    `connected(sid, namespace)`, if not None, is called once a client has been told that it is
    connected; it may emit to it and must not block. `options` are Flask-SocketIO's.
    """
    return flask_socketio.SocketIO(
        app,
        async_mode="gevent",
        client_manager=Manager(connected),
        http_compression=False,  # a packet of 100 bytes gains nothing
        manage_session=False,
        **options,
    )
