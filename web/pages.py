"""Public pages and static files."""

import contextlib
import functools
import gzip
import io
import time
from datetime import timedelta
from typing import Any

import flask
import gevent
import segno

from storage import Unavailable

from .api import read_rounds
from .assets import CUSTOM_HORN
from .context import Context, context

pages = flask.Blueprint("pages", __name__)

IMMUTABLE = "public, max-age=31536000, immutable"


def asset_url(name: str) -> str:
    """Return the URL of a static file.

    It changes with the content of the file, so browsers can cache it.
    """
    return f"/static/{name}?v={context().assets[name].version}"


def horn_url(kind: str) -> str:
    """Return the URL of the short horn as `mp3` or `wav`.

    A custom horn has the same URL for both.
    """
    return asset_url(CUSTOM_HORN if CUSTOM_HORN in context().assets else f"sound/horn.{kind}")


@pages.get("/")
def countdown() -> Any:
    return _public("countdown.html")


@pages.get("/graph")
def graph() -> Any:
    services = context()
    newest = {name: samples[-1] for name, samples in services.samples().items()}
    if services.rounds_of != services.store.current and not services.public_reads.locked():
        gevent.spawn(_refresh_rounds, services)  # in the background, so the page does not wait
    past = [
        (
            time.strftime("%d %b %H:%M", time.localtime(each["ended"])),
            timedelta(seconds=int(each["ended"] - each["began"])),
        )
        for each in reversed(services.rounds.get("rounds", []))
    ]
    return _public("graph.html", newest=newest, past=past)


def _refresh_rounds(services: Context) -> None:
    with contextlib.suppress(Unavailable):
        read_rounds(services)


@pages.get("/qr.svg")
def qr_code() -> Any:
    path = "graph" if flask.request.args.get("page") == "graph" else ""
    response = flask.Response(_qr_svg(flask.request.host_url + path), mimetype="image/svg+xml")
    response.headers["Cache-Control"] = "no-cache"
    return response


@pages.get("/static/<path:name>")
def static(name: str) -> Any:
    return _serve(name)


@pages.get("/favicon.ico")
def favicon() -> Any:
    return _serve("icons/favicon.ico")


@pages.get("/apple-touch-icon.png")
@pages.get("/apple-touch-icon-precomposed.png")
def apple_touch_icon() -> Any:
    return _serve("icons/apple-touch-icon.png")


@functools.lru_cache(16)
def _qr_svg(url: str) -> bytes:
    """Return the QR code of a URL as SVG.

    It is black on white in both themes so that every phone can read it.
    """
    file = io.BytesIO()
    segno.make(url, micro=False).save(file, kind="svg", light="#fff", omitsize=True, xmldecl=False)
    return file.getvalue()


def _serve(name: str) -> flask.Response:
    asset = context().assets.get(name) or flask.abort(404)
    request = flask.request
    zipped = asset.zipped is not None and request.accept_encodings["gzip"] > 0
    response = flask.Response(asset.zipped if zipped else asset.body, mimetype=asset.type)
    response.set_etag(asset.version + ("-gzip" if zipped else ""))
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    if asset.zipped is not None:
        response.vary.add("Accept-Encoding")
    same = request.args.get("v") == asset.version
    response.headers["Cache-Control"] = IMMUTABLE if same else "public, max-age=3600"
    response.make_conditional(request, accept_ranges=not zipped, complete_length=len(asset.body))
    return response


def _public(template: str, **shown: Any) -> flask.Response:
    """Return a page that shows the count, with `shown` as template variables.

    It is rendered and compressed once, until the count or `shown` changes.
    """
    kept = context().rendered
    state = context().store.current
    key = (state.seq, shown)
    if template not in kept or kept[template][0] != key:
        body = flask.render_template(
            template, state=state, title=context().title(), config_title=context().settings.heading, **shown
        ).encode()
        kept[template] = (key, body, gzip.compress(body, 6, mtime=0))
    _, body, zipped = kept[template]
    use_zipped = flask.request.accept_encodings["gzip"] > 0
    response = flask.Response(zipped if use_zipped else body, mimetype="text/html")
    if use_zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = "no-cache"
    return response
