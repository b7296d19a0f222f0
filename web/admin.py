"""The admin page and the forms that change the count and the goal."""

import re
import secrets
import time
from typing import Any

import flask

from settings import MAX_GOAL
from storage import Change, Event, Rejected, sqlite_path

from .context import context
from .login import login
from .security import is_key
from .sessions import FormError, admin, set_notice, signed_in, take_notice

#: Number of changes on the page.
SHOWN = 20
#: Number of later changes that are searched for undos of those on the page.
LOOKAHEAD = 200


@admin.get("")
@signed_in
def page() -> Any:
    # A page that refreshes itself leaves the notice to the one that was redirected.
    notice = "" if "live" in flask.request.args else take_notice(flask.g.session)
    return _page(changed=_event(int(notice)) if notice else None)


def _page(error: str = "", changed: Event | None = None) -> str:
    services, history = context(), _history()
    state = services.store.current
    return flask.render_template(
        "admin.html",
        state=state,
        title=services.title(),
        config_title=services.settings.heading,
        undo=history["by_seq"].get(state.top) or _event(state.top),
        key=secrets.token_hex(16),
        csrf_token=services.accounts.form_token(flask.g.session),
        status=services.health(),
        max_goal=MAX_GOAL,
        version=services.version,
        uptime=time.monotonic() - services.started,
        pins=services.settings.pin,
        is_sqlite=sqlite_path(services.settings.database) is not None,
        fixed_password=services.settings.admin_password is not None,
        error=error,
        changed=changed,
        **history,
    )


def _history() -> dict[str, Any]:
    """Return the newest changes, or those before the seq `before`, and which of them were undone.

    Seqs have no gaps, so a page is one range of the primary key. Undos are found among the next `LOOKAHEAD`
    changes.
    """
    newest, before = context().store.current.seq, flask.request.args.get("before", "")
    end = min(int(before), newest + 1) if re.fullmatch("[0-9]{1,15}", before) else newest + 1
    start = max(1, end - SHOWN)
    events = context().database.events_after(start - 1, max(0, end - start) + LOOKAHEAD)
    return {
        "events": [event for event in reversed(events) if event.seq < end],
        "by_seq": {event.seq: event for event in events},
        "undone_by": {event.undoes: event for event in events if event.undoes},
        "older": start if start > 1 else None,
        "is_newest": end > newest,
    }


def _event(seq: int) -> Event | None:
    """Return the change with this seq, or None."""
    return next(iter(context().database.events_after(seq - 1, 1)), None) if seq else None


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


def _record(kind: str, **argument: Any) -> Any:
    """Record a change; the form's one-time key makes a double submit count once."""
    key = flask.request.form.get("key") or None
    if key is not None and not is_key(key):
        raise FormError("key: expected 1 to 64 printable ASCII characters.")
    site = context().settings.site
    change = Change(kind, f"admin@{site}" if site else "admin", key=key, **argument)
    response = flask.redirect("/admin")
    set_notice(response, flask.g.session, str(context().store.submit(change).event.seq))
    return response


def _integer(name: str, high: int, low: int = 1) -> int:
    text = flask.request.form.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 15 and low <= int(text) <= high):
        raise FormError(f"{name}: expected a whole number from {low} to {high}.")
    return int(text)
