"""Long polls, parked without a greenlet until a packet completes them."""

import re
import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from . import packets
from .packets import Packet

_SID = re.compile(rb"[?&]sid=([^&? ]+)")
_POLLING = re.compile(rb"[?&]transport=polling[& ]")
# Header lines in lower case, each with the preceding line break. Excludes headers that need the full parser
# and headers that the application might reject.
_LINES = re.compile(
    rb"(?:\r\n(?!upgrade:|transfer-encoding:|expect:|connection:[^\r\n]*close|"
    rb"sec-fetch-site:(?![ \t]*same-origin[ \t]*(?:\r\n|\Z)))"
    rb"[!#$%&'*+.^_`|~0-9a-z-]+:[^\x00\r\n]*)+"
)
#: Headers that identify a site: Host, and those that proxies add.
SITE_HEADERS = ("host", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "forwarded")
_SITE = re.compile(rb"\r\n(%b):[ \t]*([^\r\n]*)" % "|".join(SITE_HEADERS).encode())
_ORIGIN = re.compile(rb"\r\norigin:[ \t]*https?://([^\r\n]*)")
_OK = packets.http_response(
    b"ok", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: no-store\r\n"
)


class Connection(Protocol):
    """HTTP connection interface used by a poll."""

    def respond(self, data: bytes, close: bool = False) -> bool:
        """Send a complete response without blocking. Return False if the connection is lost."""

    def park(self, parked: "Poll") -> None:
        """Keep the connection open until `parked` responds."""

    def close(self) -> None:
        """Close the connection immediately."""


class PollingSession(Protocol):
    """Session interface used by a poll."""

    poll: "Poll | None"
    poll_started_at: float

    def connection_lost(self) -> None:
        """Close the session."""

    def release_poll(self) -> None:
        """Complete the pending poll with a NOOP."""


def session_site_key(headers: Iterable[tuple[str, str]], environ: dict[str, Any]) -> tuple[int, int] | None:
    """Return the key that requests of a session must match to take the fast path.

    Args:
        headers: Names and values of the headers of the request that opened the session.
        environ: The WSGI environ of that request. A same-origin Origin header contains its host.

    Returns:
        The key of the site, or None if responses need CORS headers, which the fast path cannot send.
    """
    host, origin = environ.get("HTTP_HOST", "").lower(), environ.get("HTTP_ORIGIN")
    if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
        return None
    site = {name.lower(): value.lower() for name, value in headers if name.lower() in SITE_HEADERS}
    return _hash_site(site.items()), hash(host)


def _hash_site(items: Iterable[tuple[str, str]]) -> int:
    return hash(tuple(sorted(items)))


def read_payload(environ: dict[str, Any], limit: int) -> str | None:
    """Return the body of a POST, or None if it is larger than `limit` bytes.

    Returns an empty string if the body is not valid UTF-8 or incomplete.
    """
    # The length of a chunked body is unknown.
    chunked = bool(environ.get("HTTP_TRANSFER_ENCODING"))
    try:
        length = limit + 1 if chunked else int(environ.get("CONTENT_LENGTH") or "0")
        if length > limit + chunked:
            return None
        raw: bytes = environ["wsgi.input"].read(length)
        return None if len(raw) > limit else raw.decode()
    except (ValueError, OSError):
        return ""


def split_payload(body: str) -> Iterator[str]:
    """Yield the packets of a payload without creating a list."""
    end = -1
    while end < len(body):
        start, end = end + 1, body.find(packets.SEPARATOR, end + 1)
        end = len(body) if end < 0 else end
        yield body[start:end]


class Poll:
    """A pending long poll on a parked connection.

    `head` is the response head up to the Content-Length, or None for the default. With `close`, the
    connection closes after the response.
    """

    __slots__ = ("_close", "_connection", "_head", "_session")

    def __init__(
        self, connection: Connection, session: PollingSession, head: bytes | None = None, close: bool = False
    ) -> None:
        self._connection = connection
        self._session = session
        self._head = head
        self._close = close
        session.poll = self
        session.poll_started_at = time.monotonic()
        connection.park(self)

    def respond(self, queued: list[Packet]) -> bool:
        """Complete the poll without blocking. Return False if the connection is lost."""
        if self._head is not None:
            data = packets.http_response(packets.encode_payload(queued), self._head)
        elif len(queued) == 1:
            data = queued[0].response
        else:
            data = packets.http_response(packets.encode_payload(queued))
        return self._connection.respond(data, self._close)

    def abort(self) -> None:
        """Close the connection without a response."""
        self._connection.close()

    def connection_lost(self) -> None:
        """Close the session, since the client dropped its poll."""
        if self._session.poll is self:
            self._session.poll = None
            self._session.connection_lost()

    def request_received(self) -> None:
        """Complete the poll, since the client pipelined another request."""
        if self._session.poll is self:
            self._session.release_poll()


class FastPath:
    """Serves the two requests that make up idle long polling, without parsing them.

    These are a complete GET that polls and a complete POST of a pong, for a session that was opened through
    the same site (`site_key`). The application's checks passed then, so they would pass now. All other
    requests take the normal path.

    Args:
        sessions: Sessions by sid.
        path: Path of the engine, such as `/socket.io/`.
    """

    def __init__(self, sessions: dict[str, Any], path: str) -> None:
        self._sessions = sessions
        self._get = b"GET %s?" % path.encode()
        self._post = b"POST %s?" % path.encode()

    def serve(self, connection: Connection, data: bytes) -> int:
        """Serve the request at the start of `data`, if possible.

        Returns the length of the request, or 0 if it must take the normal path.
        """
        is_get = data.startswith(self._get)
        if not is_get and not data.startswith(self._post):
            return 0
        end, line = data.find(b"\r\n\r\n"), data.find(b"\r\n")
        sid = _SID.search(data, 0, line)
        if end < 0 or sid is None or not _POLLING.search(data, 0, line):
            return 0
        if not data.endswith(b" HTTP/1.1", 0, line):
            return 0
        session = self._sessions.get(sid[1].decode("latin-1"))
        if session is None or session.upgraded or session.is_expired():
            return 0
        head = data[line:end]
        if hash(head) != session.checked_head:  # a client's polls are all alike
            lower = head.lower()
            if not _LINES.fullmatch(lower) or not _is_same_site(session.site_key, lower):
                return 0
            if not is_get:
                return self._pong(connection, session, lower, data, end + 4)
            if b"\r\ncontent-length:" in lower:
                return 0
            session.checked_head = hash(head)
        return self._park(connection, session, end + 4) if is_get else 0

    def _park(self, connection: Connection, session: Any, end: int) -> int:
        if session.poll is not None or session.probe is not None:
            return 0
        if session.urgent:
            queued = session.dequeue()
            data = (
                queued[0].response
                if len(queued) == 1
                else packets.http_response(packets.encode_payload(queued))
            )
            connection.respond(data)
        else:
            Poll(connection, session)
        return end

    def _pong(self, connection: Connection, session: Any, head: bytes, data: bytes, end: int) -> int:
        if data[end : end + 1] != b"3" or head.count(b"\r\ncontent-length:") != 1:
            return 0
        if b"\r\ncontent-length: 1\r" not in head + b"\r":
            return 0
        session.message_received("3")
        connection.respond(_OK)
        return end + 1


def _is_same_site(key: tuple[int, int] | None, head: bytes) -> bool:
    """Return whether a request with these header lines matches a session's site key."""
    if key is None:
        return False
    site = [(name.decode(), value.rstrip().decode("latin-1")) for name, value in _SITE.findall(head)]
    if len({name for name, _ in site}) < len(site) or _hash_site(site) != key[0]:
        return False
    origins = _ORIGIN.findall(head)
    if len(origins) > 1 or len(origins) != head.count(b"\r\norigin:"):
        return False
    return not origins or hash(origins[0].rstrip().decode("latin-1")) == key[1]
