"""Signing in and out, and changing the password."""

import hmac
import math
import secrets
from pathlib import Path
from typing import Any

import flask

from storage import Rejected

from .context import context
from .security import session_cookie
from .sessions import (
    VISITOR,
    FormError,
    admin,
    check_form_token,
    read_cookie,
    set_cookie,
    set_notice,
    signed_in,
    take_notice,
    visitor,
)
from .throttle import network

MIN_PASSWORD_SIZE, MAX_PASSWORD_SIZE = 8, 256
#: Cookie that proves an earlier sign-in. Such a browser does not wait for the passwords of unknown ones.
KNOWN = "known"
#: Maximum number of passwords from unknown browsers in the queue, one per network. Each takes 0.1 s to hash.
MAX_HASHING = 64
#: Folder and command that deploy/install.sh installs.
INSTALLED, COMMAND = Path("/opt/the-button"), Path("/usr/local/bin/the-button")


@admin.get("/login")
def login(error: str = "") -> Any:
    name = visitor()
    notice = take_notice(name)
    if len(name) != 43:
        name = secrets.token_urlsafe(32)
    page = flask.render_template(
        "login.html",
        title=context().title(),
        csrf_token=context().accounts.form_token(name),
        error=error,
        notice=notice,
        fixed_password=context().settings.admin_password is not None,
        installed=COMMAND.exists() and INSTALLED in Path(__file__).parents,
    )
    response = flask.make_response(page)
    set_cookie(response, VISITOR, name)
    return response


@admin.post("/login")
def sign_in() -> Any:
    check_form_token(visitor())
    if not _is_password(flask.request.form.get("password", "")):
        raise FormError("Wrong password.", 401)
    response = flask.redirect("/admin")
    set_cookie(response, "session", context().accounts.begin_session(), max_age=30 * 86400)
    set_cookie(response, VISITOR, visitor(), max_age=365 * 86400)
    set_cookie(response, KNOWN, _proof(visitor()), max_age=365 * 86400)
    return response


@admin.post("/password")
@signed_in
def password() -> Any:
    if context().settings.admin_password is not None:
        raise Rejected("fixed", "The password is set by BUTTON_ADMIN_PASSWORD; change it there.")
    new = flask.request.form.get("new", "")
    if not MIN_PASSWORD_SIZE <= len(new) <= MAX_PASSWORD_SIZE:
        raise FormError(f"A new password has {MIN_PASSWORD_SIZE} to {MAX_PASSWORD_SIZE} characters.")
    if flask.request.form.get("again", new) != new:
        raise FormError("The two new passwords are not the same.")
    if not _is_password(flask.request.form.get("password", "")):
        raise FormError("That is not the old password.")
    context().accounts.set_password(new)
    return _signed_out("password-changed")


@admin.post("/logout")
@signed_in
def logout() -> Any:
    context().accounts.end_session(flask.g.session)
    return _signed_out("signed-out")


def _is_password(given: str) -> bool:
    """Return whether `given` is the password. A throttled attempt is rejected before hashing."""
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


def _proof(name: str) -> str:
    return context().accounts.form_token(f"known {name}")


def _is_known() -> bool:
    """Return whether this browser has signed in before."""
    return bool(visitor()) and hmac.compare_digest(read_cookie(KNOWN), _proof(visitor()))


def _signed_out(notice: str) -> Any:
    response = flask.redirect("/admin/login")
    response.delete_cookie(session_cookie(flask.request.environ))
    set_notice(response, visitor(), notice)
    return response
