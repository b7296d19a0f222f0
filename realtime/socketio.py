"""Socket.IO 5 server on top of the engine."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import socketio
from socketio import packet as socketio_packet

from .audience import Audience
from .engineio import EngineServer
from .environ import EnvironStore
from .packets import Packet
from .session import Session

#: Maximum number of binary attachments of a client's packet.
MAX_ATTACHMENTS = 10
#: Maximum characters of all packets waiting for attachments. Parsed, they take twenty times as much memory.
MAX_INCOMPLETE = 2**18
#: Maximum characters of a namespace sent by a client.
MAX_NAMESPACE_SIZE = 256


class BroadcastManager(socketio.Manager):
    """A python-socketio manager that emits to audiences.

    Args:
        newest_only: Maps events to the number of newest packets that are kept for a slow client.
    """

    def __init__(self, newest_only: Mapping[str, int]) -> None:
        super().__init__()
        self._newest_only = newest_only
        self._emitted: Counter[str] = Counter()
        self._audiences: dict[str, Audience] = {}
        # Flask-SocketIO's test clients, which have no session: Engine.IO sid by namespace and sid.
        self._test_clients: dict[str, dict[str, str]] = {}

    @property
    def _sessions(self) -> dict[str, Session]:
        sessions: dict[str, Session] = self.server.eio.sockets
        return sessions

    def audience(self, namespace: str) -> Audience:
        """Return the audience of a namespace."""
        audience = self._audiences.get(namespace)
        if audience is None:
            audience = self._audiences[namespace] = Audience()
        return audience

    def size(self, namespace: str) -> int:
        """Return the number of clients connected to a namespace."""
        return len(self._audiences[namespace]) if namespace in self._audiences else 0

    # --- connections ---

    def pre_connect(self, eio_sid: str, namespace: str) -> Any:
        """Register a client whose connect is being handled."""
        sid = super().pre_connect(eio_sid, namespace)
        session = self._sessions.get(eio_sid)
        if sid is not None and session is not None:
            self.audience(namespace).begin_connect(session)
        elif sid is not None:
            self._test_clients.setdefault(namespace, {})[sid] = eio_sid
        return sid

    def connect(self, sid: str, namespace: str) -> str:
        """Register a client whose connect was acknowledged."""
        sid = super().connect(sid, namespace)
        eio_sid = self.eio_sid_from_sid(sid, namespace)
        session = self._sessions.get(eio_sid)
        if session is not None:
            self.audience(namespace).end_connect(session, accepted=True)
            self.server.environ.shrink(eio_sid)
        elif eio_sid not in self.server.environ:  # it has disconnected since
            self.server._trigger_event("disconnect", namespace, sid, self.server.reason.TRANSPORT_CLOSE)
            super().disconnect(sid, namespace)
        return sid

    def disconnect(self, sid: str, namespace: str, **options: Any) -> Any:
        """Remove a client that left a namespace or was rejected."""
        session = self._sessions.get(self.eio_sid_from_sid(sid, namespace))
        if session is not None:
            self.audience(namespace).leave(session)
        self._test_clients.get(namespace, {}).pop(sid, None)
        return super().disconnect(sid, namespace, **options)

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        """Enter a room. A client's own room is not stored, which saves 1 kB."""
        if room != sid:
            super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """Yield the clients in one or more rooms as pairs of sid and Engine.IO sid."""
        everybody = self.rooms.get(namespace, {}).get(None, {})
        names = room if isinstance(room, (list, tuple)) else [room]
        own = {name: everybody[name] for name in names if isinstance(name, str) and name in everybody}
        rooms = [name for name in names if name not in own]
        found = dict(super().get_participants(namespace, rooms)) if rooms else {}
        yield from (found | own).items()

    def get_rooms(self, sid: str, namespace: str) -> list[Any]:
        """Return the rooms that a client is in, including its own."""
        own = [sid] if sid in self.rooms.get(namespace, {}).get(None, {}) else []
        return [*own, *super().get_rooms(sid, namespace)]

    # --- emitting ---

    def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        **options: Any,
    ) -> None:
        """Emit an event, as documented by python-socketio."""
        to = to or room
        arguments = [event, *(data if isinstance(data, tuple) else () if data is None else (data,))]
        if callback is None and to is None and not skip_sid and self._broadcast(event, arguments, namespace):
            return
        skipped = skip_sid if isinstance(skip_sid, list) else [skip_sid]
        encoded = self._encode(arguments, namespace) if callback is None else None
        for sid, eio_sid in list(self.get_participants(namespace, to)):
            if sid in skipped:
                continue
            session = self._sessions.get(eio_sid)
            id = None if callback is None else self._generate_ack_id(sid, callback)
            if session is None:
                self._send_unqueued(eio_sid, arguments, namespace, id)
                continue
            for packet in encoded or self._encode(arguments, namespace, id):
                self.audience(namespace).send(session, packet)

    def _broadcast(self, event: str, arguments: list[Any], namespace: str) -> bool:
        """Send an event to a whole namespace. Return False if it needs several packets."""
        packets = self._encode(arguments, namespace)
        if len(packets) > 1:
            return False
        keep = self._newest_only.get(event)
        if keep is not None:
            # The packet replaces the one from `keep` emits earlier, if that is still queued.
            self._emitted[event] += 1
            packets[0].key = (namespace, event, self._emitted[event] % keep)
            packets[0].batched = keep > 1
        self.audience(namespace).broadcast(packets[0])
        for eio_sid in list(self._test_clients.get(namespace, {}).values()):
            self._send_unqueued(eio_sid, arguments, namespace)
        return True

    def _send_unqueued(self, eio_sid: str, data: list[Any], namespace: str, id: int | None = None) -> None:
        packet = self.server.packet_class(socketio_packet.EVENT, data, namespace, id)
        self.server._send_packet(eio_sid, packet)

    def _encode(self, data: list[Any], namespace: str, id: int | None = None) -> list[Packet]:
        encoded = self.server.packet_class(socketio_packet.EVENT, data, namespace, id).encode()
        parts = encoded if isinstance(encoded, list) else [encoded]  # a list if there are binary attachments
        return [Packet(part if isinstance(part, bytes) else "4" + part) for part in parts]


class SocketIOServer(socketio.Server):
    """A python-socketio server on this engine. Protocol violations close the client."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.environ = EnvironStore()
        self._incomplete: dict[str, int] = {}  # characters of packets waiting for attachments

    def _engineio_server_class(self) -> type[EngineServer]:
        return EngineServer

    def get_environ(self, sid: str, namespace: str | None = None) -> Any:
        """Return the WSGI environ of a client's first request, or None if unknown."""
        return self.environ.get(self.manager.eio_sid_from_sid(sid, namespace or "/"))

    def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        super()._handle_eio_connect(eio_sid, environ)
        if "realtime.request" in environ:
            self.environ.shrink(eio_sid)

    def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        """Dispatch a message. Attachments count towards the maximum message size."""
        pending = self._binary_packet.get(eio_sid)
        if pending is not None:
            size = sum(map(len, pending.attachments)) + len(data)
            if not isinstance(data, bytes) or size > self.eio.max_http_buffer_size:
                raise ValueError("binary attachments too large or missing")
        super()._handle_eio_message(eio_sid, data)
        pending = self._binary_packet.get(eio_sid)
        if pending is None:
            self._incomplete.pop(eio_sid, None)
            return
        if not 0 < pending.attachment_count <= MAX_ATTACHMENTS:
            raise ValueError(f"{pending.attachment_count} attachments")
        self._incomplete.setdefault(eio_sid, len(data))
        if sum(self._incomplete.values()) > max(MAX_INCOMPLETE, self.eio.max_http_buffer_size):
            raise ValueError("too many packets waiting for attachments")

    def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        self._binary_packet.pop(eio_sid, None)
        self._incomplete.pop(eio_sid, None)
        super()._handle_eio_disconnect(eio_sid, reason)

    def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        if data is not None and not isinstance(data, dict):
            raise ValueError("CONNECT payload is not an object")
        name = namespace or "/"
        if len(name) > MAX_NAMESPACE_SIZE:  # it is echoed in the response
            raise ValueError("namespace too long")
        problem = None
        known = self.namespaces == "*" or name in self.namespaces
        if not known and name not in self.handlers and name not in self.namespace_handlers:
            problem = "Invalid namespace"
        elif self.manager.sid_from_eio_sid(eio_sid, name):
            problem = "Already connected"
        if problem is not None:
            self._reject_connect(eio_sid, name, problem)
            return
        try:
            super()._handle_connect(eio_sid, namespace, data)
        except Exception:
            self.logger.exception("The connect handler failed")
            self.manager.disconnect(self.manager.sid_from_eio_sid(eio_sid, name), name)
            self._reject_connect(eio_sid, name, "Connection rejected by server")

    def _reject_connect(self, eio_sid: str, namespace: str, problem: str) -> None:
        packet = self.packet_class(socketio_packet.CONNECT_ERROR, {"message": problem}, namespace)
        self._send_packet(eio_sid, packet)

    def _handle_event(self, eio_sid: str, namespace: str | None, id: int | None, data: Any) -> None:
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            raise ValueError("event without a name")
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        if not self.manager.is_connected(sid, namespace or "/"):
            raise ValueError("event to a namespace that the client is not connected to")
        if data[0] in (*self.reserved_events, "*"):
            raise ValueError(f"reserved event {data[0]}")
        super()._handle_event(eio_sid, namespace, id, data)

    def _handle_ack(self, eio_sid: str, namespace: str | None, id: int | None, data: Any) -> None:
        if id is None or not isinstance(data, list):
            raise ValueError("acknowledgement without an ID")
        super()._handle_ack(eio_sid, namespace, id, data)

    def _trigger_event(self, event: str, namespace: str, *arguments: Any) -> Any:
        """Call the application's handler. Log its exceptions without closing the client."""
        eio_sid = self.manager.eio_sid_from_sid(arguments[0], namespace)
        if event == "connect" or (eio_sid not in self.eio.sockets and event != "disconnect"):
            return super()._trigger_event(event, namespace, *arguments)
        try:
            return super()._trigger_event(event, namespace, *arguments)
        except Exception:
            self.logger.exception("The %s handler failed", event)
            return None
