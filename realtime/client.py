"""One Engine.IO client: what waits for it, whichever transport it has at the moment."""

import itertools
from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Protocol

import gevent

from . import packets
from .packets import Packet

if TYPE_CHECKING:
    from .engine import Engine
    from .websocket import WebSocket

#: Packets that wait for a client at most; of an event that only its newest matters of, one counts.
MOST_WAITING = 256
#: Packets in one answer to a long poll at most: python-engineio's client gives up at more.
MOST_IN_AN_ANSWER = 16
#: Messages from a client that wait to be handled at most; then its socket is not read.
MOST_UNREAD = 64

_numbers = itertools.count()


class Poll(Protocol):
    """A long poll that waits for its answer."""

    def answer(self, packets: list[Packet]) -> None:
        """Answer it, once."""


class Client:
    """A session of Engine.IO, in python-engineio's place for its socket.

    Whatever cannot be sent at once waits in `waiting`, in the order in which it was sent; a packet with
    a key takes the place of an earlier one with the same key, at the end.
    """

    __slots__ = (
        "_origin",
        "_session",
        "asked",
        "closed",
        "direct",
        "engine",
        "namespaces",
        "poll",
        "polled",
        "probe",
        "sid",
        "unread",
        "urgent",
        "waiting",
        "websocket",
    )

    def __init__(self, engine: "Engine", sid: str, environ: dict[str, Any]) -> None:
        self.engine = engine
        self.sid = sid
        origin, host = environ.get("HTTP_ORIGIN"), environ.get("HTTP_HOST")
        # The Origin header it came with, where answers need no CORS headers; None: they do.
        self._origin = "" if origin is None else origin if origin.partition("://")[2] == host else None
        self.closed = False
        self.asked = 0.0  # when it was pinged (monotonic); 0: it has answered
        self.websocket: WebSocket | None = None  # once it has upgraded, or from the start
        self.probe: WebSocket | None = None  # while it upgrades
        self.poll: Poll | None = None
        self.polled = 0.0  # when it came (monotonic)
        self.waiting: dict[Hashable, Packet] = {}
        self.urgent = False  # whether something waits that a long poll is answered for at once
        self.unread: deque[str | bytes] | None = None
        self.namespaces: tuple[str, ...] = ()  # that it is connected to, for the manager
        self.direct = False  # whether the manager may write to its WebSocket itself
        self._session: dict[str, Any] | None = None

    @property
    def upgraded(self) -> bool:
        """Whether its transport is WebSocket."""
        return self.websocket is not None

    def same_origin(self, head: bytes) -> bool:
        """Whether a request with these headers (in small letters) is from where the client came from."""
        at = head.find(b"\r\norigin:")
        if at < 0:
            return self._origin is not None
        given = head[at + 9 :].split(b"\r\n", 1)[0].strip()
        return given == (self._origin or "").lower().encode("latin-1") != b""

    @property
    def session(self) -> dict[str, Any]:
        """The application's data of this client."""
        if self._session is None:
            self._session = {}
        return self._session

    @session.setter
    def session(self, session: dict[str, Any]) -> None:
        self._session = session

    def send(self, packet: Packet) -> None:
        """Send a packet now, or as soon as the client can take it; never blocks."""
        if self.closed:
            return
        if self.websocket is not None and self.websocket.idle:
            self.websocket.write(packet.frame)
        elif self.poll is None or self.websocket is not None:
            self.wait(packet)
        elif self.waiting or packet.patient:
            self.wait(packet)
            if self.urgent:
                self.answer_poll()
        else:
            poll, self.poll = self.poll, None
            poll.answer([packet])

    def wait(self, packet: Packet) -> None:
        """Keep a packet until the client can take it."""
        key = packet.key
        if key is None:
            key = next(_numbers)
        else:
            self.waiting.pop(key, None)
        if packet.patient:
            self.engine.heartbeat.later(self)
        else:
            self.urgent = True
            if isinstance(packet.key, tuple) and self.websocket is not None:  # no ping
                self._pass_over_patient()
        self.waiting[key] = packet
        if len(self.waiting) > MOST_WAITING:
            self.close("transport error", tell=False)

    def _pass_over_patient(self) -> None:
        """Of a client that stalls, leave the patient packets out, which the newest would come after."""
        for key in [key for key, packet in self.waiting.items() if packet.patient]:
            del self.waiting[key]

    def answer_poll(self) -> None:
        """Answer the long poll that is there with what waits; else the next one will be."""
        self.urgent = bool(self.waiting)
        if self.urgent and self.poll is not None:
            poll, self.poll = self.poll, None
            poll.answer(self.take())

    def take(self) -> list[Packet]:
        """What waits, as much as one answer may hold, which is then the caller's to deliver."""
        keys = list(itertools.islice(self.waiting, MOST_IN_AN_ANSWER))
        taken = [self.waiting.pop(key) for key in keys]
        self.urgent = bool(self.waiting)
        return taken

    def received(self, message: str | bytes) -> None:
        """Take a message of the client; may be called from the hub. Handled in order, in a greenlet."""
        if message == "3":
            self.engine.heartbeat.answered(self)
            return
        if self.unread is None:
            self.unread = deque((message,))
            gevent.spawn(self._handle)
        else:
            self.unread.append(message)
            if len(self.unread) >= MOST_UNREAD and self.websocket is not None:
                self.websocket.pause(True)

    def _handle(self) -> None:
        try:
            while self.unread and not self.closed:
                self.engine.handle_message(self, self.unread.popleft())
        finally:
            self.unread = None
            if self.websocket is not None:
                self.websocket.pause(False)

    def upgrade(self) -> None:
        """Go over to the WebSocket that was probed."""
        self.websocket, self.probe = self.probe, None
        if self.poll is not None:
            poll, self.poll = self.poll, None
            poll.answer([packets.NOOP])
        assert self.websocket is not None
        self.websocket.flush()

    def close(self, reason: str, tell: bool = True, code: int = 1000) -> None:
        """End the session: at once for the application, and politely on the wire if `tell`.

        `code` is the WebSocket's close code. Never blocks; may be called from the hub.
        """
        if self.closed:
            return
        self.closed = True
        self.engine.forget(self, reason)
        if self.poll is not None:
            poll, self.poll = self.poll, None
            poll.answer([packets.CLOSE_PACKET])
        self.waiting = {}
        if self.probe is not None:
            self.probe.cut()
        if self.websocket is not None:
            if tell and self.websocket.say_goodbye(code):
                self.engine.heartbeat.linger(self)
            else:
                self.websocket.cut()

    def cut(self) -> None:
        """Have the descriptor closed, whatever the peer does."""
        if self.websocket is not None:
            self.websocket.cut()

    def probe_expired(self, probe: "WebSocket") -> None:
        """Give an upgrade up that has taken too long; polling goes on."""
        if self.probe is probe:
            self.probe = None
            probe.cut()
