"""The HTTP server beneath: pywsgi without its stalls."""

import contextlib
import logging
import socket
from typing import Any

import flask
import gevent
from gevent import pywsgi

log = logging.getLogger(__name__)


class Handler(pywsgi.WSGIHandler):
    """One connection. Head and body of an answer leave in one send: pywsgi's two make the second
    wait for the delayed acknowledgement of the first, 45 ms on every kept-alive long poll."""

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


class Server:
    """An HTTP server for `app` that listens from the start; `url` says where. Port 0 takes a free one.

    Raises `OSError` if the address cannot be had.
    """

    def __init__(self, app: flask.Flask, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = listener = gevent.socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the accepted inherit it
        with _closed_on_error(listener):
            listener.bind((host, port))
            listener.listen(4096)
        self.port: int = listener.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        environ = {"SERVER_NAME": host}  # else pywsgi asks the network for its name
        self._server = pywsgi.WSGIServer(
            listener, app, log=None, error_log=log, handler_class=Handler, environ=environ
        )
        self._socketio = app.extensions.get("socketio")
        self._server.start()

    def refuse(self) -> None:
        """Take no new connection; those that are there go on."""
        self._server.close()

    def close(self) -> None:
        """Close every client at the engine's level, after which browsers come back by themselves."""
        self.refuse()
        if self._socketio is not None:
            for client in list(self._socketio.server.eio.sockets.values()):
                client.close(wait=False)
        gevent.sleep(0.05)  # what they were sent is to leave


def serve(app: flask.Flask, host: str, port: int) -> Server:
    """Serve `app` at `host` and `port`; returns the running server. Raises `OSError`."""
    return Server(app, host, port)


@contextlib.contextmanager
def _closed_on_error(listener: Any) -> Any:
    try:
        yield
    except OSError:
        listener.close()
        raise
