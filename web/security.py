"""Origin checks, security headers, cookies and keys, login throttling."""

import hmac
import ipaddress
import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import Any

#: Valid Host header; it is copied into the Content-Security-Policy, so nothing else may pass.
HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
#: Valid idempotency key.
KEY = re.compile(r"[\x20-\x7e]{1,64}")
SESSION_COOKIE = "button_session"

# Request headers in forms that the libraries fail on or that no page of ours causes: a date is only compared
# with Last-Modified, which is never sent; another application on the same host may set any cookie.
_DROPPED = ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")
_RAW = ("HTTP_AUTHORIZATION", "HTTP_IDEMPOTENCY_KEY")  # checked as they came
_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]*"')
_PORTS = {"http": "80", "https": "443"}

Environ = dict[str, Any]


def origin_allowed(environ: Environ, further: Collection[str]) -> bool:
    """Return whether a request comes from a page of this server, or of an origin among `further`.

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


class SecurityMiddleware:
    """WSGI middleware: rejects malformed hosts and foreign origins, adds the security headers.

    A foreign origin is rejected for Socket.IO on both transports, before any upgrade is accepted, and for
    every POST but those of the API, which no cookie authorizes.

    Args:
        app: The WSGI application.
        origins: Further origins that are allowed.
        on_reject: Called with the reason of each rejected request.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        origins: Collection[str],
        on_reject: Callable[[str], None],
    ) -> None:
        self._app = app
        self._origins = origins
        self._on_reject = on_reject

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Handle a WSGI request."""
        path = environ.get("PATH_INFO", "")
        host = environ.get("HTTP_HOST", "")
        realtime = path.startswith("/socket.io/")
        if not HOST.fullmatch(host):
            self._on_reject("host")
            return _reject(start_response, "400 BAD REQUEST", "Host: expected the name of this server", path)
        guarded = realtime or (environ["REQUEST_METHOD"] == "POST" and not is_api(path))
        if guarded and not origin_allowed(environ, self._origins):
            self._on_reject("origin")
            return _reject(
                start_response, "403 FORBIDDEN", "Origin: expected a page of this server", path, host
            )
        sanitize(environ)
        if realtime:
            return self._app(environ, start_response)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *security_headers(host)], exc_info)

        return self._app(environ, start)


def sanitize(environ: Environ) -> None:
    """Drop what libraries cannot parse from the headers of a request, so that no byte of it causes a 500."""
    for name in _DROPPED:
        environ.pop(name, None)
    if_range = environ.get("HTTP_IF_RANGE")
    if if_range is not None and not _ETAG.fullmatch(if_range):
        # Without it a Range would be served from whatever the file is now.
        del environ["HTTP_IF_RANGE"]
        environ.pop("HTTP_RANGE", None)
    for name in [name for name, value in environ.items() if type(value) is str and not value.isascii()]:
        if name == "HTTP_COOKIE":
            environ[name] = ";".join(part for part in environ[name].split(";") if part.isascii())
        elif name.startswith(("HTTP_", "CONTENT_")) and name not in _RAW:
            environ[name] = environ[name].encode("ascii", "replace").decode()


def cookie(environ: Environ, name: str) -> str | None:
    """Return the value of a cookie, None if a request has none of that name."""
    for part in environ.get("HTTP_COOKIE", "").split(";"):
        found, _, value = part.partition("=")
        if found.strip() == name:
            return str(value.strip().strip('"'))
    return None


def is_key(key: Any) -> bool:
    """Return whether `key` can name a request: 1 to 64 printable ASCII characters."""
    return isinstance(key, str) and KEY.fullmatch(key) is not None


def is_token(token: str | None, given: Any) -> bool:
    """Return whether `given` is the API `token` (None: nothing is), in constant time."""
    if token is None or not isinstance(given, str):
        return False
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def bearer_token(authorization: str) -> str | None:
    """Return the token in an Authorization header, None if it has another scheme."""
    scheme, _, given = authorization.partition(" ")
    return given.strip() if scheme.lower() == "bearer" else None


def security_headers(host: str) -> list[tuple[str, str]]:
    """Return the headers of every response outside Socket.IO; `host` is the request's.

    With `connect-src 'self'` alone, old WebKit would not open its own WebSocket, so that is named.
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


def _reject(
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
    """Return whether a path is the API's, whose errors are JSON."""
    return path == "/api" or path.startswith("/api/")


def network(address: str) -> str:
    """Return the network by which logins are throttled: an IPv4 address, an IPv6 /64.

    A port that a proxy appended is ignored. An invalid address counts as a separate network.
    """
    text = address.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class Throttle:
    """Slows wrong passwords down, by network alone, so that nobody can lock others out.

    `FREE_TRIES` wrong tries are free; each further one is rejected for 1, 2, 4 … `MAX_DELAY` s since the
    last.

    Args:
        clock: Any steady clock, in seconds.
        max_networks: Networks that are remembered, the newest.
    """

    FREE_TRIES = 5
    MAX_DELAY = 60.0

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_networks: int = 10_000) -> None:
        self._clock = clock
        self._max_networks = max_networks
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, network: str) -> float:
        """Return the seconds until `network` may try again; 0: now."""
        tries, last = self._wrong.get(network, (0, 0.0))
        if tries < self.FREE_TRIES:
            return 0.0
        delay = min(self.MAX_DELAY, 2.0 ** min(tries - self.FREE_TRIES, 10))
        return max(0.0, last + delay - self._clock())

    def failed(self, network: str) -> None:
        """Note a wrong try."""
        tries, _ = self._wrong.pop(network, (0, 0.0))
        self._wrong[network] = (tries + 1, self._clock())
        if len(self._wrong) > self._max_networks:
            self._wrong.popitem(last=False)

    def succeeded(self, network: str) -> None:
        """Forget the wrong tries of `network`."""
        self._wrong.pop(network, None)
