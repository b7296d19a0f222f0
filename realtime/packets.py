"""Packets on their way out: encoded once for each transport, however many clients get them."""

import base64
from collections.abc import Hashable, Iterable

#: Divides the packets of one long-polling answer (Engine.IO protocol 4).
SEPARATOR = "\x1e"
#: The opcodes of RFC 6455, with FIN set.
TEXT, BINARY, CLOSE, PONG = 0x81, 0x82, 0x88, 0x8A

_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nCache-Control: no-store\r\n"
    "Content-Length: {}\r\n\r\n"
)


class Packet:
    """An Engine.IO packet, encoded: text with its type in front, or the bytes of a binary message.

    `key`, if not None, names a slot: of the packets with the same key that wait for a slow client, only
    the newest is kept. One that is `patient` is of many: long polls are not answered for each of them.
    """

    __slots__ = ("_answer", "_frame", "key", "patient", "payload")

    def __init__(self, payload: str | bytes, key: Hashable = None, patient: bool = False) -> None:
        self.payload = payload
        self.key = key
        self.patient = patient
        self._frame: bytes | None = None
        self._answer: bytes | None = None

    @property
    def frame(self) -> bytes:
        """As a WebSocket frame."""
        if self._frame is None:
            if isinstance(self.payload, str):
                self._frame = frame(self.payload.encode(), TEXT)
            else:
                self._frame = frame(self.payload, BINARY)
        return self._frame

    @property
    def text(self) -> str:
        """As text for a long-polling answer."""
        if isinstance(self.payload, str):
            return self.payload
        return "b" + base64.b64encode(self.payload).decode()

    @property
    def answer(self) -> bytes:
        """As a whole HTTP answer to a long poll, with nothing else in it."""
        if self._answer is None:
            self._answer = answer(self.text)
        return self._answer


def frame(payload: bytes, opcode: int) -> bytes:
    """An unfragmented WebSocket frame from a server."""
    length = len(payload)
    if length < 126:
        return bytes((opcode, length)) + payload
    if length < 65536:
        return bytes((opcode, 126)) + length.to_bytes(2, "big") + payload
    return bytes((opcode, 127)) + length.to_bytes(8, "big") + payload


def join(packets: Iterable[Packet]) -> str:
    """Packets as the body of a long-polling answer."""
    return SEPARATOR.join(packet.text for packet in packets)


def answer(body: str) -> bytes:
    """A whole HTTP answer to a long poll."""
    raw = body.encode()
    return _HEAD.format(len(raw)).encode() + raw


CLOSE_PACKET = Packet("1")
PING = Packet("2", key="ping")
PROBED = Packet("3probe")
NOOP = Packet("6")
