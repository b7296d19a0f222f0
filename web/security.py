"""Who is let in before anything else looks at a request, and what every answer carries."""

import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import Any

#: A Host header that is one: it goes into the Content-Security-Policy.
HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")

_PORTS = {"http": "80", "https": "443"}

Environ = dict[str, Any]


def origin_allowed(environ: Environ, further: Collection[str]) -> bool:
    """Whether a request comes from a page of this very server, or of an origin among `further`.

    A request without an Origin header comes from no page and passes; `null` does not.
    """
    origin = environ.get("HTTP_ORIGIN")
    if origin is None:
        return environ.get("HTTP_SEC_FETCH_SITE") not in ("cross-site", "same-site")
    origin = origin.lower()
    if origin in further:
        return True
    scheme, _, address = origin.partition("://")
    port = _PORTS.get(scheme)
    asked = environ.get("HTTP_HOST", "").lower()
    return port is not None and _with_port(address, port) == _with_port(asked, port)


def _with_port(address: str, port: str) -> str:
    return address if re.search(r":[0-9]+$", address) else f"{address}:{port}"


class Gate:
    """WSGI middleware: refuses malformed hosts and foreign origins, adds the security headers.

    A foreign origin is refused for Socket.IO on both transports, before any upgrade is answered,
    and for every POST but those of the API, which no cookie opens. `rejected(reason)` hears of it.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        further: Collection[str],
        rejected: Callable[[str], None],
    ) -> None:
        self._app = app
        self._further = further
        self._rejected = rejected

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, as WSGI asks."""
        path = environ.get("PATH_INFO", "")
        host = environ.get("HTTP_HOST", "")
        realtime = path.startswith("/socket.io/")
        if not HOST.fullmatch(host):
            self._rejected("host")
            return _refuse(start_response, "400 BAD REQUEST", "Host: expected the name of this server", path)
        guarded = realtime or (environ["REQUEST_METHOD"] == "POST" and not is_api(path))
        if guarded and not origin_allowed(environ, self._further):
            self._rejected("origin")
            return _refuse(
                start_response, "403 FORBIDDEN", "Origin: expected a page of this server", path, host
            )
        if realtime:
            return self._app(environ, start_response)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *security_headers(host)], exc_info)

        return self._app(environ, start)


def security_headers(host: str) -> list[tuple[str, str]]:
    """The headers of every answer outside Socket.IO; `host` is the request's.

    `connect-src 'self'` alone would keep old WebKit from its own WebSocket, so it is named.
    """
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        f" media-src 'self'; connect-src 'self' ws://{host} wss://{host}; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    )
    return [
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "same-origin"),
        ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ]


def _refuse(
    start_response: Callable[..., Any], status: str, text: str, path: str, host: str = "localhost"
) -> Iterable[bytes]:
    kind, body = "text/plain; charset=utf-8", f"{text}\n".encode()
    if is_api(path):
        kind = "application/json"
        body = json.dumps({"error": {"code": "bad_request", "message": text}}).encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
    start_response(status, headers + security_headers(host))
    return [body]


def is_api(path: str) -> bool:
    """Whether a path is the API's, whose errors have a shape of their own."""
    return path == "/api" or path.startswith("/api/")


class Throttle:
    """Slows wrong passwords down, by address alone, so that nobody can lock others out.

    Five wrong tries are free; each further one is refused for 1, 2, 4 … 60 s since the last. Time
    is any steady clock's, in seconds. At most `most` addresses are remembered, the newest.
    """

    FREE = 5
    LONGEST = 60.0

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Seconds until `address` may try again; 0: now."""
        tries, last = self._wrong.get(address, (0, 0.0))
        if tries < self.FREE:
            return 0.0
        pause = min(self.LONGEST, 2.0 ** min(tries - self.FREE, 10))
        return max(0.0, last + pause - self._clock())

    def failed(self, address: str) -> None:
        """Take note of a wrong try."""
        tries, _ = self._wrong.pop(address, (0, 0.0))
        self._wrong[address] = (tries + 1, self._clock())
        if len(self._wrong) > self._most:
            self._wrong.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the wrong tries of `address`."""
        self._wrong.pop(address, None)
