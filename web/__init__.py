"""Flask app with the pages, the admin page, the API, Socket.IO and monitoring."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flask
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from realtime import RequestHead, SocketIO, create_socketio
from storage import Unavailable

from . import admin, api, downloads, monitoring, pages, security, sessions, times
from .assets import CUSTOM_HORN, HornError, load_horn
from .context import Context
from .login import MAX_PASSWORD_SIZE
from .metrics import Metrics
from .monitoring import Collector
from .screens import Screens
from .security import SecurityMiddleware, authorization_token, is_api, is_token
from .security import error_body as error_body
from .security import security_headers as security_headers

__all__ = [
    "CUSTOM_HORN",
    "MAX_PASSWORD_SIZE",
    "Context",
    "HornError",
    "Metrics",
    "Screens",
    "create_app",
    "error_body",
    "load_horn",
    "security_headers",
    "urgency",
]

#: Maximum size of a request body in bytes.
MAX_BODY_SIZE = 16384
#: Seconds between a client's pong and its next ping, and from a ping until its pong is overdue.
PING_INTERVAL = PING_TIMEOUT = 10
#: Maximum number of sample events queued for a slow client. They are half a second, so a count is not late.
MAX_QUEUED_SAMPLES = 10


def create_app(context: Context, max_clients: int) -> tuple[flask.Flask, Screens]:
    """Create the Flask app and its Socket.IO handlers. Opens and starts nothing.

    Args:
        context: The services that views use.
        max_clients: Maximum number of Socket.IO clients. Further handshakes get 503.

    Returns:
        The app and the screens, whose `tasks()` must be run.
    """
    settings, metrics = context.settings, context.metrics
    app = flask.Flask("button", static_folder=None, root_path=str(Path(__file__).parent.parent))
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_SIZE
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.extensions["button"] = context
    origins = settings.allowed_origins or ()
    screens = Screens(context, _create_socketio(app, origins, max_clients, metrics))
    metrics.registry.register(Collector(context))
    assert admin and downloads  # imported for their views on the blueprint of `sessions`
    for blueprint in (pages.pages, sessions.admin, api.api, monitoring.monitoring):
        app.register_blueprint(blueprint)
    app.jinja_env.globals["asset"] = pages.asset_url
    app.jinja_env.globals["horn"] = pages.horn_url
    app.jinja_env.globals["noun"], app.jinja_env.globals["nouns"] = settings.noun
    app.jinja_env.globals["zone"] = times.zone
    for write in (times.iso, times.clock, times.moment, times.day, times.duration):
        app.jinja_env.filters[write.__name__] = write
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Unavailable, _unavailable)
    app.wsgi_app = SecurityMiddleware(  # type: ignore[method-assign]
        app.wsgi_app, origins, metrics.reject, settings.frame_ancestors or ()
    )
    if count := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_port=count)  # type: ignore[method-assign]
    return app, screens


def _create_socketio(
    app: flask.Flask, origins: Sequence[str], max_clients: int, metrics: Metrics
) -> SocketIO:
    return create_socketio(
        app,
        newest_only={"count": 1, "info": 1, "samples": MAX_QUEUED_SAMPLES},
        max_clients=max_clients,
        on_reject=metrics.reject,
        cors_allowed_origins=lambda _origin, environ: security.origin_allowed(environ, origins),
        ping_interval=PING_INTERVAL,
        ping_timeout=PING_TIMEOUT,
        max_http_buffer_size=MAX_BODY_SIZE,
        manage_session=False,
        async_handlers=False,  # handle a client's events in order, in one greenlet
    )


def urgency(context: Context) -> Callable[[RequestHead], bool]:
    """Return a predicate for urgent requests: those with the API token or an admin session."""

    def is_urgent(head: RequestHead) -> bool:
        if is_token(context.settings.api_token, authorization_token(head.get("authorization"))):
            return True
        cookies = [part.partition("=") for part in head.get("cookie").split(";") if "button_session" in part]
        return any(context.accounts.was_session(value.strip()) for _, _, value in cookies[:4])

    return is_urgent


def _http_error(error: HTTPException) -> Any:
    if is_api(flask.request.path):
        return api.http_error(error)
    page = flask.render_template("error.html", name=error.name, text=error.description)
    response = error.get_response()
    response.data = page
    response.content_type = "text/html; charset=utf-8"
    return response


def _unavailable(error: Unavailable) -> Any:
    if is_api(flask.request.path):
        return api.error_response(503, "unavailable", str(error))
    text = "Nothing was changed. Try again in a moment."
    page = flask.render_template("error.html", name=f"The database is unavailable: {error}", text=text)
    return page, 503, {"Retry-After": "2"}
