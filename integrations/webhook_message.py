"""Body, signature and retry delay of webhook requests."""

import base64
import datetime
import email.utils
import hashlib
import hmac
import re
from typing import Any

from storage import Event

#: Bounds of the delay in Retry-After, in seconds.
MIN_RETRY_AFTER, MAX_RETRY_AFTER = 1.0, 3600.0

SENTENCES = {"undo": "Undone", "reset": "Reset", "goal": "A new goal", "set": "Corrected"}


def message(event: Event, noun: str = "deal") -> dict[str, Any]:
    """Return the JSON object for an event.

    It has a sentence for chats, the event's type and time for programs, and the fields of `/api/history`.
    """
    at = datetime.datetime.fromtimestamp(event.at, datetime.UTC)
    return {
        "type": f"button.{event.kind}",
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "text": sentence(event, noun),
        **event.as_history(),
    }


def sentence(event: Event, noun: str = "deal") -> str:
    """Return a sentence about an event, in which a press is called `noun`."""
    a_noun = f"{'An' if noun[0].lower() in 'aeiou' else 'A'} {noun}"
    to_go = f"{event.count} of {event.goal} to go"
    if event.kind == "press":
        if event.count == event.goal:
            return f"A new round: {to_go}."
        return f"{a_noun}! {to_go}." if event.count else f"{a_noun}! The goal of {event.goal} is reached."
    return f"{SENTENCES.get(event.kind, event.kind)}: {to_go}."


def signing_key(secret: str) -> bytes:
    """Return the key of a secret, which is Base64 after `whsec_` or else plain bytes."""
    if secret.startswith("whsec_"):
        return base64.b64decode(secret.removeprefix("whsec_") + "==")
    return secret.encode("utf-8", "surrogateescape")


def signed(key: bytes | None, name: str, at: int, body: bytes) -> dict[str, str]:
    """Return the headers of the Standard Webhooks specification, unsigned if `key` is None."""
    headers = {"webhook-id": name, "webhook-timestamp": str(at)}
    if key is not None:
        made = hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
        headers["webhook-signature"] = "v1," + base64.b64encode(made).decode()
    return headers


def retry_after(value: str | None, date: str | None, now: float) -> float | None:
    """Return the delay requested by a response in seconds, or None.

    Args:
        value: The Retry-After header, which is in seconds or an HTTP date.
        date: The Date header, to which a date in Retry-After is relative, since the clock of a Raspberry Pi
            can be wrong.
        now: Unix time, used if Date is missing.
    """
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        delay = float(value)
    else:
        at, sent_at = _http_date(value), _http_date(date or "")
        if at is None:
            return None
        delay = at - (now if sent_at is None else sent_at)
    return min(max(delay, MIN_RETRY_AFTER), MAX_RETRY_AFTER)


def _http_date(text: str) -> float | None:
    """Return the Unix time of an HTTP date, or None if it is malformed."""
    fields = email.utils.parsedate_tz(text)
    try:
        return None if fields is None else float(email.utils.mktime_tz(fields))
    except (ValueError, OverflowError):
        return None
