"""From one event to every client: encoded once, one send each, the newest wins where a client is slow."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import socketio
from socketio import packet as socketio_packet

from .client import Client
from .engine import Engine
from .packets import Packet

Connected = Callable[[str, str], None]

#: Binary attachments of one packet from a client at most.
MOST_ATTACHMENTS = 10


class Manager(socketio.Manager):
    """Keeps who is connected to what, and writes broadcasts.

    Each namespace has two dicts of clients: the direct ones, whose WebSocket has nothing queued, get a
    frame by one call of `send`; the others take the ordinary road. A client is direct again only once
    its queue is empty: that one rule keeps the order.

    Nobody is told anything before they were told that they are connected: python-socketio lets a
    broadcast overtake the acknowledgement. `connected(sid, namespace)` is called right after it, and
    what it sends comes before any later broadcast.
    """

    engine: Engine

    def __init__(self, newest_only: Collection[str] | Mapping[str, int], connected: Connected | None) -> None:
        super().__init__()
        self._newest_only = newest_only if isinstance(newest_only, Mapping) else dict.fromkeys(newest_only, 1)
        self._turns: Counter[str] = Counter()
        self._connected = connected
        self._direct: dict[str, dict[Client, Callable[[bytes], int]]] = {}
        self._others: dict[str, dict[Client, None]] = {}

    # --- who is connected ---

    def connect(self, sid: str, namespace: str) -> str:
        """Take note that a client has been told that it is connected, and greet it."""
        sid = super().connect(sid, namespace)
        client = self._client(sid, namespace)
        if client is None:  # it went while the application thought about it
            self.server._trigger_event("disconnect", namespace, sid, self.server.reason.TRANSPORT_CLOSE)
            super().disconnect(sid, namespace)
            return sid
        client.namespaces = (*client.namespaces, namespace)
        self.settle(client)
        self.server.environ.shrink(client.sid)
        if self._connected is not None:
            self._connected(sid, namespace)
        return sid

    def opened(self, client: Client) -> None:
        """A client is there, connected to nothing yet."""
        self.server.environ.shrink(client.sid)

    def disconnect(self, sid: str, namespace: str, **more: Any) -> Any:
        """Take note that a client has left a namespace."""
        client = self._client(sid, namespace)
        if client is not None:
            self._leave(client, namespace)
            client.namespaces = tuple(name for name in client.namespaces if name != namespace)
        return super().disconnect(sid, namespace, **more)

    def settle(self, client: Client) -> None:
        """Put a client where it belongs, now that its road has changed."""
        websocket = client.websocket
        client.direct = websocket is not None and websocket.idle and not client.closed
        for namespace in client.namespaces:
            direct = self._direct.setdefault(namespace, {})
            others = self._others.setdefault(namespace, {})
            if client.direct and websocket is not None:
                others.pop(client, None)
                direct[client] = websocket.raw.send
            else:
                direct.pop(client, None)
                others[client] = None

    def dropped(self, client: Client) -> None:
        """A client has ended; the application hears of it a little later."""
        for namespace in client.namespaces:
            self._leave(client, namespace)

    def size(self, namespace: str) -> int:
        """How many clients are connected to a namespace."""
        return len(self._direct.get(namespace, ())) + len(self._others.get(namespace, ()))

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        """Enter a room; the room of its own that each client has is not stored: it costs 1 kB."""
        if room != sid:
            super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """The clients of a room, or of several, that have been told that they are connected."""
        pending = self.pending_connect.get(namespace, ())
        everybody = self.rooms.get(namespace, {}).get(None, {})
        names = room if isinstance(room, (list, tuple)) else [room]
        own = {name: everybody[name] for name in names if isinstance(name, str) and name in everybody}
        rooms = [name for name in names if name not in own]
        found = dict(super().get_participants(namespace, rooms)) if rooms else {}
        yield from ((sid, eio_sid) for sid, eio_sid in (found | own).items() if sid not in pending)

    def get_rooms(self, sid: str, namespace: str) -> list[Any]:
        """The rooms that a client is in, its own among them."""
        own = [sid] if sid in self.rooms.get(namespace, {}).get(None, {}) else []
        return own + super().get_rooms(sid, namespace)

    def _client(self, sid: str, namespace: str) -> Client | None:
        return self.engine.sockets.get(self.eio_sid_from_sid(sid, namespace))

    def _leave(self, client: Client, namespace: str) -> None:
        self._direct.get(namespace, {}).pop(client, None)
        self._others.get(namespace, {}).pop(client, None)

    # --- what they are told ---

    def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        **more: Any,
    ) -> None:
        """Emit an event, as python-socketio documents it."""
        arguments = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        to = to or room
        if callback:
            self._emit_with_callback([event, *arguments], namespace, to, skip_sid, callback)
            return
        packets = self._encode([event, *arguments], namespace)
        if to is None and not skip_sid and len(packets) == 1:
            if event in self._newest_only:  # what is meant for one client is never left out
                # A packet takes the place of the one so many emits before it, if that still waits.
                self._turns[event] += 1
                packets[0].key = (namespace, event, self._turns[event] % self._newest_only[event])
                packets[0].patient = self._newest_only[event] > 1
            self._broadcast(packets[0], namespace)
            return
        for _, client in self._addressed(namespace, to, skip_sid):
            for packet in packets:
                client.send(packet)

    def _encode(self, data: list[Any], namespace: str, id: int | None = None) -> list[Packet]:
        encoded = self.server.packet_class(socketio_packet.EVENT, data, namespace, id).encode()
        if isinstance(encoded, list):  # with binary attachments
            return [Packet(part if isinstance(part, bytes) else "4" + part) for part in encoded]
        return [Packet(encoded if isinstance(encoded, bytes) else "4" + encoded)]

    def _broadcast(self, packet: Packet, namespace: str) -> None:
        frame, others = packet.frame, self._others.get(namespace)
        length = len(frame)
        stalled: list[tuple[Client, int]] = []
        clients = iter(self._direct.get(namespace, {}).items())
        while True:  # the try stands outside of the loop, so that it costs nothing a client
            try:
                for client, send in clients:
                    sent = send(frame)
                    if sent != length:
                        stalled.append((client, sent))
                break
            except BlockingIOError:
                stalled.append((client, 0))
            except OSError:
                stalled.append((client, -1))
        for client in list(others or ()):
            client.send(packet)
        for client, sent in stalled:
            self._stalled(client, packet, sent)

    @staticmethod
    def _stalled(client: Client, packet: Packet, sent: int) -> None:
        """The kernel did not take a frame, or not all of it."""
        if client.websocket is None or client.closed:
            return
        if sent < 0:
            client.websocket.lost()
        elif sent:
            client.websocket.stall(packet.frame[sent:])
        else:
            client.wait(packet)
            client.websocket.flush()

    def _emit_with_callback(
        self, data: list[Any], namespace: str, to: Any, skip: Any, callback: Callable[..., Any]
    ) -> None:
        for sid, client in self._addressed(namespace, to, skip):
            for packet in self._encode(data, namespace, self._generate_ack_id(sid, callback)):
                client.send(packet)

    def _addressed(self, namespace: str, to: Any, skip: Any) -> Iterator[tuple[str, Client]]:
        skipped = skip if isinstance(skip, list) else [skip]
        for sid, eio_sid in self.get_participants(namespace, to):
            client = self.engine.sockets.get(eio_sid)
            if client is not None and sid not in skipped:
                yield sid, client


class Server(socketio.Server):
    """python-socketio's server, which refuses what a client must not send, and says it as the protocol does.

    Flask-SocketIO makes the instance, which is then turned into this. A `ValueError` ends the client.
    """

    def get_environ(self, sid: str, namespace: str | None = None) -> Any:
        """The WSGI environ of the request that a client came with."""
        return self.environ[self.manager.eio_sid_from_sid(sid, namespace or "/")]

    def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        """Take a message; of one with attachments not more in all than of one without."""
        pending = self._binary_packet.get(eio_sid)
        if pending is not None:
            held = sum(map(len, pending.attachments)) + len(data)
            if not isinstance(data, bytes) or held > self.eio.max_http_buffer_size:
                raise ValueError("attachments that are too long, or none")
        super()._handle_eio_message(eio_sid, data)
        pending = self._binary_packet.get(eio_sid)
        if pending is not None and not 0 < pending.attachment_count <= MOST_ATTACHMENTS:
            raise ValueError(f"{pending.attachment_count} attachments")

    def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        if data is not None and not isinstance(data, dict):
            raise ValueError("a connect whose payload is no object")
        name = namespace or "/"
        problem = None
        if name not in self.handlers and name not in self.namespace_handlers and name not in self.namespaces:
            problem = "Invalid namespace"
        elif self.manager.sid_from_eio_sid(eio_sid, name):
            problem = "Already connected"
        if problem is None:
            super()._handle_connect(eio_sid, namespace, data)
            return
        refusal = self.packet_class(socketio_packet.CONNECT_ERROR, {"message": problem}, name)
        self._send_packet(eio_sid, refusal)

    def _handle_event(self, eio_sid: str, namespace: str | None, id: int | None, data: Any) -> None:
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            raise ValueError("an event without a name")
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        if not self.manager.is_connected(sid, namespace or "/"):
            raise ValueError("an event to a namespace that the client is not connected to")
        if data[0] in (*self.reserved_events, "*"):
            raise ValueError(f"the reserved event {data[0]}")
        super()._handle_event(eio_sid, namespace, id, data)

    def _handle_ack(self, eio_sid: str, namespace: str | None, id: int | None, data: Any) -> None:
        if id is None or not isinstance(data, list):
            raise ValueError("an acknowledgement without an id")
        super()._handle_ack(eio_sid, namespace, id, data)

    def _trigger_event(self, event: str, namespace: str, *arguments: Any) -> Any:
        """Call the application's handler; its errors are its own, and never the client's."""
        try:
            return super()._trigger_event(event, namespace, *arguments)
        except (ConnectionRefusedError, socketio.exceptions.ConnectionRefusedError):
            raise
        except Exception:
            self.logger.exception("The handler of %s failed", event)
            return False if event == "connect" else None
