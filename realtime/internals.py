"""What this package leans on that the libraries do not promise; checked at start.

Read in gevent 26.9.0, python-engineio 4.15.1, python-socketio 5.18.1, Flask-SocketIO 5.7.0:

- gevent.pywsgi.WSGIHandler: handle, handle_one_request, handle_one_response, read_request, MessageClass,
  headers, path, rfile, socket, wsgi_input (read, chunked_input, position), close_connection, headers_sent,
  finalize_headers, response_headers, response_use_chunked, _sendall, _handle_client_error, handle_error,
  get_environ, log_request. `server.py` overrides them; a handler whose socket is None leaves the
  connection alone.
- gevent.socket.socket: `_sock`, the plain socket beneath, which does not block; `_wait` and `_read_event`,
  with which it waits.
- engineio.Server: `sockets`, `handlers`, `_async`, `_cors_headers`. `engine.py` answers every request
  itself; the instance that Flask-SocketIO made is given our class.
- socketio.Server: `eio`, `environ`, `_handle_eio_message`, `_binary_packet`, `_handle_connect`,
  `_handle_event`, `_handle_ack`, `_trigger_event`, `_send_packet`; the same. Its manager is told of a
  connect after the acknowledgement was sent (always_connect=False).
- socketio.Manager: `rooms` (namespace → room → bidict of sid → Engine.IO sid), `pending_connect`,
  `basic_enter_room`, `basic_disconnect`, `_generate_ack_id`.
"""

import engineio
import socketio
from gevent import pywsgi, socket
from socketio.base_manager import BaseManager

_NAMES: dict[type, tuple[str, ...]] = {
    pywsgi.WSGIHandler: (
        "handle",
        "handle_one_request",
        "handle_one_response",
        "read_request",
        "MessageClass",
        "finalize_headers",
        "get_environ",
        "handle_error",
        "log_request",
        "_write_with_headers",
        "_sendall",
        "_handle_client_error",
    ),
    engineio.Server: ("handle_request", "send_packet", "disconnect", "_cors_headers", "generate_id"),
    socketio.Server: (
        "_handle_eio_message",
        "_handle_connect",
        "_handle_event",
        "_handle_ack",
        "_trigger_event",
        "_send_packet",
    ),
    BaseManager: ("connect", "basic_enter_room", "basic_disconnect", "get_participants", "_generate_ack_id"),
}


def check() -> None:
    """Raise `RuntimeError`, which says what to do, if a library has moved on."""
    missing = [
        f"{kind.__module__}.{kind.__name__}.{name}"
        for kind, names in _NAMES.items()
        for name in names
        if not hasattr(kind, name)
    ]
    with socket.socket() as one:
        names = ("_sock", "_wait", "_read_event")
        missing += [f"gevent.socket.socket.{name}" for name in names if not hasattr(one, name)]
    if missing:
        raise RuntimeError(
            f"{', '.join(missing)}: gone in the installed version; install those that requirements.txt pins"
        )
