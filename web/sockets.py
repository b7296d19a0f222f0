"""The Socket.IO side: what a screen is told, and the press that a program may send."""

import contextlib
import datetime
import functools
import logging
import time
from collections.abc import Callable
from typing import Any

import flask_socketio
import gevent
from gevent.event import Event as Signal
from socketio.exceptions import ConnectionRefusedError
from werkzeug.http import parse_cookie

from storage import Change, Event, Refused, Unavailable
from storage.accounts import digest

from .api import is_key, is_token
from .parts import Parts

log = logging.getLogger(__name__)

#: Seconds between two `info` events to all.
INFO_EVERY = 10.0
#: Seconds between looks whether the sessions of the clients that came with one still last.
CHECK_SESSIONS_EVERY = 10.0
#: Lines a second that tell of clients; the rest are counted.
LINES_A_SECOND = 10

COOKIE = "button_session"
#: The namespace of the samples.
GRAPH = "/graph"


class Sockets:
    """The clients: tells those of `/` the count, those of `/graph` the samples, on connect and when new.

    `announce(event)` is for the store's announcer, `tell_samples(series)` for the feed,
    `connected(sid, namespace)` for the manager of Socket.IO, `run_info()` and `run_sessions()` for a
    greenlet each.
    """

    def __init__(self, parts: Parts, socketio: flask_socketio.SocketIO) -> None:
        self._parts = parts
        self._socketio = socketio
        self._changed = Signal()
        self._check = Signal()
        self._tally_of: tuple[int, datetime.date] | None = None
        self._tally: tuple[float | None, int, int] = (None, 0, 0)
        self._told: dict[str, Any] = {}
        self._cookies: dict[str, str] = {}  # the session's digest of each client that has a cookie
        self._known: set[str] = set()  # the digests among them that were found to be sessions
        self._lines = Flow(LINES_A_SECOND)
        # On python-socketio's server: Flask-SocketIO would build a request context for each event.
        for namespace, event, handler in (
            ("/", "connect", self._connect),
            ("/", "disconnect", self._disconnect),
            ("/", "press", self._press),
            ("/", "*", functools.partial(self._unexpected, "/")),
            (GRAPH, "connect", self._connect_graph),
            (GRAPH, "*", functools.partial(self._unexpected, GRAPH)),
        ):
            socketio.server.on(event, handler, namespace)

    def announce(self, event: Event) -> None:
        """Tell every screen of an event; does not block."""
        with self._parts.metrics.broadcast.time():
            self._socketio.emit("count", event.as_count())
        self._changed.set()

    def tell_samples(self, series: dict[str, Any]) -> None:
        """Tell every graph of new samples; does not block."""
        self._socketio.emit("samples", {"series": series}, namespace=GRAPH)

    def connected(self, sid: str, namespace: str) -> None:
        """Tell a client that has just connected the state; does not block."""
        if namespace == GRAPH:
            self._socketio.emit("samples", {"series": self._parts.samples()}, namespace=GRAPH, to=sid)
        else:
            state = self._parts.store.current.as_count("connect")
            self._socketio.emit("count", state, to=sid)
            if self._tally_of == self._now():
                if self._screens() == 1:
                    self._told = self._info()  # nobody else is to be told
                self._socketio.emit("info", self._info(), to=sid)
            else:
                gevent.spawn(self._tell_info, sid)
            self._changed.set()

    def run_info(self) -> None:
        """Tell all of `info` when it has changed."""
        while True:
            self._changed.wait(timeout=INFO_EVERY)
            self._changed.clear()
            with contextlib.suppress(Unavailable):  # the store says so, and tries on
                self._count_up()
            if self._info() != self._told:
                self._told = self._info()
                self._socketio.emit("info", self._told)
            gevent.sleep(INFO_EVERY)

    def run_sessions(self) -> None:
        """Part with clients whose session has ended, here or by `set-password` beside us."""
        while True:
            self._check.wait(timeout=CHECK_SESSIONS_EVERY)
            self._check.clear()
            with contextlib.suppress(Unavailable):  # nobody can press either
                self._check_sessions()

    def sessions_changed(self) -> None:
        """Look soon whether sessions have ended."""
        self._check.set()

    def _check_sessions(self) -> None:
        if not self._cookies:
            return
        alive = self._parts.accounts.sessions()
        for sid, session in list(self._cookies.items()):
            if session in alive:
                self._known.add(session)
            elif session in self._known:
                self._close(sid)
        self._known &= alive

    def status(self) -> dict[str, Any]:
        """The clients of now, by transport."""
        clients = list(self._socketio.server.eio.sockets.values())
        websocket = sum(client.upgraded for client in clients)
        return {"screens": self._screens(), "websocket": websocket, "polling": len(clients) - websocket}

    def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        """Runs before the client is told that it is connected, so it must not wait for anything."""
        session = session_of(environ)
        if self._has_token(auth):
            self._cookies[sid] = ""  # the token itself opens
        elif session:
            self._cookies[sid] = digest(session)
            self._check.set()
        self._lines.log("Client %s connected", environ.get("REMOTE_ADDR"))

    def _connect_graph(self, _sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        self._has_token(auth)
        self._lines.log("Client %s connected to the graph", environ.get("REMOTE_ADDR"))

    def _has_token(self, auth: Any) -> bool:
        """Whether a client came with the API token; one that came with a wrong one is refused."""
        token = auth.get("token") if isinstance(auth, dict) else None
        if token and not is_token(self._parts.settings.api_token, token):
            raise ConnectionRefusedError("unauthorized")
        return bool(token)

    def _disconnect(self, sid: str, _reason: str) -> None:
        self._cookies.pop(sid, None)
        self._changed.set()

    def _press(self, sid: str, data: Any = None, *_more: Any) -> dict[str, Any]:
        session = self._cookies.get(sid)
        try:
            if session is None or (session and session not in self._parts.accounts.sessions()):
                return _refusal("unauthorized", "press: sign in, or connect with auth: {token}")
            key = data.get("key") if isinstance(data, dict) else None
            if (data is not None and not isinstance(data, dict)) or not (key is None or is_key(key)):
                return _refusal("invalid_key", "key: expected 1 to 64 printable ASCII characters")
            answer = self._parts.store.submit(Change("press", "socket", key=key))
        except Refused as refused:
            return _refusal(refused.code, refused.message)
        except Unavailable as unavailable:
            return _refusal("unavailable", str(unavailable))
        return {"ok": True, **answer.event.as_count()}

    def _unexpected(self, namespace: str, _event: str, sid: str, *_data: Any) -> None:
        self._parts.metrics.reject("unknown_event")
        self._lines.log("A client was closed: it sent an unknown event")
        self._close(sid, namespace)

    def _close(self, sid: str, namespace: str = "/") -> None:
        server = self._socketio.server
        client = server.manager.eio_sid_from_sid(sid, namespace)
        if client is not None:  # None would end them all
            server.eio.disconnect(client)

    def _info(self) -> dict[str, Any]:
        pressed_at, today, week = self._tally
        return {
            "version": self._parts.version,
            "screens": self._screens(),
            "pressed_at": pressed_at,
            "today": today,
            "week": week,
        }

    def _tell_info(self, sid: str) -> None:
        with contextlib.suppress(Unavailable):  # what was known last is better than nothing
            self._count_up()
        self._socketio.emit("info", self._info(), to=sid)

    def _count_up(self) -> None:
        """Bring the numbers of today and of this week up to date; weeks begin on Monday."""
        now = self._now()
        if self._tally_of != now:
            midnight = datetime.datetime.combine(now[1], datetime.time())
            monday = midnight - datetime.timedelta(days=midnight.weekday())
            self._tally = self._parts.database.tally(midnight.timestamp(), monday.timestamp())
            self._tally_of = now

    def _now(self) -> tuple[int, datetime.date]:
        today = datetime.date.fromtimestamp(self._parts.database.now())  # noqa: DTZ012 - the server's zone
        return self._parts.store.current.seq, today

    def _screens(self) -> int:
        screens: int = self._socketio.server.manager.size("/")
        return screens


def session_of(environ: dict[str, Any]) -> str | None:
    """The token of the session cookie that a request carries."""
    token: str | None = parse_cookie(environ.get("HTTP_COOKIE", "")).get(COOKIE)
    return token


def _refusal(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": message}}


class Flow:
    """Logs at most so many lines a second at level info; of the rest it tells the number."""

    def __init__(self, lines: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = lines
        self._clock = clock
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def log(self, message: str, *values: Any) -> None:
        """Log a line, or count it."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._lines = second, 0
        if self._lines < self._most:
            self._lines += 1
            log.info(message, *values)
        else:
            self._left_out += 1
            if self._left_out == 1:
                gevent.spawn_later(1.0, self._tell)

    def _tell(self) -> None:
        left_out, self._left_out = self._left_out, 0
        log.info("and %d more", left_out)
