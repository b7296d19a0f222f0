"""Sessions, form tokens, and notices that outlast a redirect."""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any

import flask

from .context import context
from .security import cookie, cookie_name, session_cookie

admin = flask.Blueprint("admin", __name__, url_prefix="/admin")

#: Cookie that identifies a browser without a session. The token of the login form belongs to it.
VISITOR = "visitor"
#: Cookie with the notice for the next page, and its lifetime in seconds.
NOTICE, NOTICE_LIFETIME = "notice", 60


class FormError(Exception):
    """A rejected form. The text is shown to the user."""

    def __init__(self, text: str, status: int = 400, retry_after: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after


def signed_in(view: Callable[..., Any]) -> Callable[..., Any]:
    """Require a session, and for a POST also the form token."""

    @wraps(view)
    def check(*args: Any, **values: Any) -> Any:
        token = cookie(flask.request.environ, session_cookie(flask.request.environ))
        if not token or not context().accounts.is_session(token):
            return _to_login(bool(token))
        flask.g.session = token
        if flask.request.method == "POST":
            check_form_token(token)
        return view(*args, **values)

    return check


def _to_login(was_signed_in: bool) -> Any:
    response = flask.redirect("/admin/login")
    if flask.request.method == "POST":
        press = flask.request.path == "/admin/press"
        set_notice(response, visitor(), "not-counted" if press else "not-changed")
    elif was_signed_in:
        set_notice(response, visitor(), "session-ended")
    return response


def check_form_token(owner: str) -> None:
    """Raise `FormError` unless the form has the token of `owner`, a session or visitor."""
    given = flask.request.form.get("csrf_token", "")
    wanted = context().accounts.form_token(owner)
    if not owner or not hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
        raise FormError("This form has expired. Try again.")


def set_notice(response: Any, owner: str, text: str) -> None:
    """Store a notice for the next page of `owner`, a session or visitor.

    It is the seq of a change or the name of a sentence, signed, so that neither a link nor another program on
    this host can show a false one.
    """
    set_cookie(response, NOTICE, f"{text}.{_notice_proof(owner, text)}", max_age=NOTICE_LIFETIME)


def take_notice(owner: str) -> str:
    """Return the notice for `owner` and delete its cookie. Empty if there is none."""
    text, _, proof = read_cookie(NOTICE).rpartition(".")
    if not text or not hmac.compare_digest(proof, _notice_proof(owner, text)):
        return ""

    @flask.after_this_request
    def delete(response: flask.Response) -> flask.Response:
        response.delete_cookie(cookie_name(flask.request.environ, NOTICE))
        return response

    return text


def _notice_proof(owner: str, text: str) -> str:
    # No cookie has a line break, so no login form has this token.
    return context().accounts.form_token(f"notice\n{owner}\n{text}")


def visitor() -> str:
    """Return the random ID of this browser, empty if it has not loaded the login form."""
    return read_cookie(VISITOR)


def read_cookie(purpose: str) -> str:
    """Return the value of one of this server's cookies, empty if there is none."""
    environ = flask.request.environ
    return cookie(environ, cookie_name(environ, purpose)) or ""


def set_cookie(response: Any, purpose: str, value: str, max_age: int | None = None) -> None:
    """Set one of this server's cookies. Without `max_age` it lasts until the browser is closed."""
    response.set_cookie(
        cookie_name(flask.request.environ, purpose),
        value,
        max_age=max_age,
        path="/",
        httponly=True,
        samesite="Lax",
        secure=flask.request.is_secure,
    )
