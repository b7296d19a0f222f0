"""A button that sends its presses to a remote server and queues them on disk."""

import json
import logging
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any, TypedDict
from urllib.parse import urlsplit

from gevent import event as gevent_event

from storage import Backoff, Change, Spool, Trouble, Unavailable

from .http_client import RequestFailed, load_certificates, request

log = logging.getLogger(__name__)

#: Timeout for the server's response, in seconds.
RESPONSE_TIMEOUT = 10.0
#: Seconds between attempts, and the maximum to which the delay doubles.
RETRY_DELAY, MAX_RETRY_DELAY = 0.5, 10.0
#: Maximum size of the count and of the health report as JSON, in bytes.
MAX_COUNT_SIZE, MAX_HEALTH_SIZE = 1000, 65536


class RemoteButtonStatus(TypedDict):
    """Health of a remote button. `trouble` is None if the server has accepted all presses."""

    trouble: str | None


class RemoteButton:
    """Sends presses to a server, which records each once.

    A press is stored in the spool, or in memory if that fails, and sent with its key until the server accepts
    it. The spool belongs to the server's database, regardless of the server's address.

    Args:
        url: URL of the server, with http or https.
        token: API token of the server.
        spool: Stores queued presses on disk.
        site: Site to send with each press, or None.
    """

    def __init__(self, url: str, token: str, spool: Spool, site: str | None = None) -> None:
        parts = urlsplit(url)
        self._url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        load_certificates(url)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._body = b""
        if site is not None:
            self._headers["Content-Type"] = "application/json"
            self._body = json.dumps({"site": site}).encode()
        self._spool = spool
        self._unspooled: deque[Change] = deque()
        self._accepted: set[str] = set()  # keys not yet deleted from the spool
        self._is_checked = False  # whether the spool was found to belong to the server
        self._subscribers: list[Callable[[dict[str, Any]], None]] = []
        self._pending = gevent_event.Event()
        self._trouble = Trouble("Delivery", "presses are queued")
        self._pending.set()

    def subscribe(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Call `callback` with the count after each press. It must not block."""
        self._subscribers.append(callback)

    def press(self, source: str) -> None:
        """Queue a press on disk, or in memory if that fails."""
        press = Change("press", source, key=secrets.token_hex(12))
        try:
            self._spool.add([press])
        except Unavailable as error:
            log.error("Press of %s is in memory only, spool not writable: %s", source, error)
            self._unspooled.append(press)
        self._pending.set()

    def tasks(self) -> tuple[Callable[[], None], ...]:
        """Return the functions to run, each in its own greenlet."""
        return (self._run,)

    def stop(self, timeout: float) -> None:
        """Do nothing, since presses are already on disk."""

    def _run(self) -> None:
        backoff = Backoff(RETRY_DELAY, MAX_RETRY_DELAY)
        while True:
            self._pending.wait()
            self._pending.clear()
            try:
                self._check_server()
                self._deliver()
                self._trouble.recover()
                backoff.reset()
            except (RequestFailed, Unavailable) as error:
                self._is_checked = False  # the address may refer to another server next time
                self._trouble.fail(error)
                backoff.wait()
                self._pending.set()

    def _deliver(self) -> None:
        while self._unspooled:
            self._send(self._unspooled[0])
            self._unspooled.popleft()
        for press in self._spool.waiting():
            assert press.key is not None
            if press.key not in self._accepted:
                self._send(press)
                self._accepted.add(press.key)
        if self._accepted:
            self._spool.drop(self._accepted)
            self._accepted.clear()

    def status(self) -> RemoteButtonStatus:
        """Return the health of the button."""
        return {"trouble": self._trouble.reason}

    def _check_server(self) -> None:
        """Check the token, and that the queued presses belong to the server's database.

        The request to set the goal is invalid on purpose: it changes nothing, but the token is checked.
        """
        if self._is_checked:
            return
        headers = self._headers | {"Content-Type": "application/json"}
        status, *_ = request("PUT", f"{self._url}/api/goal", b"{}", headers, RESPONSE_TIMEOUT)
        if status == 401:
            raise RequestFailed("the server rejects BUTTON_API_TOKEN; set the server's token")
        _, body, _ = request("GET", f"{self._url}/healthz", b"", {}, RESPONSE_TIMEOUT, MAX_HEALTH_SIZE)
        health = _parse(body)
        identity, version = health.get("id"), str(health.get("version"))
        if isinstance(identity, str):
            self._claim(identity)
        elif version.startswith(("1.0.", "1.1.")):  # has no ID yet
            self._is_checked = True
        else:
            raise RequestFailed("the server has no ID; is it The Button?")

    def _claim(self, identity: str) -> None:
        try:
            claimed = self._spool.claim(identity, self._url)
        except Unavailable:
            if self._spool.waiting():
                raise
            return  # no press can be sent to the wrong server; the next one repeats the check
        if not claimed:
            raise RequestFailed("queued presses belong to another server; set BUTTON_SPOOL to another file")
        self._is_checked = True

    def _send(self, press: Change) -> None:
        """Send a press. Raises `RequestFailed` if it may not have arrived."""
        headers = self._headers | {"Idempotency-Key": press.key or ""}
        status, body, _ = request(
            "POST", f"{self._url}/api/press", self._body, headers, RESPONSE_TIMEOUT, MAX_COUNT_SIZE
        )
        if status not in (200, 201):
            raise RequestFailed(f"the server responded with {status}")
        count = _parse(body)
        if not all(type(count.get(name)) is int for name in ("count", "goal", "seq")):
            raise RequestFailed("the response is not a count; is it The Button?")
        for callback in self._subscribers:
            callback(count)


def _parse(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a response. Raises `RequestFailed`."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise RequestFailed("the response is not a JSON object; is it The Button?")
    return parsed
