"""A POST to another server, which can hold nobody up for longer than it may."""

import functools
import http.client
import io
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import gevent

#: Bytes of an answer, its head included, after which no more is read.
LONGEST_ANSWER = 65536


class RequestFailed(Exception):
    """The other server gave no answer; it may have got the request. The text names no address."""


def post(
    url: str, body: bytes, headers: Mapping[str, str], within: float, most: int = 0
) -> tuple[int, bytes]:
    """POST `body` to `url`; see `request`."""
    return request("POST", url, body, headers, within, most)


def request(
    method: str, url: str, body: bytes, headers: Mapping[str, str], within: float, most: int = 0
) -> tuple[int, bytes]:
    """Send a request to `url` (http or https); return the status and the first `most` bytes of the body.

    Raises `RequestFailed` if there is no response in `within` seconds. Redirects are not followed.
    """
    connection = None
    try:
        with gevent.Timeout(within):
            connection, path = _connect(url, within)
            connection.response_class = _Answer
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read(most) if most else b""
    except gevent.Timeout:
        raise RequestFailed(f"no answer in {within:.0f} s") from None
    except ssl.SSLError as error:
        raise RequestFailed(error.reason or type(error).__name__) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RequestFailed(getattr(error, "strerror", None) or type(error).__name__) from None
    finally:
        if connection is not None:
            connection.close()


def load_certificates(url: str) -> None:
    """Read the certificates, if `url` is https, now and not at the first `post`: it takes the hub 50 ms."""
    if urlsplit(url).scheme == "https":
        _context()


def _connect(url: str, within: float) -> tuple[http.client.HTTPConnection, str]:
    parts = urlsplit(url)
    host, path = parts.hostname or "", f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port or 443, timeout=within, context=_context()), path
    return http.client.HTTPConnection(host, parts.port or 80, timeout=within), path


@functools.cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Bounded(io.RawIOBase):
    """What a socket receives, up to a limit.

    `http.client` would follow a head without an end, and as long as there are bytes, gevent's `recv` does not
    let others run.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._left = LONGEST_ANSWER

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._raw.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        gevent.sleep(0)
        if self._left <= 0:
            raise http.client.HTTPException("the response is too long")
        got = self._raw.readinto(memoryview(buffer)[: self._left]) or 0
        self._left -= got
        return got


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **more: Any) -> None:
        super().__init__(sock, *arguments, **more)
        # Its file keeps the socket open for a body that ends with the connection.
        self.fp: Any = io.BufferedReader(_Bounded(self.fp.detach()))
