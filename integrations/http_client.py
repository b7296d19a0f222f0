"""HTTP requests with a total timeout and a size limit."""

import functools
import http.client
import io
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import gevent

#: Bytes of a response, headers included, that are read.
MAX_RESPONSE_SIZE = 65536


class RequestFailed(Exception):
    """There is no valid response. The request may have arrived. The message contains no address."""


def request(
    method: str, url: str, body: bytes, headers: Mapping[str, str], timeout: float, max_size: int = 0
) -> tuple[int, bytes]:
    """Send a request. Redirects are not followed.

    Args:
        method: Such as "POST".
        url: The URL, http or https.
        body: The body of the request.
        headers: Its headers.
        timeout: Seconds for all of it, connecting included.
        max_size: Bytes of the response's body to read.

    Returns:
        The status, and the first `max_size` bytes of the body.

    Raises:
        RequestFailed: There is no valid response in time.
    """
    connection = None
    try:
        with gevent.Timeout(timeout):
            connection, path = _connect(url, timeout)
            connection.response_class = _BoundedResponse
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            content = response.read(max_size) if max_size else b""
            if len(content) < max_size and response.length:
                raise RequestFailed("the response is truncated")
            return response.status, content
    except gevent.Timeout:
        raise RequestFailed(f"no response in {timeout:.0f} s") from None
    except ssl.SSLError as error:
        raise RequestFailed(error.reason or type(error).__name__) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RequestFailed(getattr(error, "strerror", None) or type(error).__name__) from None
    finally:
        if connection is not None:
            connection.close()


def load_certificates(url: str) -> None:
    """Load the certificates for an https URL now, since that blocks the hub for 50 ms."""
    if urlsplit(url).scheme == "https":
        _context()


def _connect(url: str, timeout: float) -> tuple[http.client.HTTPConnection, str]:
    split = urlsplit(url)
    host, path = split.hostname or "", f"{split.path or '/'}{'?' + split.query if split.query else ''}"
    if split.scheme == "https":
        context = _context()
        return http.client.HTTPSConnection(host, split.port or 443, timeout=timeout, context=context), path
    return http.client.HTTPConnection(host, split.port or 80, timeout=timeout), path


@functools.cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


class _BoundedReader(io.RawIOBase):
    """Reads a limited number of bytes from a socket.

    `http.client` accepts any number of interim responses, and gevent's `recv` does not switch greenlets while
    there is data.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._left = MAX_RESPONSE_SIZE

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._raw.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        gevent.sleep(0)
        if self._left <= 0:
            raise http.client.HTTPException("the response is too long")
        received = self._raw.readinto(memoryview(buffer)[: self._left]) or 0
        self._left -= received
        return received


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        # Its file keeps the socket open for a body that ends with the connection.
        self.fp: Any = io.BufferedReader(_BoundedReader(self.fp.detach()))
