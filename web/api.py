"""HTTP API for reading the count, and for changing it with the API token."""

import datetime
import re
from pathlib import Path
from typing import Any

import flask
from werkzeug.exceptions import HTTPException

from settings import MAX_GOAL
from storage import Change, Rejected, rounds

from .context import Context, context, day_of
from .security import SITE_RULE, authorization_token, is_key, is_site, is_token

api = flask.Blueprint("api", __name__, url_prefix="/api")

MAX_EVENTS = 1000
MAX_ROUNDS = 20
#: How many of the newest events are searched for rounds. The first number is usually sufficient.
ROUND_EVENTS = (1000, 5000)


class ApiError(Exception):
    """An error to send as an API response."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@api.get("/count")
def count() -> Any:
    return context().store.current.as_count()


@api.get("/history")
def history() -> Any:
    after = _number("after", 0)
    limit = min(_number("limit", 100), MAX_EVENTS)
    if not limit:
        return {"events": []}
    with context().public_reads:
        events = context().database.events_after(after, limit, lane="public")
        return flask.jsonify({"events": [event.as_history() for event in events]})


@api.post("/press")
def press() -> Any:
    _check_token()
    # Without a JSON Content-Type any body is accepted, since CRMs post arbitrary ones. Only `site` is read.
    body = _body() if flask.request.is_json else flask.request.get_json(force=True, silent=True)
    if flask.request.is_json and not (body is None or isinstance(body, dict)):
        raise ApiError(400, "invalid_json", "body: expected a JSON object or no body")
    site = body.get("site") if isinstance(body, dict) else None
    if not (site is None or is_site(site)):
        raise ApiError(400, "invalid_site", f"site: expected {SITE_RULE}, or null")
    return _record("press", site)


@api.post("/undo")
def undo() -> Any:
    _check_token()
    body = _body()
    seq = body.get("seq") if isinstance(body, dict) else None
    if (body is not None and not isinstance(body, dict)) or not (seq is None or is_seq(seq)):
        raise ApiError(400, "invalid_seq", "seq: expected the number of a change, or no body")
    return _record("undo", seq=seq)


@api.post("/reset")
def reset() -> Any:
    return _record("reset")


@api.put("/goal")
def goal() -> Any:
    _check_token()
    body = _body()
    wanted = body.get("goal") if isinstance(body, dict) else None
    if type(wanted) is not int or not 1 <= wanted <= MAX_GOAL:
        raise ApiError(400, "invalid_goal", f"goal: expected a whole number from 1 to {MAX_GOAL}")
    return _record("goal", goal=wanted)


@api.put("/count")
def set_count() -> Any:
    _check_token()
    body = _body()
    wanted = body.get("count") if isinstance(body, dict) else None
    if type(wanted) is not int or not 0 <= wanted <= MAX_GOAL:
        most = context().store.current.goal
        raise ApiError(400, "invalid_count", f"count: expected a whole number from 0 to {most}")
    return _record("set", count=wanted)


@api.get("/today")
def today() -> Any:
    """Return the deals in each hour of today, in the server's time zone."""
    services = context()
    now = datetime.datetime.fromtimestamp(services.database.now()).astimezone()
    if services.hours_of != (services.store.current, now.date()):
        with services.public_reads:
            _update_hours(services, now.date())
    return {"date": now.date().isoformat(), "hour": now.hour, "hours": services.hours}


def _update_hours(services: Context, date: datetime.date) -> None:
    key = (services.store.current, date)
    if services.hours_of == key:
        return  # updated by another request
    hours = [0] * 24
    for at in services.database.deals(*day_of(date)):
        hours[datetime.datetime.fromtimestamp(at).hour] += 1  # noqa: DTZ006 - the server's zone
    services.hours, services.hours_of = hours, key


@api.get("/rounds")
def past_rounds() -> Any:
    return read_rounds(context())


def read_rounds(services: Context) -> dict[str, Any]:
    """Return the newest completed rounds and the changes of the current round.

    The result is cached until the next change, so that it does not wait for readers of the history.
    """
    if services.rounds_of != services.store.current:
        with services.public_reads:
            _update_rounds(services)
    return services.rounds


def _update_rounds(services: Context) -> None:
    now = services.store.current
    if services.rounds_of == now:
        return  # updated by another request
    for number in ROUND_EVENTS:
        after = max(0, now.seq - number)
        events = services.database.events_after(after, now.seq - after, lane="public")
        completed, current = rounds(events, now)
        if after == 0 or len(completed) >= MAX_ROUNDS:
            break
    services.rounds = {
        "seq": now.seq,
        "rounds": [each._asdict() for each in completed[-MAX_ROUNDS:]],
        "current": [{"at": event.at, "made": event.goal - event.count} for event in current],
    }
    services.rounds_of = now


@api.get("/openapi.json")
def openapi() -> Any:
    """Return the OpenAPI description of the API.

    The responses that all changes have in common are defined once in the file and inserted here.
    """
    described = flask.json.loads((Path(__file__).parent / "openapi.json").read_text())
    described["info"]["version"] = context().version
    changed = described["components"].pop("x-changed")
    for path in described["paths"].values():
        for operation in path.values():
            if "$ref" in operation["responses"]:
                operation["responses"] = changed
    return described


@api.errorhandler(ApiError)
def reject(error: ApiError) -> Any:
    return error_response(error.status, error.code, error.message)


def error_response(status: int, code: str, message: str) -> flask.Response:
    """Return an error response in the format of the API."""
    context().metrics.reject(code)
    response = flask.jsonify({"error": {"code": code, "message": message}})
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer, Basic"
    if status == 503:
        response.headers["Retry-After"] = "2"
    return response


def http_error(error: HTTPException) -> flask.Response:
    """Return an HTTP error, such as an unknown path, in the format of the API."""
    code = re.sub(r"[^a-z]+", "_", error.name.lower())
    response = error_response(error.code or 500, code, error.description or error.name)
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def is_seq(seq: Any) -> bool:
    """Return whether `seq` can be the number of a change."""
    return type(seq) is int and seq >= 0


def _record(kind: str, site: str | None = None, **argument: Any) -> Any:
    """Record a change and return the resulting count."""
    _check_token()
    headers = flask.request.headers
    name = "Idempotency-Key" if "Idempotency-Key" in headers else "webhook-id"
    key = headers.get(name)
    if key is not None and not is_key(key):
        raise ApiError(400, "invalid_key", f"{name}: expected 1 to 64 printable ASCII characters")
    source = f"api@{site}" if site else "api"
    try:
        result = context().store.submit(Change(kind, source, key=key, **argument))
    except Rejected as rejected:
        status = 400 if rejected.code == "invalid_count" else 409
        raise ApiError(status, rejected.code, rejected.message) from None
    return result.event.as_count(), 200 if result.replayed else 201


def _check_token() -> None:
    given = authorization_token(flask.request.headers.get("Authorization", ""))
    if not is_token(context().settings.api_token, given):
        raise ApiError(401, "unauthorized", "Authorization: expected Bearer or Basic with the API token")


def _body() -> Any:
    """Return the parsed JSON body of the request, or None if it has no body."""
    raw = flask.request.get_data()
    if not raw:
        return None
    if not flask.request.is_json:
        raise ApiError(415, "unsupported_media_type", "Content-Type: expected application/json")
    try:
        return flask.json.loads(raw)
    except (ValueError, RecursionError):
        raise ApiError(400, "invalid_json", "body: expected JSON") from None


def _number(name: str, default: int) -> int:
    text = flask.request.args.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,100}", text):
        raise ApiError(400, f"invalid_{name}", f"{name}: expected a whole number, 0 or more")
    return int(text)
