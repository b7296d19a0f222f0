"""The clients of a namespace, and broadcasts at the cost of one `send` per client."""

from collections.abc import Callable

from .outbox import Outbox
from .packets import Packet
from .session import MAX_QUEUE, Session


class Audience:
    """The clients of a namespace, and broadcasts to them.

    A session on the fast path has nothing queued for its WebSocket, so a broadcast is a single call of
    `send`. All other sessions take the slow path. A session returns to the fast path only once its queue is
    empty, which preserves the order of packets. While a client's connect is being handled, packets for it
    are held until the connect is acknowledged.
    """

    def __init__(self) -> None:
        self._fast: dict[Session, Callable[[bytes], int]] = {}
        self._slow: dict[Session, None] = {}
        self._held: dict[Session, Outbox] = {}

    def __len__(self) -> int:
        return len(self._fast) + len(self._slow)

    def begin_connect(self, session: Session) -> None:
        """Hold packets for a session until its connect is acknowledged."""
        self._held[session] = Outbox(session.engine.reserve_queued)
        session.audiences = (*session.audiences, self)  # to be notified when it closes

    def end_connect(self, session: Session, accepted: bool) -> None:
        """Send the held packets, or drop them if the connect was rejected."""
        held = self._held.pop(session, None)
        if held is None:
            return  # the session is closed
        waiting = held.take(len(held))
        if accepted:
            session.engine.heartbeat.connected(session)
            for packet in waiting:
                session.send(packet)
            session.write_state_changed()

    def place(self, session: Session) -> None:
        """Move a session to the fast or slow path, depending on its transport."""
        websocket = session.websocket
        if session in self._held:
            return
        if session.fast_path and websocket is not None:
            self._slow.pop(session, None)
            self._fast[session] = websocket.sock.send
        else:
            self._fast.pop(session, None)
            self._slow[session] = None

    def discard(self, session: Session) -> None:
        """Remove a session."""
        self._fast.pop(session, None)
        self._slow.pop(session, None)
        if (held := self._held.pop(session, None)) is not None:
            held.clear()

    def leave(self, session: Session) -> None:
        """Disconnect a session from the namespace."""
        self.discard(session)
        session.audiences = tuple(audience for audience in session.audiences if audience is not self)

    def send(self, session: Session, packet: Packet) -> None:
        """Send a packet to one session."""
        held = self._held.get(session)
        if held is None:
            session.send(packet)
        elif not held.append(packet) or len(held) > MAX_QUEUE:
            session.close("transport error")

    def broadcast(self, packet: Packet) -> None:
        """Send a packet to all clients of the namespace."""
        packet.shared = True
        frame = packet.frame
        length = len(frame)
        incomplete: list[tuple[Session, int]] = []
        clients = iter(self._fast.items())
        while True:  # the try is outside the loop, so it costs nothing per client
            try:
                for session, send in clients:
                    sent = send(frame)
                    if sent != length:
                        incomplete.append((session, sent))
                break
            except BlockingIOError:
                incomplete.append((session, 0))
            except OSError:
                incomplete.append((session, -1))
        for session in (*self._slow, *self._held):
            self.send(session, packet)
        for session, sent in incomplete:
            _send_incomplete(session, packet, sent)


def _send_incomplete(session: Session, packet: Packet, sent: int) -> None:
    """Finish sending a frame after `sent` bytes, or close the session if that is -1."""
    if session.websocket is None or session.closed:
        return
    if sent < 0:
        session.connection_lost()
    elif sent:
        session.websocket.pause_writing(packet.frame[sent:])
    else:
        session.enqueue(packet)
        session.websocket.pause_writing()
