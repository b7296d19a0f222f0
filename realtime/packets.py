"""Outgoing Engine.IO packets, encoded once for each transport however many clients receive them."""

import base64
from collections.abc import Hashable, Iterable

from . import frames

#: Separates the packets in the body of a long poll (Engine.IO protocol 4).
SEPARATOR = "\x1e"

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nCache-Control: no-store\r\n"


class Packet:
    """An encoded Engine.IO packet: text with its type in front, or the bytes of a binary message.

    Args:
        payload: The packet as a text frame's text, or the content of a binary message.
        key: A slot in a client's queue. Of the queued packets with one key only the newest is kept.
            None: never replaced.
        batched: Whether long polls wait a little for more such packets.
    """

    __slots__ = ("_frame", "_response", "batched", "key", "payload", "shared")

    def __init__(self, payload: str | bytes, key: Hashable = None, batched: bool = False) -> None:
        self.payload = payload
        self.key = key
        self.batched = batched
        #: Whether other clients get the same object, so that another one in a queue costs no memory.
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
    """Return packets as the body of a long poll."""
    return SEPARATOR.join(packet.text for packet in packets).encode()


def http_response(body: bytes, head: bytes = _HEAD) -> bytes:
    """Return a complete HTTP response to a long poll; `head` ends before the Content-Length."""
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


CLOSE = Packet("1")
PING = Packet("2", key="ping")
PROBE_RESPONSE = Packet("3probe")
NOOP = Packet("6")
for _packet in (CLOSE, PING, PROBE_RESPONSE, NOOP):
    _packet.shared = True
