"""Admin pages for signing in and changing the count, the goal and the password."""

import datetime
import hmac
import math
import secrets
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import flask

from settings import MAX_GOAL
from storage import Change, Rejected, sqlite_path

from .context import context
from .security import cookie, cookie_name, is_key, session_cookie
from .throttle import network

admin = flask.Blueprint("admin", __name__, url_prefix="/admin")

#: The cookie of a visitor who has not signed in, to which the login form's token belongs.
VISITOR = "visitor"
#: Changes that the page lists.
SHOWN = 20
MIN_PASSWORD_SIZE, MAX_PASSWORD_SIZE = 8, 256
#: Proof that this browser has signed in before: it does not wait behind strangers' passwords.
KNOWN = "known"
#: Passwords of strangers that wait to be hashed, one a network. Each takes a tenth of a second.
MAX_HASHING = 64


class FormError(Exception):
    """A form that cannot be taken; the text is the sentence to show."""

    def __init__(self, text: str, status: int = 400, retry_after: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after


def signed_in(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let only a signed-in admin in, and a POST only with the form's token."""

    @wraps(view)
    def check(*args: Any, **values: Any) -> Any:
        token = cookie(flask.request.environ, session_cookie(flask.request.environ))
        if not token or not context().accounts.is_session(token):
            return flask.redirect("/admin/login")
        flask.g.session = token
        if flask.request.method == "POST":
            _check_form_token(token)
        return view(*args, **values)

    return check


@admin.get("")
@signed_in
def page() -> Any:
    return _page()


def _page(error: str = "") -> str:
    events = context().database.latest(SHOWN)
    newest = events[0] if events else context().store.current
    undone_seqs = {event.undoes for event in events}
    return flask.render_template(
        "admin.html",
        state=context().store.current,
        title=context().title(),
        config_title=context().settings.heading,
        events=events,
        undone_seqs=undone_seqs,
        undo_seq=newest.top,
        undone=next((event for event in events if event.seq == newest.top), None),
        key=secrets.token_hex(16),
        csrf_token=context().accounts.form_token(flask.g.session),
        status=context().health(),
        max_goal=MAX_GOAL,
        version=context().version,
        uptime=time.monotonic() - context().started,
        has_backup=sqlite_path(context().settings.database) is not None,
        fixed_password=context().settings.admin_password is not None,
        error=error,
    )


@admin.get("/login")
def login(error: str = "") -> Any:
    visitor = _cookie(VISITOR)
    if len(visitor) != 43:
        visitor = secrets.token_urlsafe(32)
    token = context().accounts.form_token(visitor)
    page = flask.render_template("login.html", title=context().title(), csrf_token=token, error=error)
    response = flask.make_response(page)
    _set_cookie(response, VISITOR, visitor)
    return response


@admin.post("/login")
def sign_in() -> Any:
    _check_form_token(_cookie(VISITOR))
    if not _is_password(flask.request.form.get("password", "")):
        raise FormError("That is not the password.", 401)
    response = flask.redirect("/admin")
    _set_cookie(response, "session", context().accounts.begin_session(), max_age=30 * 86400)
    visitor = _cookie(VISITOR)
    _set_cookie(response, VISITOR, visitor, max_age=365 * 86400)
    _set_cookie(response, KNOWN, _proof(visitor), max_age=365 * 86400)
    return response


@admin.post("/press")
@signed_in
def press() -> Any:
    return _record("press")


@admin.post("/undo")
@signed_in
def undo() -> Any:
    return _record("undo", seq=_integer("seq", 10**15, 0) if flask.request.form.get("seq") else None)


@admin.post("/reset")
@signed_in
def reset() -> Any:
    return _record("reset")


@admin.post("/goal")
@signed_in
def goal() -> Any:
    return _record("goal", goal=_integer("goal", MAX_GOAL))


@admin.post("/count")
@signed_in
def set_count() -> Any:
    return _record("set", count=_integer("count", MAX_GOAL, 0))


@admin.get("/press")
@admin.get("/undo")
@admin.get("/reset")
@admin.get("/goal")
@admin.get("/count")
@admin.get("/password")
@admin.get("/logout")
def form_address() -> Any:
    """A form's address without the form, such as from the browser's history."""
    return flask.redirect("/admin")


@admin.post("/password")
@signed_in
def password() -> Any:
    if context().settings.admin_password is not None:
        raise Rejected("fixed", "The password is set by BUTTON_ADMIN_PASSWORD; change it there.")
    new = flask.request.form.get("new", "")
    if not MIN_PASSWORD_SIZE <= len(new) <= MAX_PASSWORD_SIZE:
        raise FormError(f"new: expected {MIN_PASSWORD_SIZE} to {MAX_PASSWORD_SIZE} characters.")
    if flask.request.form.get("again", new) != new:
        raise FormError("again: expected the same new password.")
    if not _is_password(flask.request.form.get("password", "")):
        raise FormError("password: that is not the old password.")
    context().accounts.set_password(new)
    return _signed_out()


@admin.post("/logout")
@signed_in
def logout() -> Any:
    context().accounts.end_session(flask.g.session)
    return _signed_out()


@admin.errorhandler(FormError)
def form_error(error: FormError) -> Any:
    response = flask.make_response(_page(str(error)) if "session" in flask.g else login(str(error)))
    response.status_code = error.status
    if error.retry_after:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


@admin.errorhandler(Rejected)
def rejected(error: Rejected) -> Any:
    status = 400 if error.code == "invalid_count" else 409
    return form_error(FormError(f"{error.message.rstrip('.')}.", status))


@admin.after_request
def forbid_caching(response: flask.Response) -> flask.Response:
    """Forbid caching of admin pages."""
    response.headers["Cache-Control"] = "no-store"
    return response


def iso(at: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the millisecond."""
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _record(kind: str, **argument: Any) -> Any:
    """Record a change; the form's one-time key makes a double submit count once."""
    key = flask.request.form.get("key") or None
    if key is not None and not is_key(key):
        raise FormError("key: expected 1 to 64 printable ASCII characters.")
    site = context().settings.site
    context().store.submit(Change(kind, f"admin@{site}" if site else "admin", key=key, **argument))
    return flask.redirect("/admin")


def _integer(name: str, high: int, low: int = 1) -> int:
    text = flask.request.form.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 15 and low <= int(text) <= high):
        raise FormError(f"{name}: expected a whole number from {low} to {high}.")
    return int(text)


def _is_password(given: str) -> bool:
    """Return whether `given` is the password. A try that comes too soon is rejected before any hashing."""
    throttle, hashing = context().throttle, context().hashing
    address = network(flask.request.remote_addr or "")
    wait = throttle.wait(address)
    if wait > 0:
        seconds = math.ceil(wait)
        raise FormError(f"Too many wrong passwords. Try again in {seconds} s.", 429, seconds)
    if len(given) > MAX_PASSWORD_SIZE:
        throttle.failed(address)
        return False
    place = "known" if _is_known() else address
    if place in hashing or (place == address and len(hashing) >= MAX_HASHING):
        raise FormError("Another password is being checked. Try again.", 429, 1)
    hashing.add(place)
    try:
        right = context().accounts.check_password(given, known=place == "known")
    finally:
        hashing.discard(place)
    if right:
        throttle.succeeded(address)
    else:
        throttle.failed(address)
    return right


def _proof(visitor: str) -> str:
    return context().accounts.form_token(f"known {visitor}")


def _is_known() -> bool:
    """Return whether this browser has signed in before."""
    visitor, proof = _cookie(VISITOR), _cookie(KNOWN)
    return bool(visitor) and hmac.compare_digest(proof.encode(), _proof(visitor).encode())


def _check_form_token(owner: str) -> None:
    given = flask.request.form.get("csrf_token", "")
    wanted = context().accounts.form_token(owner)
    if not owner or not hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
        raise FormError("This form has expired. Try again.")


def _signed_out() -> Any:
    response = flask.redirect("/admin/login")
    response.delete_cookie(session_cookie(flask.request.environ))
    return response


def _cookie(purpose: str) -> str:
    environ = flask.request.environ
    return cookie(environ, cookie_name(environ, purpose)) or ""


def _set_cookie(response: Any, name: str, value: str, max_age: int | None = None) -> None:
    response.set_cookie(
        cookie_name(flask.request.environ, name),
        value,
        max_age=max_age,
        path="/",
        httponly=True,
        samesite="Lax",
        secure=flask.request.is_secure,
    )
