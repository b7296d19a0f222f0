"""A button far from its server: each press is on its own disk first, and is sent until it is answered."""

import json
import logging
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent import event as gevent_event

from storage import Change, Spool, Unavailable

from .http_client import RequestFailed, load_certificates, post

log = logging.getLogger(__name__)

#: Seconds within which the server must answer, and between attempts, doubled each time up to the second.
ANSWER_WITHIN = 10.0
AGAIN, AGAIN_AT_MOST = 0.5, 10.0
#: Bytes of a count, as JSON.
LONGEST_COUNT = 1000


class RemoteButton:
    """Sends presses to the server at `url` (http or https) with its API `token`, each once.

    `press(source)` keeps a press in `spool` and returns; `run()`, for a greenlet, sends it with its key
    until the server has answered, so that it counts once whatever the network does.
    """

    def __init__(self, url: str, token: str, spool: Spool) -> None:
        parts = urlsplit(url)
        self._url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/api/press"
        load_certificates(url)
        self._token = token
        self._spool = spool
        self._subscribers: list[Callable[[dict[str, Any]], None]] = []
        self._news = gevent_event.Event()
        self._failing: str | None = None
        self._news.set()

    def subscribe(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Call `callback` with the count that each press led to. It must not block."""
        self._subscribers.append(callback)

    def press(self, source: str) -> None:
        """Keep a press on the disk, to be sent."""
        try:
            self._spool.add([Change("press", source, key=secrets.token_hex(12))])
        except Unavailable as error:
            log.error("A press of %s is lost, for it cannot be kept: %s", source, error)
        self._news.set()

    def tasks(self) -> tuple[Callable[[], None], ...]:
        """Return what must run in a greenlet."""
        return (self._run,)

    def stop(self, timeout: float) -> None:
        """Do nothing: every press is on disk."""

    def _run(self) -> None:
        pause = AGAIN
        while True:
            self._news.wait()
            self._news.clear()
            try:
                for press in self._spool.waiting():
                    assert press.key is not None
                    count = self._send(press.key)
                    self._spool.drop([press.key])
                    for callback in self._subscribers:
                        callback(count)
                self._well()
                pause = AGAIN
            except (RequestFailed, ValueError, Unavailable) as error:
                self._ill(str(error))
                gevent.sleep(pause)
                pause = min(AGAIN_AT_MOST, pause * 2)
                self._news.set()

    def status(self) -> dict[str, Any]:
        """`trouble` None: the server has answered all presses."""
        return {"trouble": self._failing}

    def _send(self, key: str) -> dict[str, Any]:
        """Send a press; returns the count. Raises what shows that it may not have arrived."""
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": key}
        status, body = post(self._url, b"", headers, ANSWER_WITHIN, LONGEST_COUNT)
        if status not in (200, 201):
            raise RequestFailed(f"the server answers {status}")
        count: dict[str, Any] = json.loads(body)
        return count

    def _ill(self, why: str) -> None:
        if self._failing != why:
            log.error("Presses wait on this disk: %s", why)
        self._failing = why

    def _well(self) -> None:
        if self._failing:
            log.warning("The server has all presses")
        self._failing = None
