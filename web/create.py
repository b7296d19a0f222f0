"""Puts the Flask app together: pages, admin, API, Socket.IO, on a database and a feed that are open."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import flask
import gevent
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from realtime import create_socketio
from settings import Settings
from storage import Accounts, Database, Event, Spool, Store, Unavailable, sqlite_path

from . import admin, api, health, pages
from .parts import Parts
from .security import Gate, is_api, origin_allowed
from .sockets import Sockets

log = logging.getLogger("button")

#: A request's body is read up to so many bytes.
LONGEST_BODY = 16384
#: Seconds of the heartbeat: a client is pinged so often, and answers within as many.
HEARTBEAT = 10
#: Events with samples that wait for a slow client at most: half a second of them, so that a count that
#: waits behind them comes soon.
SAMPLES_WAIT = 10


class Feed(Protocol):
    """What is asked of the feed."""

    def start(self, tell: Callable[[dict[str, Any]], None], spawn: Callable[..., Any]) -> None:
        """Begin to take messages; `tell` hears of new samples."""

    def samples(self) -> dict[str, list[tuple[float, float]]]:
        """The newest samples of each series."""

    def status(self) -> dict[str, Any]:
        """Its health."""


def create_app(
    version: str,
    settings: Settings,
    database: Database,
    feed: Feed,
    spawn: Callable[[Callable[[], Any]], gevent.Greenlet],
    port: int,
    max_clients: int,
) -> flask.Flask:
    """The Flask app on an open database and feed, with everything that speaks HTTP or Socket.IO.

    `spawn(function)` starts a greenlet whose death must not go unseen; `port` is where the app will be
    served, by which its spool is named; `max_clients` there may be, and one more is told to come later.
    """
    app = flask.Flask("button", static_folder=None, root_path=str(Path(__file__).parent.parent))
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_BODY
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    further = settings.allowed_origins or ()
    metrics = health.Metrics()
    socketio = create_socketio(
        app,
        rejected=metrics.reject,
        newest_only={"count": 1, "info": 1, "samples": SAMPLES_WAIT},
        connected=lambda sid, namespace: sockets.connected(sid, namespace),
        cors_allowed_origins=lambda _origin, environ: origin_allowed(environ, further),
        ping_interval=HEARTBEAT,
        ping_timeout=HEARTBEAT,
        max_http_buffer_size=LONGEST_BODY,
        max_clients=max_clients,
        manage_session=False,
        async_handlers=False,  # one press of a client after the other: no flood of greenlets
    )
    accounts = Accounts(database)
    spool = None
    if not sqlite_path(settings.database):
        spool = Spool(Path(settings.spool or f"button-spool-{port}.db"), accounts.identity())
    store = Store(database, lambda event: announce(event), spawn, metrics.commit.observe, spool)
    parts = Parts(
        version,
        settings,
        database,
        store,
        accounts,
        {"database": store.status, "feed": feed.status},
        metrics=metrics,
        samples=feed.samples,
    )
    sockets = Sockets(parts, socketio)
    parts.sessions_changed = sockets.sessions_changed
    parts.status["clients"] = sockets.status
    app.extensions["button"] = parts

    def announce(event: Event) -> None:
        sockets.announce(event)
        for tell in parts.announced:
            tell(event)
        log.info(
            "%s by %s: %d of %d to go (seq %d)", event.kind, event.source, event.count, event.goal, event.seq
        )

    for blueprint in (pages.pages, admin.admin, api.api, health.health):
        app.register_blueprint(blueprint)
    app.jinja_env.globals["asset"] = pages.asset_url
    app.jinja_env.filters["iso"] = admin.iso
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Unavailable, _unavailable)
    app.wsgi_app = Gate(app.wsgi_app, further, metrics.reject)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]
    feed.start(sockets.tell_samples, spawn)
    spawn(lambda: database.listen(store.wake))
    spawn(sockets.run_info)
    spawn(sockets.run_sessions)
    return app


def _http_error(error: HTTPException) -> Any:
    if is_api(flask.request.path):
        return api.http_error(error)
    page = flask.render_template("error.html", name=error.name, text=error.description)
    answer = error.get_response()
    answer.data = page
    answer.content_type = "text/html; charset=utf-8"
    return answer


def _unavailable(error: Unavailable) -> Any:
    if is_api(flask.request.path):
        return api.error_answer(503, "unavailable", str(error))
    text = "Nothing was changed. Try again in a moment."
    page = flask.render_template("error.html", name=f"The database cannot be used now: {error}", text=text)
    return page, 503, {"Retry-After": "2"}
