"""Engine.IO 4 server, which handles the requests to `/socket.io/`."""

import base64
import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import engineio
import gevent

from . import packets
from .fairness import Budget, RunQueue
from .handshake import HandshakeError, handshake_response, header_tokens
from .heartbeat import CLOSE_TIMEOUT, Heartbeat
from .log_limit import RateLimit
from .packets import Packet
from .polling import Poll, read_payload, session_site_key, split_payload
from .session import MAX_INBOX, Session
from .upgrade import RejectedUpgrade, Upgrade
from .websocket import WebSocket

log = logging.getLogger(__name__)
NO_STORE = (("Cache-Control", "no-store"),)

#: Seconds within which an upgrade must complete. Behind a proxy that drops frames, it never does.
UPGRADE_TIMEOUT = 10.0
#: Seconds after which each poll during an upgrade is completed with a NOOP, limited to half of the ping
#: interval. Immediate responses would cause 48,000 polls a minute.
MAX_UPGRADE_POLL_INTERVAL = 0.3
#: Seconds from a client's probe until its poll is released, and from a poll after the upgrade until it is
#: rejected, since data sent through the WebSocket must arrive first.
RELEASE_DELAY = 0.025

reject_log = logging.getLogger(f"{__name__}.rejected")  # rate-limited, since any client can cause a line
reject_log.addFilter(RateLimit(10))

#: Maximum bytes of incomplete messages from all clients, maximum bytes of packets queued for individual
#: clients in total, and the lowest limit on the size of one client's queue.
MAX_RECEIVED, MAX_QUEUED, MIN_QUEUE_SIZE = 16 * 2**20, 32 * 2**20, 65536

Response = tuple[str, list[tuple[str, str]], bytes]


class Rejected(Exception):
    """A rejected request, with an error code and message of the Engine.IO protocol."""

    def __init__(self, code: int, message: str, status: str = "400 BAD REQUEST") -> None:
        super().__init__(message)
        self.body = json.dumps({"code": code, "message": message}).encode()
        self.status = status


class EngineServer(engineio.Server):
    """An Engine.IO server without a greenlet or a queue for idle clients.

    Args:
        max_clients: Maximum number of sessions. Further handshakes get 503.
        connect_timeout: Seconds within which a session must connect to a namespace; None disables it.
        on_reject: Called with the kind of each rejected input.
        options: Passed to `engineio.Server`.
    """

    def __init__(
        self,
        max_clients: int = 20_000,
        connect_timeout: float | None = 45.0,
        on_reject: Callable[[str], None] = lambda kind: None,
        **options: Any,
    ) -> None:
        super().__init__(**options, monitor_clients=False)
        self.max_clients = max_clients
        self.run_queue = RunQueue()
        self.heartbeat = Heartbeat(
            self.ping_interval, self.ping_timeout, connect_timeout, self.sockets, self.run_queue
        )
        #: Number of WebSockets with an open descriptor, including those that are upgrading or closing.
        self.open_websockets = 0
        #: Maximum bytes queued for one client, not counting broadcasts.
        self.max_queue_size = max(MIN_QUEUE_SIZE, 4 * self.max_http_buffer_size)
        #: Reserve bytes from the budgets for partial messages and for packets to individual clients.
        self.reserve_received, self.reserve_queued = Budget(MAX_RECEIVED).reserve, Budget(MAX_QUEUED).reserve
        self._upgrade_poll_interval = min(MAX_UPGRADE_POLL_INTERVAL, self.ping_interval / 2)
        self._on_reject = on_reject

    # --- called by python-socketio ---

    def send_packet(self, sid: str, pkt: Any) -> None:
        """Send a python-engineio packet."""
        session = self.sockets.get(sid)
        if session is not None:
            session.send(Packet(pkt.encode()))

    def send(self, sid: str, data: Any) -> None:
        """Send a message."""
        self.send_packet(sid, engineio.packet.Packet(engineio.packet.MESSAGE, data))

    def disconnect(self, sid: str | None = None) -> None:
        """Close a session, or all sessions if `sid` is None."""
        sids = list(self.sockets) if sid is None else [sid]
        for session in filter(None, map(self.sockets.get, sids)):
            session.close(self.reason.SERVER_DISCONNECT)

    def transport(self, sid: str) -> str:
        """Return `websocket` or `polling`. Raises `KeyError` for an unknown session."""
        return "websocket" if self.sockets[sid].upgraded else "polling"

    # --- requests ---

    def handle_request(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """Handle a WSGI request."""
        try:
            response = self._handle(environ, start_response)
        except HandshakeError as error:
            self.reject("handshake", str(error))
            response = ("400 BAD REQUEST", [("Sec-WebSocket-Version", "13")], str(error).encode())
        except Rejected as error:
            self.reject("request", str(error))
            retry = [("Retry-After", "5")] if error.status.startswith("503") else []
            response = (error.status, [("Content-Type", "application/json"), *retry], error.body)
        if response is None:
            return []  # the connection is detached or parked
        status, headers, body = response
        start_response(status, [*headers, *NO_STORE, *self._cors_headers(environ)])
        return [body]

    def _handle(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Response | None:
        method = environ["REQUEST_METHOD"]
        if method == "OPTIONS":
            return "200 OK", [("Content-Type", "text/plain")], b""
        try:
            query = parse_qs(environ.get("QUERY_STRING", ""), max_num_fields=20)
        except ValueError:
            raise Rejected(3, "Bad request") from None
        transport = query.get("transport", [""])[0]
        if transport not in self.transports:
            raise Rejected(0, "Transport unknown")
        upgrade = "websocket" in header_tokens(environ.get("HTTP_UPGRADE", ""))
        if "j" in query or upgrade != (transport == "websocket"):
            raise Rejected(3, "Bad request")
        if "sid" not in query:
            return self._open(environ, method, query.get("EIO", [""])[0], upgrade)
        session = self.sockets.get(query["sid"][0])
        if session is not None and session.is_expired():
            session.close("ping timeout")
            session = None
        if session is None:
            raise Rejected(1, "Session ID unknown")
        if upgrade:
            self._begin_upgrade(session, environ)
            return None
        if session.upgraded:
            gevent.sleep(RELEASE_DELAY)
            raise Rejected(3, "Bad request")
        if method == "GET":
            return self._poll(session, environ, start_response)
        if method == "POST":
            return self._post(session, environ)
        raise Rejected(2, "Bad handshake method")

    def _open(self, environ: dict[str, Any], method: str, version: str, upgrade: bool) -> Response | None:
        if method != "GET":
            raise Rejected(2, "Bad handshake method")
        if version != "4":
            raise Rejected(5, "Unsupported protocol version")
        if len(self.sockets) >= self.max_clients:
            raise Rejected(3, "Too many clients", "503 SERVICE UNAVAILABLE")
        request = environ.get("realtime.request")
        response = self._accept(environ) if upgrade else b""
        key = None if upgrade or request is None else session_site_key(request.head.headers, environ)
        session = Session(self, self.generate_id(), key)
        self.sockets[session.sid] = session
        self.handlers["connect"](session.sid, environ)
        self.heartbeat.add(session)
        log.debug("%s opened by %s", session.sid, environ.get("REMOTE_ADDR"))
        opened = self._open_packet(session, upgrade)
        if not upgrade:
            return "200 OK", [("Content-Type", "text/plain; charset=UTF-8")], opened.text.encode()
        assert request is not None
        self.open_websockets += 1
        sock, received = request.detach()
        session.websocket = WebSocket(sock, session, self.max_http_buffer_size, self.run_queue)
        session.websocket.start(response + opened.frame, received)
        return None

    def _open_packet(self, session: Session, upgrade: bool) -> Packet:
        can_upgrade = not upgrade and self.allow_upgrades and "websocket" in self.transports
        handshake = {
            "sid": session.sid,
            "upgrades": ["websocket"] if can_upgrade else [],
            "pingInterval": int(self.ping_interval * 1000),
            "pingTimeout": int(self.ping_timeout * 1000),
            "maxPayload": self.max_http_buffer_size,
        }
        return Packet("0" + json.dumps(handshake, separators=(",", ":")))

    def _accept(self, environ: dict[str, Any]) -> bytes:
        """Return the response to a handshake. Raises `HandshakeError`."""
        if "realtime.request" not in environ:
            raise HandshakeError("this server cannot upgrade: use realtime.serve()")
        return handshake_response(environ)

    def _begin_upgrade(self, session: Session, environ: dict[str, Any]) -> None:
        """Accept a WebSocket for probing. The client continues polling until that succeeds.

        A second WebSocket is accepted and immediately closed, as by the reference server.
        """
        response = self._accept(environ)
        self.open_websockets += 1
        sock, received = environ["realtime.request"].detach()
        if session.upgraded or session.probe is not None:
            rejected = WebSocket(sock, RejectedUpgrade(self), self.max_http_buffer_size, self.run_queue)
            rejected.start(response, b"")
            rejected.send_close(1000)
            gevent.spawn_later(CLOSE_TIMEOUT, rejected.abort)
            return
        upgrade = Upgrade(session)
        websocket = WebSocket(sock, upgrade, self.max_http_buffer_size, self.run_queue)
        upgrade.attach(websocket)
        gevent.spawn_later(UPGRADE_TIMEOUT, session.cancel_upgrade, websocket)
        websocket.start(response, received)

    def probe_received(self, session: Session) -> None:
        """Release the poll of a probing client soon, since the client waits for that."""
        if session.poll is not None:
            self._release_later(RELEASE_DELAY, session, session.poll)

    def _release_later(self, delay: float, session: Session, poll: Poll) -> None:
        def release() -> None:
            if session.poll is poll:
                session.release_poll()

        gevent.spawn_later(delay, release)

    def _poll(
        self, session: Session, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Response | None:
        if session.poll is not None:
            session.close(self.reason.TRANSPORT_ERROR, notify=False)
            raise Rejected(3, "Bad request")
        headers = [("Content-Type", "text/plain; charset=UTF-8")]
        if session.urgent:
            return "200 OK", headers, packets.encode_payload(session.dequeue())
        request = environ.get("realtime.request")
        if request is None:
            raise Rejected(3, "long polling needs realtime.serve()")
        start_response("200 OK", [*headers, *NO_STORE, *self._cors_headers(environ)])
        poll = Poll(request.connection, session, *request.release())
        if session.probe is not None:
            self._release_later(self._upgrade_poll_interval, session, poll)
        return None

    def _post(self, session: Session, environ: dict[str, Any]) -> Response:
        body = read_payload(environ, self.max_http_buffer_size)
        if body is None:
            session.close(self.reason.TRANSPORT_ERROR, notify=False)
            raise Rejected(3, "Payload too large", "413 CONTENT TOO LARGE")
        for text in split_payload(body):
            while session.inbox and len(session.inbox) >= MAX_INBOX:
                gevent.sleep(0.01)  # backpressure: respond when the inbox has drained
            if text[:1] not in ("1", "3", "4", "b"):  # close, pong, message, binary message
                session.close(self.reason.TRANSPORT_ERROR, notify=False)
                raise Rejected(3, "Bad request")
            session.message_received(text)
        return "200 OK", [("Content-Type", "text/html")], b"ok"

    # --- sessions ---

    def handle_message(self, session: Session, message: str | bytes) -> None:
        """Pass a client's message to Socket.IO, or close the session if it is malformed."""
        log.debug("%s < %r, %d", session.sid, message[:2], len(message))  # no content, which may be secret
        try:
            if isinstance(message, bytes):
                self.handlers["message"](session.sid, message)
            elif message[:1] == "4":
                self.handlers["message"](session.sid, message[1:])
            elif message[:1] == "b":
                self.handlers["message"](session.sid, base64.b64decode(message[1:], validate=True))
            elif message == "1":
                session.close(self.reason.CLIENT_DISCONNECT, notify=False)
            else:
                raise ValueError(f"packet of type {message[:1]!r}")
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            self.reject("packet", f"{type(error).__name__}: {error}")
            session.close(self.reason.TRANSPORT_ERROR)
        except Exception:
            log.exception("Handling a client's packet failed")
            session.close(self.reason.TRANSPORT_ERROR)

    def session_closed(self, session: Session, reason: str) -> None:
        """Remove a session and notify the application."""
        log.debug("%s closed: %s", session.sid, reason)
        self.sockets.pop(session.sid, None)
        gevent.spawn(self.handlers["disconnect"], session.sid, reason)

    def reject(self, kind: str, reason: str) -> None:
        """Count and log rejected input."""
        self._on_reject(kind)
        reject_log.warning("Rejected %s: %.200s", kind, reason)
