"""Handler of one HTTP request, based on gevent's pywsgi."""

import io
import logging
from collections.abc import Callable
from typing import Any

from gevent import pywsgi
from werkzeug.exceptions import BadRequest

from .http_connection import CLOSED, REQUEST_TIMEOUT, RESPONSE_TIMEOUT, Connection
from .http_headers import RequestError, RequestHead
from .http_parser import MAX_BUFFERED_BODY

log = logging.getLogger(__name__)

#: Maximum bytes of a request body for which the timeout is extended, at 100 kB a second, if the application
#: has no MAX_CONTENT_LENGTH.
MAX_TIMED_BODY = 10**8
#: Response bodies below this size, in bytes, are copied to be sent together with the head. Larger ones are
#: not, since they can be one object shared by many responses.
MAX_COPIED = 16384
#: Bytes transferred before a greenlet yields to others.
YIELD_SIZE = 65536


class RequestHandler(pywsgi.WSGIHandler):
    """Calls the application for one request and sends its response.

    The head and the body are sent with a single call. With pywsgi's two calls, the second waits for the
    delayed acknowledgement of the first, which takes 45 ms on every keep-alive connection.
    """

    server: Any
    close_connection: bool

    def __init__(self, connection: Connection, head: RequestHead, server: Any) -> None:
        super().__init__(None, connection.address, server, rfile=connection)
        self.connection = connection
        self.head = head
        self.application = server.application
        self.command, self.path, self.request_version = head.method, head.target, head.version
        self.requestline = f"{head.method} {head.target:.200s}"
        self.close_connection = not head.keep_alive
        self._released = False  # the connection is parked or detached
        self._transferred = 0
        self._streams_body = not connection.parser.body_is_complete
        self.environ = self.get_environ()

    def run(self) -> None:
        """Serve the request. Blocks."""
        if self._streams_body:
            limit = self.application.config.get("MAX_CONTENT_LENGTH") or MAX_TIMED_BODY
            self.connection.set_timeout(REQUEST_TIMEOUT + min(self.head.content_length or limit, limit) / 1e5)
        self.handle_one_response()
        self.environ = {}  # break the reference cycle
        self.connection.finish(keep_alive=not self.close_connection)

    def get_environ(self) -> dict[str, Any]:
        """Return the WSGI environ."""
        environ: dict[str, Any] = self.server.get_environ()
        path, _, query = self.head.target.partition("?")
        body = self.connection.parser.take_body()
        stream: Any = io.BytesIO(body)
        if self._streams_body:
            stream = io.BufferedReader(_BodyStream(body, self.read_body), MAX_BUFFERED_BODY)
        environ |= {
            "REQUEST_METHOD": self.head.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": pywsgi.unquote_latin1(path),
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": self.head.version,
            "REMOTE_ADDR": str(self.client_address[0]),
            "REMOTE_PORT": str(self.client_address[1]),
            "wsgi.input": stream,
            "wsgi.input_terminated": True,
            "realtime.request": self,
        }
        for name, value in self.head.headers:
            if "_" in name:  # would be mistaken for the header with a hyphen
                continue
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
            if key in environ:
                value = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
            environ[key] = value
        return environ

    def _discard(self) -> None:
        """Do nothing. `finish` closes a connection with an unread body."""

    @property
    def wsgi_input(self) -> "RequestHandler":
        """The object whose `_discard` pywsgi calls for the rest of a body."""
        return self

    def start_response(self, *arguments: Any, **options: Any) -> Any:
        """Start the response. If part of the body is unread, close the connection after it."""
        if self._streams_body:
            unread = not self.connection.parser.body_is_complete
            self.close_connection = self.close_connection or unread
            self.connection.set_timeout(REQUEST_TIMEOUT if unread else RESPONSE_TIMEOUT)
        return super().start_response(*arguments, **options)

    def process_result(self) -> None:
        """Send the application's result, unless the connection is parked or detached."""
        if not self._released:
            super().process_result()

    def _write_with_headers(self, data: bytes) -> None:
        self.finalize_headers()
        self.headers_sent = True
        head = self._render_head() + b"\r\n"
        if self.command == "HEAD":
            self.response_use_chunked = False
            data = b""
        elif self.response_use_chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if len(data) < MAX_COPIED:
            self._sendall(head + data)
        else:
            self._send(head, data)

    def _write(self, data: bytes) -> None:
        if self.command != "HEAD":
            super()._write(data)

    def _render_head(self) -> bytes:
        lines = [b"HTTP/1.1 " + self.status, *(b"%b: %b" % header for header in self.response_headers)]
        if self.close_connection and not any(
            name.lower() == b"connection" for name, _ in self.response_headers
        ):
            lines.append(b"Connection: close")
        return b"\r\n".join(lines) + b"\r\n"

    def _sendall(self, data: bytes) -> None:
        self._send(data)

    def _send(self, *parts: bytes) -> None:
        self.connection.write(*parts)
        size = sum(map(len, parts))
        self.response_length += size
        self._yield_if_due(size)

    def read_body(self) -> bytes:
        """Return the next piece of the body, `b""` at its end. Blocks.

        Raises `OSError` if the connection is closed, and `RequestError` if the body is malformed.
        """
        parser = self.connection.parser
        while not (body := parser.take_body()) and not parser.body_is_complete:
            if parser.buffer:
                self._yield_if_due(parser.decode())
            else:
                self.connection.wait_for_input()
        return body

    def _yield_if_due(self, transferred: int) -> None:
        self._transferred += transferred
        if self._transferred > YIELD_SIZE:
            self._transferred = 0
            self.server.run_queue.wait()

    def log_request(self) -> None:
        """Do nothing. pywsgi would format a line for every request even without a log."""

    def handle_error(self, kind: Any, error: Any, traceback: Any) -> None:
        """Log an application error and respond with 500, unless the connection is closed."""
        if self.connection.state == CLOSED:
            self.close_connection = True
            return
        log.error("%s failed", self.requestline, exc_info=(kind, error, traceback))
        self._send_error_response_if_possible(500)

    # --- called by the engine ---

    def detach(self) -> tuple[Any, bytes]:
        """Hand over the connection. Return its non-blocking socket and the received bytes."""
        self._released = True
        return self.connection.detach()

    def release(self) -> tuple[bytes, bool]:
        """Let a parked poll send the response.

        Returns the response head up to the Content-Length, and whether the connection closes afterwards.
        """
        self._released = True
        return self._render_head(), self.close_connection


class _BodyStream(io.RawIOBase):
    """A request body that is received as the application reads it."""

    def __init__(self, received: bytes, receive: Callable[[], bytes]) -> None:
        self._received = received
        self._receive = receive

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._received or self._receive()
        except (OSError, RequestError) as error:
            raise BadRequest(str(error)) from error
        self._received = data[len(buffer) :]
        data = data[: len(buffer)]
        buffer[: len(data)] = data
        return len(data)
