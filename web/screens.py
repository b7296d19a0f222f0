"""Socket.IO handlers and broadcasts."""

import contextlib
import datetime
import functools
import logging
import time
from collections.abc import Callable
from typing import Any, TypedDict

import flask_socketio
from gevent import event as gevent_event
from gevent import sleep
from socketio.exceptions import ConnectionRefusedError

from realtime import RateLimit
from storage import Change, Event, PressTotals, Rejected, Unavailable
from storage.accounts import digest

from .context import Context, day_of
from .security import cookie, is_key, is_token, session_cookie

log = logging.getLogger(__name__)
log.addFilter(RateLimit(10))

#: Minimum seconds between `info` broadcasts.
INFO_INTERVAL = 10.0
#: Kinds of change after which `info` is broadcast immediately, since they can lower the totals.
CORRECTIONS = ("undo", "reset", "goal", "set")
#: Minimum seconds between queries for the totals of today and this week.
TOTALS_INTERVAL = 0.05
#: Seconds between checks whether the sessions of connected clients are still valid.
SESSION_CHECK_INTERVAL = 10.0

#: Namespace of the samples.
GRAPH = "/graph"


class ScreensStatus(TypedDict):
    """The number of screens, and of all clients by transport."""

    screens: int
    #: Screens by transport. `websocket` and `polling` include admin pages and graphs.
    screens_websocket: int
    screens_polling: int
    websocket: int
    polling: int


class Screens:
    """Clients of `/`, which receive the count and `info`, and of `/graph`, which receive samples.

    Args:
        context: Services that the handlers use.
        socketio: Server on which the handlers are registered.
    """

    def __init__(self, context: Context, socketio: flask_socketio.SocketIO) -> None:
        self._context = context
        self._socketio = socketio
        self._info_wanted = gevent_event.Event()
        self._check_wanted = gevent_event.Event()
        self._uninformed: list[str] = []  # clients that have not received `info` yet
        self._corrected = False
        self._sent_info: dict[str, Any] = {}
        self._sent_at = -INFO_INTERVAL
        self._queried_at = 0.0
        self._totals_of: tuple[int, datetime.date] | None = None
        self._totals = PressTotals(None, None, [0, 0])
        self._admin_pages: set[str] = set()  # sids
        self._sessions: dict[str, str] = {}  # digest of the session of each client that has a cookie
        self._valid: set[str] = set()  # those that have been valid
        # Registered on python-socketio's server, since Flask-SocketIO builds a request context per event.
        for namespace, event, handler in (
            ("/", "connect", self._connect),
            ("/", "disconnect", self._disconnect),
            ("/", "press", self._press),
            ("/", "*", functools.partial(self._unexpected, "/")),
            (GRAPH, "connect", self._connect_graph),
            (GRAPH, "*", functools.partial(self._unexpected, GRAPH)),
        ):
            socketio.server.on(event, handler, namespace)

    def tasks(self) -> tuple[Callable[[], None], ...]:
        """Return the tasks to run in greenlets while the server runs."""
        return self._send_info, self._check_sessions

    def broadcast(self, event: Event) -> None:
        """Send an event to every screen. Does not block."""
        with self._context.metrics.broadcast.time():
            self._socketio.emit("count", event.as_count())
        log.debug("Broadcast seq %d", event.seq)
        self._corrected = self._corrected or event.kind in CORRECTIONS
        if self._corrected or time.monotonic() - self._sent_at >= INFO_INTERVAL:
            self._info_wanted.set()

    def broadcast_samples(self, series: dict[str, Any]) -> None:
        """Send new samples to every graph. Does not block."""
        self._socketio.emit("samples", {"series": series}, namespace=GRAPH)

    def sessions_changed(self) -> None:
        """Schedule a check of the clients' sessions. Does not block."""
        self._check_wanted.set()

    def status(self) -> ScreensStatus:
        """Return the number of clients."""
        server = self._socketio.server
        sessions = list(server.eio.sockets.values())
        websocket = sum(session.upgraded for session in sessions)
        clients = server.manager.get_participants("/", None)
        screens = [eio_sid for sid, eio_sid in clients if sid not in self._admin_pages]
        upgraded = sum(server.eio.sockets[sid].upgraded for sid in screens if sid in server.eio.sockets)
        return {
            "screens": len(screens),
            "screens_websocket": upgraded,
            "screens_polling": len(screens) - upgraded,
            "websocket": websocket,
            "polling": len(sessions) - websocket,
        }

    # --- events ---

    def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        session = cookie(environ, session_cookie(environ))
        if self._has_token(auth):
            self._sessions[sid] = ""  # authorized by the token
        elif session:
            self._sessions[sid] = digest(session)
            self._check_wanted.set()
        if isinstance(auth, dict) and auth.get("page") == "admin":
            self._admin_pages.add(sid)
        log.info("Client %s connected", environ.get("REMOTE_ADDR"))
        self._socketio.emit("count", self._context.store.current.as_count("connect"), to=sid)
        self._uninformed.append(sid)
        self._info_wanted.set()

    def _connect_graph(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        self._has_token(auth)
        log.info("Client %s connected to the graph", environ.get("REMOTE_ADDR"))
        self._socketio.emit("samples", {"series": self._context.samples()}, namespace=GRAPH, to=sid)

    def _has_token(self, auth: Any) -> bool:
        """Return whether a client sent the API token. Reject a client that sent a wrong one."""
        token = auth.get("token") if isinstance(auth, dict) else None
        if token and not is_token(self._context.settings.api_token, token):
            raise ConnectionRefusedError("unauthorized")
        return bool(token)

    def _disconnect(self, sid: str, _reason: str) -> None:
        self._sessions.pop(sid, None)
        self._admin_pages.discard(sid)

    def _press(self, sid: str, data: Any = None, *_more: Any) -> dict[str, Any]:
        session = self._sessions.get(sid)
        try:
            if session is None or (session and session not in self._context.accounts.sessions()):
                return _error("unauthorized", "press: sign in, or connect with auth: {token}")
            key = data.get("key") if isinstance(data, dict) else None
            if (data is not None and not isinstance(data, dict)) or not (key is None or is_key(key)):
                return _error("invalid_key", "key: expected 1 to 64 printable ASCII characters")
            result = self._context.store.submit(Change("press", "socket", key=key))
        except Rejected as rejected:
            return _error(rejected.code, rejected.message)
        except Unavailable as unavailable:
            return _error("unavailable", str(unavailable))
        return {"ok": True, **result.event.as_count()}

    def _unexpected(self, namespace: str, _event: str, sid: str, *_data: Any) -> None:
        self._context.metrics.reject("unknown_event")
        log.info("Client closed: it sent an unknown event")
        self._close(sid, namespace)

    def _close(self, sid: str, namespace: str = "/") -> None:
        server = self._socketio.server
        eio_sid = server.manager.eio_sid_from_sid(sid, namespace)
        if eio_sid is not None:  # None would close all clients
            server.eio.disconnect(eio_sid)

    # --- sessions ---

    def _check_sessions(self) -> None:
        """Close clients whose session was ended by this or another process, such as `set-password`."""
        while True:
            self._check_wanted.wait(timeout=SESSION_CHECK_INTERVAL)
            self._check_wanted.clear()
            if not self._sessions:
                continue
            with contextlib.suppress(Unavailable):  # in that case presses are rejected, too
                valid = self._context.accounts.sessions()
                for sid, session in list(self._sessions.items()):
                    if session in valid:
                        self._valid.add(session)
                    elif session in self._valid:
                        self._close(sid)
                self._valid &= valid

    # --- info ---

    def _send_info(self) -> None:
        """Send `info` to new clients, and to all clients when it has changed."""
        while True:
            since = time.monotonic() - self._sent_at
            self._info_wanted.wait(timeout=INFO_INTERVAL - since if since < INFO_INTERVAL else INFO_INTERVAL)
            self._info_wanted.clear()
            uninformed, self._uninformed = self._uninformed, []
            self._refresh_totals()
            corrected, self._corrected = self._corrected, False
            info = self._info()
            due = time.monotonic() - self._sent_at >= INFO_INTERVAL
            if corrected or (due and info != self._sent_info):
                self._socketio.emit("info", info)
                self._sent_info, self._sent_at, uninformed = info, time.monotonic(), []
            for sid in uninformed:
                self._socketio.emit("info", info, to=sid)
            if uninformed and info != self._sent_info:
                self._sent_info = {}  # clients now differ, so the next one is sent even if unchanged

    def _refresh_totals(self) -> None:
        """Update the totals of today and this week. Weeks begin on Monday."""
        if self._totals_of == self._now():
            return
        sleep(max(0.0, self._queried_at + TOTALS_INTERVAL - time.monotonic()))
        now, self._queried_at = self._now(), time.monotonic()
        today = day_of(now[1])
        monday = now[1] - datetime.timedelta(days=now[1].weekday())
        week = day_of(monday)[0], day_of(monday + datetime.timedelta(days=6))[1]
        with contextlib.suppress(Unavailable):  # logged by the store; keep the old totals
            self._totals = self._context.database.press_totals([today, week])
            self._totals_of = now

    def _info(self) -> dict[str, Any]:
        today, week = self._totals.deals
        return {
            "version": self._context.version,
            "screens": self.count(),
            "pressed_at": self._totals.pressed_at,
            "today": today,
            "week": week,
            "site": (self._totals.source or "").partition("@")[2] or None,
        }

    def _now(self) -> tuple[int, datetime.date]:
        today = datetime.date.fromtimestamp(self._context.database.now())  # noqa: DTZ012 - the server's zone
        return self._context.store.current.seq, today

    def count(self) -> int:
        """Return the number of screens, without admin pages."""
        clients: int = self._socketio.server.manager.size("/")
        return clients - len(self._admin_pages)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": message}}
