"""Outgoing Engine.IO packets, encoded once per transport for all clients."""

import base64
from collections.abc import Hashable, Iterable

from . import frames

#: Separates packets in the body of a long poll (Engine.IO protocol 4).
SEPARATOR = "\x1e"

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nCache-Control: no-store\r\n"


class Packet:
    """An encoded Engine.IO packet.

    Args:
        payload: The text, beginning with the packet type, or the bytes of a binary message.
        key: Slot in a client's queue. Only the newest queued packet with the same key is kept. A packet
            without a key is never replaced.
        batched: Whether long polls wait briefly for more packets of this kind.
    """

    __slots__ = ("_frame", "_response", "batched", "key", "payload", "shared")

    def __init__(self, payload: str | bytes, key: Hashable = None, batched: bool = False) -> None:
        self.payload = payload
        self.key = key
        self.batched = batched
        #: Whether this object is shared by several clients, so that queuing it costs no memory.
        self.shared = False
        self._frame: bytes | None = None
        self._response: bytes | None = None

    @property
    def frame(self) -> bytes:
        """The packet as a WebSocket frame."""
        if self._frame is None:
            if isinstance(self.payload, str):
                self._frame = frames.encode(self.payload.encode(), frames.TEXT)
            else:
                self._frame = frames.encode(self.payload, frames.BINARY)
        return self._frame

    @property
    def text(self) -> str:
        """The packet as text in the body of a long poll."""
        if isinstance(self.payload, str):
            return self.payload
        return "b" + base64.b64encode(self.payload).decode()

    @property
    def response(self) -> bytes:
        """The packet as the complete HTTP response to a long poll."""
        if self._response is None:
            self._response = http_response(self.text.encode())
        return self._response


def encode_payload(packets: Iterable[Packet]) -> bytes:
    """Return the body of a long poll with these packets."""
    return SEPARATOR.join(packet.text for packet in packets).encode()


def http_response(body: bytes, head: bytes = _HEAD) -> bytes:
    """Return a complete long poll response. `head` ends before the Content-Length."""
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


CLOSE = Packet("1")
PING = Packet("2", key="ping")
PROBE_RESPONSE = Packet("3probe")
NOOP = Packet("6")
for _packet in (CLOSE, PING, PROBE_RESPONSE, NOOP):
    _packet.shared = True
