"""Engine.IO session with its queue, its transport and the upgrade to WebSocket."""

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

#: Maximum number of packets queued for a session; with more, it is closed. Newest-only events take up only
#: their configured number.
MAX_QUEUE = 256
#: Maximum number of packets in one long poll response. python-engineio's client fails with more.
MAX_PAYLOAD_PACKETS = 16
#: Maximum number of a client's messages in the queue. When it is reached, reading from its WebSocket pauses.
MAX_INBOX = 64


class Audience(Protocol):
    """Audience interface used by a session."""

    def place(self, session: "Session") -> None:
        """Update the path to a session whose transport changed, stalled or recovered."""

    def discard(self, session: "Session") -> None:
        """Remove a session."""


class SessionHeartbeat(Protocol):
    """Heartbeat interface used by a session."""

    def pong_received(self, session: "Session") -> None:
        """Record a pong."""

    def connected(self, session: "Session") -> None:
        """Cancel the connect timeout of a session that is connected or closed."""

    def flush_soon(self, session: "Session") -> None:
        """Complete the session's long poll within a fifth of a second."""

    def close_later(self, session: "Session") -> None:
        """Close the session's socket unless the peer does within a second."""


class Engine(Protocol):
    """Engine interface used by a session."""

    heartbeat: SessionHeartbeat
    run_queue: RunQueue
    open_websockets: int
    max_queue_size: int

    def reserve_received(self, size: int) -> bool:
        """Reserve `size` more bytes for partial messages. Return whether they fit."""

    def reserve_queued(self, size: int) -> bool:
        """Reserve `size` more bytes for unshared packets. Return whether they fit."""

    def handle_message(self, session: "Session", message: str | bytes) -> None:
        """Handle a client's message. May block."""

    def probe_received(self, session: "Session") -> None:
        """Handle a probe on the session's WebSocket."""

    def reject(self, kind: str, reason: str) -> None:
        """Log and count malformed input."""

    def session_closed(self, session: "Session", reason: str) -> None:
        """Remove a session and notify the application."""


class Session:
    """A client's session, used in place of python-engineio's `Socket`.

    It is also the listener of its WebSocket. Packets that cannot be sent immediately are queued in `outbox`.
    """

    __slots__ = ("_app_session", "audiences", "checked_head", "closed", "engine", "fast_path", "inbox",
                 "outbox", "poll", "poll_started_at", "pong_deadline", "probe", "sid", "site_key",
                 "websocket")  # fmt: skip

    def __init__(self, engine: Engine, sid: str, site_key: tuple[int, int] | None = None) -> None:
        self.engine = engine
        self.sid = sid
        #: Identifies requests that can use the polling fast path; None disables it.
        self.site_key = site_key
        self.checked_head = 0  # hash of the head of an eligible poll
        self.closed = False
        self.pong_deadline = 0.0  # monotonic; 0 if no pong is expected
        self.websocket: WebSocket | None = None
        self.probe: WebSocket | None = None  # during an upgrade
        self.poll: Poll | None = None
        self.poll_started_at = 0.0  # monotonic
        self.outbox: Outbox | None = None  # created when the first packet is queued
        self.inbox: deque[str | bytes] | None = None
        self.audiences: tuple[Audience, ...] = ()  # of the namespaces it is connected to
        self.fast_path = False  # broadcasts write to the WebSocket directly
        self._app_session: dict[str, Any] | None = None

    @property
    def upgraded(self) -> bool:
        """Whether the transport is WebSocket."""
        return self.websocket is not None

    @property
    def urgent(self) -> bool:
        """Whether a queued packet completes a long poll immediately."""
        return self.outbox is not None and self.outbox.urgent

    @property
    def session(self) -> dict[str, Any]:
        """The application's data for this client, which python-socketio gets and sets."""
        if self._app_session is None:
            self._app_session = {}
        return self._app_session

    @session.setter
    def session(self, session: dict[str, Any]) -> None:
        self._app_session = session

    # --- to the client ---

    def send(self, packet: Packet) -> None:
        """Send a packet now or as soon as the client can receive it. Does not block."""
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
        """Queue a packet until the client can receive it."""
        if self.outbox is None:
            self.outbox = Outbox(self.engine.reserve_queued)
        if packet.batched:
            self.engine.heartbeat.flush_soon(self)
        elif isinstance(packet.key, tuple) and self.websocket is not None:  # newest-only, not a ping
            self.outbox.drop_batched()
        fits = self.outbox.append(packet) and len(self.outbox) <= MAX_QUEUE
        if not fits or (self.outbox.size > self.engine.max_queue_size and len(self.outbox) > 1):
            self.close("transport error", notify=False)

    def complete_poll(self) -> None:
        """Send the queued packets in the pending long poll, or in the next one."""
        if self.outbox:
            self.outbox.urgent = True
            if self.poll is not None:
                self._respond(self.dequeue())

    def dequeue(self) -> list[Packet]:
        """Remove and return the queued packets that fit into one response."""
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

    def reserve(self, size: int) -> bool:
        """Reserve `size` more bytes for partial messages. Return whether they fit."""
        return self.engine.reserve_received(size)

    def message_received(self, message: str | bytes) -> None:
        """Queue a message from the client. A greenlet handles messages in order."""
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
        """Return the next queued frame, or None."""
        if not self.outbox:
            self.outbox = None
            return None
        return self.outbox.popleft().frame

    def write_state_changed(self) -> None:
        """Move the session to the fast or slow path of broadcasts."""
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
        """Close the session."""
        self.close("transport close", notify=False)

    def descriptor_closed(self) -> None:
        """Decrement the number of open WebSockets."""
        self.engine.open_websockets -= 1

    # --- upgrading and closing ---

    def is_expired(self) -> bool:
        """Return whether the pong is overdue, even if the heartbeat has not checked yet."""
        return 0.0 < self.pong_deadline <= time.monotonic()

    def complete_upgrade(self, websocket: WebSocket) -> None:
        """Switch to the probed WebSocket."""
        self.websocket, self.probe = websocket, None
        websocket.listener = self
        self.release_poll()
        self.write_state_changed()
        if self.outbox:
            websocket.pause_writing()

    def cancel_upgrade(self, websocket: WebSocket) -> None:
        """Cancel an upgrade that failed or timed out. The session stays on polling."""
        if self.probe is websocket:
            self.probe = None
            websocket.abort()

    def close(self, reason: str, notify: bool = True, code: int = 1000, final: bool = True) -> None:
        """Close the session and notify the application. Does not block. Idempotent.

        Args:
            reason: Passed to the application's disconnect handler.
            notify: Whether to close the WebSocket with a closing handshake, not just its socket.
            code: Status code of the WebSocket's close frame.
            final: Whether to send a close packet, after which python-engineio's client does not reconnect.
                Without it, the connection simply closes, and every client reconnects. A close frame alone
                would have the same effect, but websocket-client would leave its socket open.
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
        """Close the WebSocket's socket immediately."""
        if self.websocket is not None:
            self.websocket.abort()
