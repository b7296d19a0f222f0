"""Origin checks, security headers, cookies and keys."""

import base64
import hmac
import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import Any

from realtime import RateLimit
from settings import is_origin

#: Valid Host header; it is copied into the Content-Security-Policy, so nothing else may pass.
HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
#: Valid idempotency key.
KEY = re.compile(r"[\x20-\x7e]{1,64}")
#: Valid site name.
SITE = re.compile(r"[A-Za-z0-9 ._-]{1,32}")
SITE_RULE = "1 to 32 ASCII letters, digits, spaces, dots, hyphens and underscores"

# Request headers that the libraries cannot always parse. Dropping them has no effect: the dates are compared
# with Last-Modified, which is never sent.
_DROPPED = ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")
_RAW = ("HTTP_AUTHORIZATION", "HTTP_IDEMPOTENCY_KEY", "HTTP_WEBHOOK_ID")  # validated unmodified
_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]*"')
_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}

Environ = dict[str, Any]

log = logging.getLogger(__name__)
log.addFilter(RateLimit(10))

#: Seconds between log lines about the same rejected Host or Origin, and how many of these are tracked.
LOG_INTERVAL, MAX_LOGGED = 60.0, 1000
#: Pages that can be embedded in a frame.
FRAMED = ("/", "/graph")


def origin_allowed(environ: Environ, further: Collection[str]) -> bool:
    """Return whether a request comes from this server's pages or an allowed origin.

    A request without an Origin header passes unless Sec-Fetch-Site marks it as coming from another site or
    origin. `null` does not pass.

    Args:
        environ: The WSGI environment.
        further: Other allowed origins.
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
    """WSGI middleware for Host and Origin checks and security headers.

    Foreign origins are rejected for both transports of Socket.IO, before any upgrade is accepted, and for
    POST requests other than those to the API, which uses no cookies. HTTP/1.0 requests without a Host header
    are accepted.

    Args:
        app: The WSGI application.
        origins: Other allowed origins.
        on_reject: Called with the reason of each rejected request.
        frame_ancestors: Origins that can embed the public pages in a frame.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        origins: Collection[str],
        on_reject: Callable[[str], None],
        frame_ancestors: Collection[str] = (),
    ) -> None:
        self._app = app
        self._origins = origins
        self._on_reject = on_reject
        self._frame_ancestors = frame_ancestors
        self._logged: OrderedDict[str, float] = OrderedDict()  # when each rejected value was last logged

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Handle a WSGI request."""
        path = environ.get("PATH_INFO", "")
        if "HTTP_HOST" not in environ and environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
            environ["HTTP_HOST"] = "localhost"  # for example a load balancer's health check
        host = environ.get("HTTP_HOST", "")
        realtime = path.startswith("/socket.io/")
        if not HOST.fullmatch(host):
            fix = "forward the Host header, or set BUTTON_TRUSTED_PROXIES if a proxy sends X-Forwarded-Host"
            self._reject("host", host, "the name of this server", fix)
            return _reject(start_response, "400 BAD REQUEST", "Host: expected the name of this server", path)
        guarded = realtime or (environ["REQUEST_METHOD"] == "POST" and not is_api(path))
        if guarded and not origin_allowed(environ, self._origins):
            origin = environ.get("HTTP_ORIGIN", "none")
            self._reject("origin", origin, f"a page of {host}", _origin_fix(origin))
            return _reject(
                start_response, "403 FORBIDDEN", "Origin: expected a page of this server", path, host
            )
        sanitize(environ)
        if realtime:
            return self._app(environ, start_response)
        ancestors = self._frame_ancestors if path in FRAMED else ()

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *security_headers(host, ancestors)], exc_info)

        return self._app(environ, start)

    def _reject(self, what: str, got: str, expected: str, fix: str) -> None:
        """Count a rejected request, and log each value at most once a minute."""
        self._on_reject(what)
        now, value = time.monotonic(), f"{what} {got[:100]}"
        if now - self._logged.get(value, -LOG_INTERVAL) < LOG_INTERVAL:
            return
        self._logged.pop(value, None)
        self._logged[value] = now
        if len(self._logged) > MAX_LOGGED:
            self._logged.popitem(last=False)
        log.warning("%s rejected: expected %s, got %.100r; %s", what.title(), expected, got, fix)


def _origin_fix(origin: str) -> str:
    """Return how to allow an origin, for the log."""
    if is_origin(origin.lower()):
        return f"set BUTTON_ALLOWED_ORIGINS={origin}, or BUTTON_TRUSTED_PROXIES behind a proxy"
    return "no setting can allow it: it is not a valid origin such as https://example.com"


def sanitize(environ: Environ) -> None:
    """Remove data from the request headers that would make a library fail with a 500."""
    for name in _DROPPED:
        environ.pop(name, None)
    if_range = environ.get("HTTP_IF_RANGE")
    if if_range is not None and not _ETAG.fullmatch(if_range):
        # Without If-Range, Range could return part of a different version of the file.
        del environ["HTTP_IF_RANGE"]
        environ.pop("HTTP_RANGE", None)
    for name in [name for name, value in environ.items() if type(value) is str and not value.isascii()]:
        if name == "HTTP_COOKIE":  # applications on other ports can set any cookie
            environ[name] = ";".join(part for part in environ[name].split(";") if part.isascii())
        elif name.startswith(("HTTP_", "CONTENT_")) and name not in _RAW:
            environ[name] = environ[name].encode("ascii", "replace").decode()


def cookie(environ: Environ, name: str) -> str | None:
    """Return the value of a cookie, or None if the request does not contain it."""
    for part in environ.get("HTTP_COOKIE", "").split(";"):
        found, _, value = part.partition("=")
        if found.strip() == name:
            return str(value.strip().strip('"'))
    return None


def session_cookie(environ: Environ) -> str:
    """Return the name of the session cookie for the request's port and scheme."""
    return cookie_name(environ, "session")


def cookie_name(environ: Environ, purpose: str) -> str:
    """Return the name of a cookie for the request's port and scheme.

    Browsers share cookies between all ports and schemes of a host.
    """
    scheme = environ.get("wsgi.url_scheme", "http")
    port = _with_port(environ.get("HTTP_HOST", "").lower(), _PORTS.get(scheme, "80")).rpartition(":")[2]
    return f"button_{purpose}_{port}" + ("s" if scheme == "https" else "")


def is_site(site: Any) -> bool:
    """Return whether `site` is a valid site name."""
    return isinstance(site, str) and SITE.fullmatch(site) is not None


def is_key(key: Any) -> bool:
    """Return whether `key` is a valid idempotency key."""
    return isinstance(key, str) and KEY.fullmatch(key) is not None


def is_token(token: str | None, given: Any) -> bool:
    """Return whether `given` equals the API `token`, in constant time.

    Returns False if `token` is None.
    """
    if token is None or not isinstance(given, str):
        return False
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def authorization_token(authorization: str) -> str | None:
    """Return the token in an Authorization header, or None if it has none.

    It is the Bearer token or the password of Basic authentication.
    """
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return None
    try:
        # The user name can be in any encoding.
        user, colon, password = base64.b64decode(given.strip(), validate=True).partition(b":")
        return (password if colon else user).decode()
    except ValueError:
        return None


def security_headers(host: str, frame_ancestors: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return the security headers of responses outside Socket.IO.

    `connect-src` lists the WebSocket URLs of the host, since `'self'` does not include them in old WebKit.

    Args:
        host: The Host header of the request.
        frame_ancestors: Origins that can embed the response in a frame. `*` allows all.
    """
    ancestors = " ".join(frame_ancestors) or "'none'"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
        f" media-src 'self'; connect-src 'self' ws://{host} wss://{host}; form-action 'self';"
        f" base-uri 'none'; frame-ancestors {ancestors}"
    )
    frames = [] if frame_ancestors else [("X-Frame-Options", "DENY")]
    return [
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        *frames,
        ("Referrer-Policy", "same-origin"),
        ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ]


def _reject(
    start_response: Callable[..., Any], status: str, text: str, path: str, host: str = "localhost"
) -> Iterable[bytes]:
    kind, body = error_body(path, status, text)
    headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
    start_response(status, headers + security_headers(host))
    return [body.encode()]


def error_body(target: str, status: str, text: str) -> tuple[str, str]:
    """Return the content type and body of an error raised outside the views.

    Errors on API paths are JSON in the format of the API.

    Args:
        target: The request path, with or without a query.
        status: The HTTP status, such as `400 Bad Request`.
        text: The error message, in ASCII.
    """
    if not is_api(target.partition("?")[0]):
        return "text/plain; charset=utf-8", f"{text or status[4:]}\n"
    code = status[4:].lower().replace(" ", "_")
    return "application/json", json.dumps({"error": {"code": code, "message": text}})


def is_api(path: str) -> bool:
    """Return whether a path belongs to the API, whose errors are JSON."""
    return path == "/api" or path.startswith("/api/")
