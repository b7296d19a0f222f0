"""Webhooks, which post each change to other programs."""

import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypedDict

import gevent
from gevent import event as gevent_event

from storage import Backoff, Database, Event, KeyValue, Trouble, Unavailable

from .http_client import RequestFailed, load_certificates, request
from .webhook_message import message, retry_after, signed, signing_key
from .webhook_positions import Positions

log = logging.getLogger(__name__)

#: Timeout for the receiver's response, in seconds.
RESPONSE_TIMEOUT = 10.0
#: Seconds between attempts, and the maximum to which the delay doubles.
RETRY_DELAY, MAX_RETRY_DELAY = 1.0, 60.0
#: Seconds between checks whether the sending server has stopped.
CHECK_INTERVAL = 10.0
#: Seconds between writes of the position, which can delay a press.
SAVE_INTERVAL = 5.0
#: Maximum events per query.
BATCH_SIZE = 100
#: Advisory lock of the sending server.
SENDER_LOCK = 0x57656248


class WebhookStatus(TypedDict):
    """Number of events accepted since the start, and warnings."""

    sent: int
    warnings: list[str]


class Webhook:
    """Posts each event to every URL independently.

    Args:
        urls: URLs of the receivers.
        secret: Secret for signing requests, or None.
        database: The database to read events from.
        values: Stores the positions.
        noun: Name of a press in the message text, such as "deal".
    """

    def __init__(
        self,
        urls: Sequence[str],
        secret: str | None,
        database: Database,
        values: KeyValue,
        noun: str = "deal",
    ) -> None:
        key = None if secret is None else signing_key(secret)
        positions = Positions(values, urls, database.newest().seq)
        several = len(urls) > 1
        self._deliveries = [
            Delivery(url, f"URL {number}" if several else "", key, database, positions, noun)
            for number, url in enumerate(urls, 1)
        ]

    def wake(self, _event: Event | None = None) -> None:
        """Check for new events. Does not block."""
        for delivery in self._deliveries:
            delivery.wake()

    def tasks(self) -> tuple[Callable[[], None], ...]:
        """Return the functions to run, each in its own greenlet."""
        return tuple(delivery.run for delivery in self._deliveries)

    def stop(self, timeout: float) -> None:
        """Store the positions. Call it before the database is closed."""
        for delivery in self._deliveries:
            delivery.stop()

    def status(self) -> WebhookStatus:
        """Return the health of the deliveries."""
        return {
            "sent": sum(delivery.sent for delivery in self._deliveries),
            "warnings": [delivery.warning for delivery in self._deliveries if delivery.warning],
        }


class _Postponed(RequestFailed):
    """The receiver has requested a delay before the next attempt."""

    def __init__(self, message: str, delay: float) -> None:
        super().__init__(message)
        self.delay = delay


class _Gone(RequestFailed):
    """The receiver no longer accepts requests."""


class Delivery:
    """Posts each event to one URL in order, retrying until the response is a 2xx.

    The position is stored in the database, so that a restart loses no events. Those of the last few seconds
    may be posted twice, with the same `webhook-id`. A new URL starts with the next event. After a 410
    response, nothing is posted until the next start.

    Args:
        url: URL of the receiver.
        label: Name of the URL in log lines and warnings, empty if there is only one.
        key: Key for signing requests, or None.
        database: The database to read events from.
        positions: Stores the position.
        noun: Name of a press in the message text.
    """

    def __init__(
        self, url: str, label: str, key: bytes | None, database: Database, positions: Positions, noun: str
    ) -> None:
        load_certificates(url)
        self._url = url
        self._label, self._to = label, f" to {label}" if label else ""
        self._key = key
        self._database = database
        self._positions = positions
        self._noun = noun
        self._news = gevent_event.Event()
        self._seq: int | None = None  # of the last delivered event, or None if another server sends
        self._saved_seq: int | None = None
        self._delivered: deque[Event] = deque(maxlen=BATCH_SIZE)  # up to `_seq`
        self._saved_at = -SAVE_INTERVAL
        self._backoff = Backoff(RETRY_DELAY, MAX_RETRY_DELAY)
        self._trouble = Trouble(f"Webhook delivery{self._to}", "retrying")
        #: Number of events accepted since the start.
        self.sent = 0

    @property
    def warning(self) -> str | None:
        """The reason for a failure, or None."""
        reason = self._trouble.reason
        return f"{self._label}: {reason}" if reason and self._label else reason

    def wake(self) -> None:
        """Check for new events. Does not block."""
        self._news.set()

    def run(self) -> None:
        """Deliver events until the receiver responds with 410. Blocks."""
        while True:
            self._news.clear()
            try:
                self._send_all()
                self._save_sometimes()
                self._recovered()
            except _Gone as error:
                self._stop_for_good(error)
                return
            except (RequestFailed, Unavailable) as error:
                self._failed(error)
                continue
            self._news.wait(timeout=CHECK_INTERVAL if self._seq == self._saved_seq else SAVE_INTERVAL)

    def stop(self) -> None:
        """Store the position."""
        with contextlib.suppress(Unavailable):
            self._save()

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
                self.sent += 1
                self._save_sometimes()
                self._recovered()

    def _undelivered(self) -> list[Event]:
        """Return the next events.

        A failover or a restore may have removed delivered events, even during their delivery, and new events
        reuse their numbers. The position is then moved back to the newest delivered event in the database.
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
        """Return whether this server is the sender."""
        if not self._database.try_lock(SENDER_LOCK):
            self._seq = self._saved_seq = None
            return False
        if self._seq is None:
            self._seq = self._saved_seq = self._begin()
        return True

    def _begin(self) -> int:
        """Return the position to continue from, at most the newest event.

        The stored one is higher if the database was replaced.
        """
        seq = min(self._database.newest().seq, self._positions.load(self._url))
        if not self._delivered or self._delivered[-1].seq != seq:  # another server may have sent events
            self._delivered.clear()
            self._delivered.extend(self._database.events_after(seq - BATCH_SIZE, min(seq, BATCH_SIZE)))
        return seq

    def _save_sometimes(self) -> None:
        if time.monotonic() - self._saved_at >= SAVE_INTERVAL:
            self._save()

    def _save(self) -> None:
        if self._seq is not None and self._seq != self._saved_seq:
            self._positions.save(self._url, self._seq)
            self._saved_seq, self._saved_at = self._seq, time.monotonic()

    def _send(self, event: Event) -> None:
        body = json.dumps(message(event, self._noun)).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "the-button"}
        name, now = f"button_{event.seq}_{round(event.at * 1000)}", self._database.now()
        headers |= signed(self._key, name, int(now), body)
        response = request("POST", self._url, body, headers, RESPONSE_TIMEOUT)
        if 200 <= response.status < 300:
            return
        problem = f"the receiver responded with {response.status}"
        if response.status == 410:
            raise _Gone(f"{problem} (Gone), no more events are sent until the next start")
        delay = retry_after(response.headers.get("Retry-After"), response.headers.get("Date"), now)
        if delay is not None:
            raise _Postponed(problem, delay)
        raise RequestFailed(problem)

    def _failed(self, error: Exception) -> None:
        """Wait until the next attempt."""
        self._trouble.fail(error)
        if isinstance(error, _Postponed):
            gevent.sleep(error.delay)
        else:
            self._backoff.wait()

    def _recovered(self) -> None:
        self._trouble.recover()
        self._backoff.reset()

    def _stop_for_good(self, error: _Gone) -> None:
        log.error(
            "Webhook delivery%s stopped: %s; remove the URL from BUTTON_WEBHOOK, or restart the server to"
            " continue with the change that was rejected",
            self._to,
            error,
        )
        self._trouble.reason = str(error)
        self.stop()
