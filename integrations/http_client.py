"""HTTP requests with a total timeout, a size limit and proxy support."""

import base64
import functools
import http.client
import io
import re
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import gevent

#: Maximum size of a response, including headers, in bytes.
MAX_RESPONSE_SIZE = 65536


class RequestFailed(Exception):
    """There is no valid response, though the request may have arrived.

    The message contains no address.
    """


class Response(NamedTuple):
    """A response. `body` has only the requested number of bytes."""

    status: int
    body: bytes
    headers: http.client.HTTPMessage


def request(
    method: str, url: str, body: bytes, headers: Mapping[str, str], timeout: float, max_size: int = 0
) -> Response:
    """Send a request and return the response, without following redirects.

    Uses the proxy in HTTPS_PROXY or HTTP_PROXY, unless NO_PROXY includes the host.

    Args:
        method: HTTP method, such as "POST".
        url: URL with http or https.
        body: Request body.
        headers: Request headers.
        timeout: Total timeout in seconds, including the connect.
        max_size: Maximum bytes of the response body to read.

    Raises:
        RequestFailed: There was no valid response within the timeout.
    """
    connection = None
    try:
        with gevent.Timeout(timeout):
            connection, target, more = _connect(url, timeout)
            connection.response_class = _BoundedResponse
            connection.request(method, target, body, {**headers, **more})
            response = connection.getresponse()
            content = response.read(max_size) if max_size else b""
            if len(content) < max_size and response.length:
                raise RequestFailed("the response is truncated")
            return Response(response.status, content, response.headers)
    except gevent.Timeout:
        raise RequestFailed(f"no response in {timeout:.0f} s") from None
    except ssl.SSLError as error:
        raise RequestFailed(error.reason or type(error).__name__) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if tunnel := re.match(r"Tunnel connection failed: (\d+)", str(error)):
            raise RequestFailed(f"the proxy responded with {tunnel[1]}") from None
        raise RequestFailed(getattr(error, "strerror", None) or type(error).__name__) from None
    finally:
        if connection is not None:
            connection.close()


def load_certificates(url: str) -> None:
    """Load the certificates for an https URL, which blocks the hub for 50 ms."""
    if urlsplit(url).scheme == "https":
        _context()


def _connect(url: str, timeout: float) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """Return a connection, the request target and additional request headers."""
    split = urlsplit(url)
    host, path = split.hostname or "", f"{split.path or '/'}{'?' + split.query if split.query else ''}"
    proxy = _proxy(split)
    if split.scheme == "https":
        via_host, via_port = _address(proxy) if proxy else (host, split.port or 443)
        secure = http.client.HTTPSConnection(via_host, via_port, timeout=timeout, context=_context())
        if proxy:
            secure.set_tunnel(host, split.port or 443, _proxy_headers(proxy))
        return secure, path, {}
    if proxy:
        target = f"http://{split.netloc}{path}"
        return http.client.HTTPConnection(*_address(proxy), timeout=timeout), target, _proxy_headers(proxy)
    return http.client.HTTPConnection(host, split.port or 80, timeout=timeout), path, {}


def _proxy(url: SplitResult) -> SplitResult | None:
    """Return the proxy for a URL, or None."""
    proxy = urllib.request.getproxies_environment().get(url.scheme)
    if not proxy or urllib.request.proxy_bypass_environment(url.netloc):  # type: ignore[attr-defined]
        return None
    try:
        split = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        valid = split.scheme == "http" and bool(split.hostname) and split.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise RequestFailed(f"{url.scheme.upper()}_PROXY: expected http://host:port")
    return split


def _address(proxy: SplitResult) -> tuple[str, int]:
    return proxy.hostname or "", proxy.port or 80


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}


@functools.cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


class _BoundedReader(io.RawIOBase):
    """Reads a limited number of bytes from a socket.

    `http.client` accepts any number of interim responses, and gevent's `recv` does not switch greenlets while
    data is available.
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
        # The file keeps the socket open, for a body that ends when the connection closes.
        self.fp: Any = io.BufferedReader(_BoundedReader(self.fp.detach()))
