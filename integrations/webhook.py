"""The webhook, which posts each change to another program."""

import base64
import contextlib
import hashlib
import hmac
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from gevent import event as gevent_event

from storage import Backoff, Database, Event, KeyValue, Unavailable

from .http_client import RequestFailed, load_certificates, request

log = logging.getLogger(__name__)

#: Seconds within which the receiver must respond.
RESPONSE_TIMEOUT = 10.0
#: Seconds between attempts, doubled each time up to the second.
RETRY_DELAY, MAX_RETRY_DELAY = 1.0, 60.0
#: Seconds between checks whether the server that sends has stopped.
CHECK_INTERVAL = 10.0
#: Seconds between writes of the position, for which a press may have to wait.
SAVE_INTERVAL = 5.0
#: Events of one query.
BATCH_SIZE = 100
#: Number of the advisory lock of the one server that sends.
SENDER = 0x57656248


class Webhook:
    """Posts each event in order, until the receiver responds with a 2xx.

    The position is in the database, so that a restart loses nothing. Events of the last few seconds may then
    be posted twice, with the same `webhook-id`. The first start begins with the next event.

    Args:
        url: URL of the receiver.
        secret: Key that signs requests; None: they are not signed.
        database: Where the events are.
        values: Where the position is stored.
        noun: What is counted, in the sentence for people.
    """

    def __init__(
        self, url: str, secret: str | None, database: Database, values: KeyValue, noun: str = "deal"
    ) -> None:
        self._noun = noun
        self._url = url
        load_certificates(url)
        self._key = None if secret is None else signing_key(secret)
        self._database = database
        self._values = values
        self._first = database.newest().seq  # the first start begins after it
        self._news = gevent_event.Event()
        self._seq: int | None = None  # of the last event that was sent; None: another server sends
        self._saved_seq: int | None = None
        self._delivered: deque[Event] = deque(maxlen=BATCH_SIZE)  # up to `_seq`
        self._saved_at = -SAVE_INTERVAL
        self._backoff = Backoff(RETRY_DELAY, MAX_RETRY_DELAY)
        self._trouble: str | None = None
        self._sent = 0

    def wake(self, _event: Event | None = None) -> None:
        """Check for new events. Does not block."""
        self._news.set()

    def tasks(self) -> tuple[Callable[[], None], ...]:
        """Return the function to run in a greenlet."""
        return (self._run,)

    def _run(self) -> None:
        while True:
            self._news.clear()
            try:
                self._send_all()
                self._save_sometimes()
                self._recovered()
            except (RequestFailed, Unavailable) as error:
                if self._trouble != str(error):
                    log.error("Webhook delivery failed, retrying: %s", error)
                self._trouble = str(error)
                self._backoff.wait()
                continue
            self._news.wait(timeout=CHECK_INTERVAL if self._seq == self._saved_seq else SAVE_INTERVAL)

    def stop(self, timeout: float) -> None:
        """Store the position, before the database is closed."""
        with contextlib.suppress(Unavailable):
            self._save()

    def status(self) -> dict[str, Any]:
        """Return the number of events that were accepted since the start, and warnings."""
        return {"sent": self._sent, "warnings": [self._trouble] if self._trouble else []}

    def _send_all(self) -> None:
        while self._is_sender():
            events = self._undelivered()
            if not events:
                return
            for event in events:
                if not self._is_sender():
                    break
                self._send(event)
                self._seq = event.seq
                self._delivered.append(event)
                self._sent += 1
                self._save_sometimes()
                self._recovered()

    def _undelivered(self) -> list[Event]:
        """Return the next events.

        A failover or a restored backup may have taken delivered events away, also during their delivery.
        New events get their numbers, so the position is where database and deliveries agree.
        """
        while self._delivered:
            last = self._delivered[-1]
            events = self._database.events_after(last.seq - 1, BATCH_SIZE + 1)
            if events and events[0] == last:
                return events[1:]
            self._delivered.pop()
            self._seq = min(last.seq - 1, self._database.newest().seq)
            self._saved_at = -SAVE_INTERVAL
        return self._database.events_after(self._seq or 0, BATCH_SIZE)

    def _is_sender(self) -> bool:
        """Return whether this server is the one that sends."""
        if not self._database.sole(SENDER):
            self._seq = self._saved_seq = None
            return False
        if self._seq is None:
            self._seq = self._saved_seq = self._begin()
        return True

    def _recovered(self) -> None:
        if self._trouble:
            log.warning("Webhook delivery recovered")
        self._trouble = None
        self._backoff.reset()

    def _begin(self) -> int:
        """Return the position to continue from. One beyond the newest event is of a replaced database."""
        stored = self._values.get("webhook") or self._values.set_first("webhook", str(self._first))
        seq = min(self._database.newest().seq, int(stored))
        if not self._delivered or self._delivered[-1].seq != seq:  # also if another server has sent
            self._delivered.clear()
            self._delivered.extend(self._database.events_after(seq - BATCH_SIZE, min(seq, BATCH_SIZE)))
        return seq

    def _save_sometimes(self) -> None:
        if time.monotonic() - self._saved_at >= SAVE_INTERVAL:
            self._save()

    def _save(self) -> None:
        if self._seq is not None and self._seq != self._saved_seq:
            self._values.set("webhook", str(self._seq))
            self._saved_seq, self._saved_at = self._seq, time.monotonic()

    def _send(self, event: Event) -> None:
        body = json.dumps(message(event, self._noun)).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "the-button"}
        name = f"button_{event.seq}_{round(event.at * 1000)}"
        headers |= signed(self._key, name, int(self._database.now()), body)
        status, *_ = request("POST", self._url, body, headers, RESPONSE_TIMEOUT)
        if not 200 <= status < 300:
            raise RequestFailed(f"the receiver responded with {status}")


SENTENCES = {"undo": "Undone", "reset": "Reset", "goal": "A new goal", "set": "Corrected"}


def message(event: Event, noun: str = "deal") -> dict[str, Any]:
    """Return the posted object, a sentence for chats and the event as in `/api/history`."""
    return {"text": sentence(event, noun), **event.as_history()}


def sentence(event: Event, noun: str = "deal") -> str:
    """Return a sentence about an event; `noun` is what is counted."""
    a_noun = f"{'An' if noun[0].lower() in 'aeiou' else 'A'} {noun}"
    to_go = f"{event.count} of {event.goal} to go"
    if event.kind == "press":
        if event.count == event.goal:
            return f"A new round: {to_go}."
        return f"{a_noun}! {to_go}." if event.count else f"{a_noun}! The goal of {event.goal} is reached."
    return f"{SENTENCES.get(event.kind, event.kind)}: {to_go}."


def signing_key(secret: str) -> bytes:
    """Return the key in a secret, which is its bytes, or Base64 after `whsec_`."""
    if secret.startswith("whsec_"):
        return base64.b64decode(secret.removeprefix("whsec_") + "==")
    return secret.encode("utf-8", "surrogateescape")


def signed(key: bytes | None, name: str, at: int, body: bytes) -> dict[str, str]:
    """Return the headers of the Standard Webhooks specification; `key` None: without a signature."""
    headers = {"webhook-id": name, "webhook-timestamp": str(at)}
    if key is not None:
        made = hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
        headers["webhook-signature"] = "v1," + base64.b64encode(made).decode()
    return headers
