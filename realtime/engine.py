"""Engine.IO 4, the server's side: every request to /socket.io/ is answered here."""

import base64
import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import engineio
import gevent

from . import packets
from .client import MOST_UNREAD, Client, Poll
from .heartbeat import Heartbeat
from .packets import SEPARATOR, Packet
from .polling import WaitingPoll
from .websocket import BadHandshake, WebSocket, accept_key, tokens

log = logging.getLogger(__name__)

#: Seconds that an upgrade may take: a proxy that swallows frames never ends one.
UPGRADE_WITHIN = 10.0
#: Seconds after which a poll is answered with nothing while an upgrade is under way, again and again:
#: at once would be a storm of 48,000 polls a minute.
POLL_WHILE_PROBED = 0.5
#: Seconds from the client's probe to the release of its poll, which it waits for.
RELEASE_AFTER = 0.025

Answer = tuple[str, list[tuple[str, str]], bytes]


class Refusal(Exception):
    """A request that is answered with an error, in the words of the Engine.IO protocol."""

    def __init__(self, code: int, message: str, status: str = "400 BAD REQUEST") -> None:
        super().__init__(message)
        self.body = json.dumps({"code": code, "message": message}).encode()
        self.status = status


class Engine(engineio.Server):
    """In place of python-engineio's server, whose every request holds a greenlet and a queue.

    Flask-SocketIO makes the instance; `adopt` turns it into this. `settle(client)` and
    `dropped(client)` tell the fan-out that a client's road has changed, and that it is gone; `opened(client)`
    that there is a new one.
    """

    heartbeat: Heartbeat
    settle: Callable[[Client], None]
    dropped: Callable[[Client], None]
    opened: Callable[[Client], None]
    rejected: Callable[[str, str], None]
    max_clients: int
    #: Descriptors that WebSockets hold, those that probe or come to their end among them.
    open_websockets: int

    @classmethod
    def adopt(
        cls, server: engineio.Server, max_clients: int, rejected: Callable[[str, str], None]
    ) -> "Engine":
        """Turn the server that was made for us into an Engine."""
        server.__class__ = cls
        engine: Engine = server
        engine.start_service_task = False
        engine.open_websockets = 0
        engine.max_clients = max_clients
        engine.rejected = rejected
        engine.heartbeat = Heartbeat(engine.ping_interval, engine.ping_timeout, engine.sockets)
        return engine

    # --- what python-socketio asks of it ---

    def send_packet(self, sid: str, pkt: Any) -> None:
        """Send an Engine.IO packet of python-engineio's."""
        client = self.sockets.get(sid)
        if client is not None:
            client.send(Packet(pkt.encode()))

    def send(self, sid: str, data: Any) -> None:
        """Send a message."""
        self.send_packet(sid, engineio.packet.Packet(engineio.packet.MESSAGE, data))

    def disconnect(self, sid: str | None = None) -> None:
        """End a client, or all of them."""
        for client in list(self.sockets.values()) if sid is None else [self.sockets.get(sid)]:
            if client is not None:
                client.close(self.reason.SERVER_DISCONNECT)

    def transport(self, sid: str) -> str:
        """The transport of a client."""
        return "websocket" if self.sockets[sid].upgraded else "polling"

    # --- requests ---

    def handle_request(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """Answer a request, as WSGI asks."""
        try:
            answer = self._answer(environ)
        except BadHandshake as error:
            self.rejected("handshake", str(error))
            answer = ("400 BAD REQUEST", [("Sec-WebSocket-Version", "13")], str(error).encode())
        except Refusal as refusal:
            self.rejected("request", str(refusal))
            headers = [("Content-Type", "application/json")]
            if refusal.status.startswith("503"):
                headers.append(("Retry-After", "5"))
            answer = (refusal.status, headers, refusal.body)
        if answer is None:
            return []  # the connection has become a WebSocket
        status, headers, body = answer
        start_response(status, [*headers, ("Cache-Control", "no-store"), *self._cors_headers(environ)])
        return [body]

    def _answer(self, environ: dict[str, Any]) -> Answer | None:
        method = environ["REQUEST_METHOD"]
        if method == "OPTIONS":
            return "200 OK", [("Content-Type", "text/plain")], b""
        try:
            query = parse_qs(environ.get("QUERY_STRING", ""), max_num_fields=20)
        except ValueError:
            raise Refusal(3, "Bad request") from None
        transport = query.get("transport", [""])[0]
        if transport not in self.transports:
            raise Refusal(0, "Transport unknown")
        if "j" in query:
            raise Refusal(3, "Bad request")
        upgrade = "websocket" in tokens(environ.get("HTTP_UPGRADE", ""))
        if upgrade != (transport == "websocket"):
            raise Refusal(3, "Bad request")
        if "sid" not in query:
            return self._open(environ, method, query.get("EIO", [""])[0], upgrade)
        client = self.sockets.get(query["sid"][0])
        if client is None:
            raise Refusal(1, "Session ID unknown")
        if upgrade:
            self._probe(client, environ)
            return None
        if client.upgraded:
            raise Refusal(3, "Bad request")
        if method == "GET":
            return self._poll(client, environ)
        if method == "POST":
            return self._post(client, environ)
        raise Refusal(2, "Bad handshake method")

    def _open(self, environ: dict[str, Any], method: str, version: str, upgrade: bool) -> Answer | None:
        if method != "GET":
            raise Refusal(2, "Bad handshake method")
        if version != "4":
            raise Refusal(5, "Unsupported protocol version")
        if len(self.sockets) >= self.max_clients:
            raise Refusal(3, "Too many clients", "503 SERVICE UNAVAILABLE")
        answer = self._accept(environ) if upgrade else b""
        client = Client(self, self.generate_id(), environ)
        self.sockets[client.sid] = client
        self.handlers["connect"](client.sid, environ)
        self.opened(client)
        self.heartbeat.watch(client)
        hello = Packet("0" + json.dumps(self._hello(client, upgrade), separators=(",", ":")))
        if not upgrade:
            return self._text([hello])
        raw, received = environ["realtime.connection"].detach()
        client.websocket = WebSocket(client, raw)
        client.websocket.open(answer + hello.frame, received)
        return None

    def _hello(self, client: Client, upgrade: bool) -> dict[str, Any]:
        upgrades = (
            [] if upgrade or not self.allow_upgrades or "websocket" not in self.transports else ["websocket"]
        )
        return {
            "sid": client.sid,
            "upgrades": upgrades,
            "pingInterval": int(self.ping_interval * 1000),
            "pingTimeout": int(self.ping_timeout * 1000),
            "maxPayload": self.max_http_buffer_size,
        }

    def _accept(self, environ: dict[str, Any]) -> bytes:
        """The head that answers a handshake; no extension is accepted. Raises `BadHandshake`."""
        if "realtime.connection" not in environ:
            raise BadHandshake("this server cannot upgrade; use realtime.serve")
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_key(environ)
        )

    def _probe(self, client: Client, environ: dict[str, Any]) -> None:
        """Begin an upgrade: the client goes on polling until it is sure of its WebSocket."""
        if client.upgraded or client.probe is not None:
            raise Refusal(3, "Bad request")
        answer = self._accept(environ)
        raw, received = environ["realtime.connection"].detach()
        client.probe = probe = WebSocket(client, raw)
        gevent.spawn_later(UPGRADE_WITHIN, client.probe_expired, probe)
        probe.open(answer, received)

    def probed(self, client: Client) -> None:
        """The client's probe arrived: release its poll, for it waits for that."""
        if client.poll is not None:
            gevent.spawn_later(RELEASE_AFTER, self._release, client, client.poll)

    def _release(self, client: Client, poll: Poll) -> None:
        """Answer a poll with nothing, if it still waits."""
        if client.poll is poll:
            client.poll = None
            poll.answer([packets.NOOP])

    def _poll(self, client: Client, environ: dict[str, Any]) -> Answer:
        if client.poll is not None:
            client.close(self.reason.TRANSPORT_ERROR, tell=False)
            raise Refusal(3, "Bad request")
        if client.urgent:
            return self._text(client.take())
        if "realtime.connection" not in environ:
            raise Refusal(3, "this server cannot wait; use realtime.serve")
        poll = WaitingPoll(environ["realtime.connection"].socket)
        client.poll, client.polled = poll, time.monotonic()
        if client.probe is not None:
            gevent.spawn_later(POLL_WHILE_PROBED, self._release, client, poll)
        try:
            return self._text(poll.wait(self.ping_interval + self.ping_timeout))
        except (gevent.Timeout, EOFError):
            client.close(self.reason.TRANSPORT_CLOSE, tell=False)
            raise Refusal(3, "Bad request") from None

    def _post(self, client: Client, environ: dict[str, Any]) -> Answer:
        most, raw, body = self.max_http_buffer_size, None, ""
        try:
            # Of a chunked body nobody knows the length before.
            chunked = bool(environ.get("HTTP_TRANSFER_ENCODING"))
            length = most + 1 if chunked else int(environ.get("CONTENT_LENGTH", "0"))
            if chunked or length <= most:
                raw = environ["wsgi.input"].read(length)
                body = raw.decode()
        except (ValueError, OSError):
            raw, body = b"", ""
        if raw is None or len(raw) > most:
            client.close(self.reason.TRANSPORT_ERROR, tell=False)
            raise Refusal(3, "Payload too large", "413 CONTENT TOO LARGE")
        while client.unread and len(client.unread) >= MOST_UNREAD:
            gevent.sleep(0.01)  # it gets its answer once it has been heard
        for text in body.split(SEPARATOR):
            if not self._is_message(text):
                client.close(self.reason.TRANSPORT_ERROR, tell=False)
                raise Refusal(3, "Bad request")
            client.received(text)
        return "200 OK", [("Content-Type", "text/html")], b"ok"

    @staticmethod
    def _is_message(text: str) -> bool:
        """Whether a client may send this packet by POST: a message, a pong or a close."""
        return text[:1] in ("1", "3", "4", "b")

    @staticmethod
    def _text(waiting: list[Packet]) -> Answer:
        body = packets.join(waiting).encode()
        return "200 OK", [("Content-Type", "text/plain; charset=UTF-8")], body

    # --- clients ---

    def handle_message(self, client: Client, message: str | bytes) -> None:
        """Hand a client's packet to Socket.IO; one that makes no sense ends the client alone."""
        try:
            if isinstance(message, bytes):
                self.handlers["message"](client.sid, message)
            elif message[0] == "4":
                self.handlers["message"](client.sid, message[1:])
            elif message[0] == "b":
                self.handlers["message"](client.sid, _from_base64(message[1:]))
            elif message == "1":
                client.close(self.reason.CLIENT_DISCONNECT, tell=False)
            else:
                raise ValueError(f"packet of type {message[0]!r}")
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            self.rejected("packet", f"{type(error).__name__}: {error}")
            client.close(self.reason.TRANSPORT_ERROR)
        except Exception:
            log.exception("A packet of a client could not be handled")
            client.close(self.reason.TRANSPORT_ERROR)

    def forget(self, client: Client, reason: str) -> None:
        """A client has ended: nobody writes to it any more, and the application hears of it."""
        self.sockets.pop(client.sid, None)
        self.dropped(client)
        gevent.spawn(self._tell_application, client.sid, reason)

    def _tell_application(self, sid: str, reason: str) -> None:
        self.handlers["disconnect"](sid, reason)


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
