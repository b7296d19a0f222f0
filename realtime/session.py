"""An Engine.IO session: its queue, its transport, its way from long polling to WebSocket."""

import time
from collections import deque
from typing import Any, Protocol

from . import packets
from .fairness import RunQueue
from .frames import FrameError
from .outbox import Outbox
from .packets import Packet
from .polling import Poll
from .websocket import WebSocket

#: Packets queued for a session before it is closed. Newest-only events take only their configured number.
MAX_QUEUE = 256
#: Packets in one response to a long poll: python-engineio's client fails at more.
MAX_PAYLOAD_PACKETS = 16
#: Messages of a client that wait to be handled; with more, its WebSocket is not read.
MAX_INBOX = 64


class Audience(Protocol):
    """The clients of a namespace, sorted by how a broadcast reaches them."""

    def place(self, session: "Session") -> None:
        """Note that a session's transport has changed, stalls, or no longer stalls."""

    def discard(self, session: "Session") -> None:
        """Forget a session."""


class Pulse(Protocol):
    """What a session needs of the heartbeat."""

    def pong_received(self, session: "Session") -> None:
        """Note a pong."""

    def connected(self, session: "Session") -> None:
        """Note that a session has connected to a namespace, or has ended."""

    def flush_soon(self, session: "Session") -> None:
        """Complete the session's long poll within a fifth of a second."""

    def close_later(self, session: "Session") -> None:
        """Close the session's socket unless the peer does within a second."""


class Engine(Protocol):
    """What a session needs of the engine."""

    heartbeat: Pulse
    run_queue: RunQueue
    open_websockets: int
    max_queue_size: int

    def hold_received(self, size: int) -> bool:
        """Note that partial messages of WebSockets take `size` bytes more; false: that is too much."""

    def hold_queued(self, size: int) -> bool:
        """Note that packets for single clients take `size` bytes more; false: that is too much."""

    def handle_message(self, session: "Session", message: str | bytes) -> None:
        """Handle a client's message. May block."""

    def probe_received(self, session: "Session") -> None:
        """The client has probed its WebSocket."""

    def reject(self, kind: str, reason: str) -> None:
        """Log and count malformed input."""

    def session_closed(self, session: "Session", reason: str) -> None:
        """Forget a session and notify the application."""


class Session:
    """A client, in place of python-engineio's socket; the listener of its WebSocket.

    What cannot be sent at once waits in `outbox`, in the order in which it was sent.
    """

    __slots__ = ("_app_session", "audiences", "checked_head", "closed", "engine", "fast_path", "inbox",
                 "outbox", "poll", "poll_started_at", "pong_deadline", "probe", "sid", "site_key",
                 "websocket")  # fmt: skip

    def __init__(self, engine: Engine, sid: str, site_key: tuple[int, int] | None = None) -> None:
        self.engine = engine
        self.sid = sid
        #: Which requests may take the fast path of polling; None: none may.
        self.site_key = site_key
        self.checked_head = 0  # hash of the head of a poll that was found to be such a request
        self.closed = False
        self.pong_deadline = 0.0  # monotonic; 0: no ping is unanswered
        self.websocket: WebSocket | None = None
        self.probe: WebSocket | None = None  # while upgrading
        self.poll: Poll | None = None
        self.poll_started_at = 0.0  # monotonic
        self.outbox: Outbox | None = None  # made with the first packet that waits
        self.inbox: deque[str | bytes] | None = None
        self.audiences: tuple[Audience, ...] = ()  # of the namespaces that it is connected to
        self.fast_path = False  # broadcasts write to the WebSocket directly
        self._app_session: dict[str, Any] | None = None

    @property
    def upgraded(self) -> bool:
        """Whether the transport is WebSocket."""
        return self.websocket is not None

    @property
    def urgent(self) -> bool:
        """Whether a packet that waits completes a long poll at once."""
        return self.outbox is not None and self.outbox.urgent

    @property
    def session(self) -> dict[str, Any]:
        """The application's data of this client; python-socketio reads and sets it."""
        if self._app_session is None:
            self._app_session = {}
        return self._app_session

    @session.setter
    def session(self, session: dict[str, Any]) -> None:
        self._app_session = session

    # --- to the client ---

    def send(self, packet: Packet) -> None:
        """Send a packet now, or as soon as the client can take it. Does not block."""
        if self.closed:
            return
        if self.websocket is not None:
            if self.websocket.writable:
                self.websocket.send(packet.frame)
            else:
                self.enqueue(packet)
        elif self.poll is None:
            self.enqueue(packet)
        elif self.outbox or packet.batched:
            self.enqueue(packet)
            if self.urgent:
                self.complete_poll()
        else:
            self._respond([packet])

    def enqueue(self, packet: Packet) -> None:
        """Queue a packet until the client can take it."""
        if self.outbox is None:
            self.outbox = Outbox(self.engine.hold_queued)
        if packet.batched:
            self.engine.heartbeat.flush_soon(self)
        elif isinstance(packet.key, tuple) and self.websocket is not None:  # newest-only, not a ping
            self.outbox.drop_batched()
        fits = self.outbox.append(packet) and len(self.outbox) <= MAX_QUEUE
        if not fits or (self.outbox.size > self.engine.max_queue_size and len(self.outbox) > 1):
            self.close("transport error", notify=False)

    def complete_poll(self) -> None:
        """Complete the pending long poll with the queue, which else goes out with the next poll."""
        if self.outbox:
            self.outbox.urgent = True
            if self.poll is not None:
                self._respond(self.dequeue())

    def dequeue(self) -> list[Packet]:
        """Take as many packets from the queue as one response may hold."""
        taken = self.outbox.take(MAX_PAYLOAD_PACKETS) if self.outbox is not None else []
        self.outbox = self.outbox or None
        return taken

    def _respond(self, queued: list[Packet]) -> None:
        poll, self.poll = self.poll, None
        if poll is not None and not poll.respond(queued):
            self.close("transport close", notify=False)

    def release_poll(self) -> None:
        """Complete the pending long poll with a NOOP."""
        if self.poll is not None:
            self._respond([packets.NOOP])

    # --- listener of the WebSocket ---

    def hold(self, size: int) -> bool:
        """Note that partial messages take `size` bytes more; false: that is too much."""
        return self.engine.hold_received(size)

    def message_received(self, message: str | bytes) -> None:
        """Take a message of the client. Messages are handled in order, in a greenlet."""
        if self.closed:
            return
        if message == "3":
            self.engine.heartbeat.pong_received(self)
        elif self.inbox is None:
            self.inbox = deque((message,))
            self.engine.run_queue.submit(self._handle_inbox)
        else:
            self.inbox.append(message)
            if len(self.inbox) >= MAX_INBOX and self.websocket is not None:
                self.websocket.pause_reading()

    def _handle_inbox(self) -> None:
        try:
            while self.inbox and not self.closed:
                self.engine.handle_message(self, self.inbox.popleft())
                if self.inbox:
                    self.engine.run_queue.wait()
        finally:
            self.inbox = None
            if self.websocket is not None:
                self.websocket.resume_reading()

    def next_frame(self) -> bytes | None:
        """Return the next queued frame."""
        if not self.outbox:
            self.outbox = None
            return None
        return self.outbox.popleft().frame

    def write_state_changed(self) -> None:
        """Move the session between the fast and the slow path of broadcasts."""
        if self.closed:
            return
        websocket = self.websocket
        self.fast_path = websocket is not None and websocket.writable
        for audience in self.audiences:
            audience.place(self)

    def protocol_failed(self, error: FrameError) -> None:
        """Close the session with the error's code."""
        if not self.closed:
            self.engine.reject("frame", f"{error} (closed with {error.code})")
            self.close("transport error", code=error.code)

    def connection_lost(self) -> None:
        """End the session."""
        self.close("transport close", notify=False)

    def descriptor_closed(self) -> None:
        """Count one WebSocket less."""
        self.engine.open_websockets -= 1

    # --- upgrade and end ---

    def is_expired(self) -> bool:
        """Return whether the pong is overdue; the heartbeat may not have noticed yet."""
        return 0.0 < self.pong_deadline <= time.monotonic()

    def complete_upgrade(self, websocket: WebSocket) -> None:
        """Switch to the WebSocket that was probed."""
        self.websocket, self.probe = websocket, None
        websocket.listener = self
        self.release_poll()
        self.write_state_changed()
        if self.outbox:
            websocket.pause_writing()

    def cancel_upgrade(self, websocket: WebSocket) -> None:
        """Cancel an upgrade that failed or timed out; the session stays on polling."""
        if self.probe is websocket:
            self.probe = None
            websocket.abort()

    def close(self, reason: str, notify: bool = True, code: int = 1000, final: bool = True) -> None:
        """End the session, for the application at once. Does not block. Idempotent.

        Args:
            reason: For the application's disconnect handler.
            notify: Whether to close the WebSocket with a handshake; else the socket is closed at once.
            code: Status code of the WebSocket's close frame.
            final: Whether to send a close packet, after which python-engineio's client does not reconnect.
                Without it the connection just ends, and every client reconnects. A close frame
                alone would do so, too, but websocket-client then leaves its socket open.
        """
        if self.closed:
            return
        self.closed = True
        self.engine.heartbeat.connected(self)
        for audience in self.audiences:
            audience.discard(self)
        self.engine.session_closed(self, reason)
        if self.outbox is not None:
            self.outbox.clear()
        poll, self.poll, self.outbox = self.poll, None, None
        if poll is not None:
            if final:
                poll.respond([packets.NOOP if reason == "client disconnect" else packets.CLOSE])
            else:
                poll.abort()
        if self.probe is not None:
            self.probe.abort()
        if self.websocket is not None:
            if final and notify and self.websocket.send_close(code, packets.CLOSE.frame):
                self.engine.heartbeat.close_later(self)
            else:
                self.websocket.abort()

    def abort(self) -> None:
        """Close the WebSocket's socket, whatever the peer does."""
        if self.websocket is not None:
            self.websocket.abort()
