"""WebSocket frame encoding and decoding, without I/O (RFC 6455, section 5)."""

import codecs
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_OPCODES = {CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG}
_FIN, _MASKED = 0x80, 0x80
#: Maximum payload of a control frame, in bytes (section 5.5).
MAX_CONTROL_SIZE = 125

PROTOCOL_ERROR, INVALID_UTF8, MESSAGE_TOO_BIG = 1002, 1007, 1009
NO_STATUS = 1005


class FrameError(Exception):
    """A protocol violation by the peer. `code` is the status code to close with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Frame(NamedTuple):
    """An unmasked client frame. `end` is the index after its last byte in the buffer."""

    fin: bool
    opcode: int
    payload: bytes
    end: int


def encode(payload: bytes, opcode: int) -> bytes:
    """Return an unfragmented, unmasked frame."""
    length = len(payload)
    if length < 126:
        return bytes((_FIN | opcode, length)) + payload
    if length < 65536:
        return bytes((_FIN | opcode, 126)) + length.to_bytes(2, "big") + payload
    return bytes((_FIN | opcode, 127)) + length.to_bytes(8, "big") + payload


def encode_close(code: int) -> bytes:
    """Return a close frame without a reason."""
    return encode(code.to_bytes(2, "big"), CLOSE)


def decode(data: bytes, start: int, max_size: int) -> Frame | None:
    """Return the client frame that begins at `start`, or None if it is incomplete.

    Args:
        data: Bytes as received.
        start: Index of the frame's first byte.
        max_size: Maximum payload of a data frame, in bytes. Larger frames are rejected on their header.

    Raises:
        FrameError: The frame is invalid or too large.
    """
    available = len(data) - start
    if available < 2:
        return None
    first, length = data[start], data[start + 1]
    opcode = first & 0x0F
    _check_header(first, opcode, length)
    at, length = start + 2, length & 0x7F
    if length > MAX_CONTROL_SIZE:
        size = 2 if length == 126 else 8
        if available < 2 + size:
            return None
        length = int.from_bytes(data[at : at + size], "big")
        at += size
    if length > max_size:
        raise FrameError(MESSAGE_TOO_BIG, "message too big")
    end = at + 4 + length
    if len(data) < end:
        return None
    payload = _unmask(data[at : at + 4], data[at + 4 : end]) if length else b""
    return Frame(first >= _FIN, opcode, payload, end)


def _check_header(first: int, opcode: int, length: int) -> None:
    if first & 0x70:
        raise FrameError(PROTOCOL_ERROR, "reserved bit set")
    if opcode not in _OPCODES:
        raise FrameError(PROTOCOL_ERROR, "reserved opcode")
    if not length & _MASKED:
        raise FrameError(PROTOCOL_ERROR, "frame not masked")
    if opcode >= CLOSE and (first < _FIN or length & 0x7F > MAX_CONTROL_SIZE):
        raise FrameError(PROTOCOL_ERROR, "control frame fragmented or too long")


def _unmask(mask: bytes, payload: bytes) -> bytes:
    # XOR of two large integers: faster in Python than a loop over bytes.
    length = len(payload)
    repeated = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(length, "big")


def decode_text(payload: bytes | bytearray) -> str:
    """Return the text of an unfragmented message. Raises `FrameError`."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise FrameError(INVALID_UTF8, "text is not UTF-8") from None


def close_code(payload: bytes) -> int:
    """Return a close frame's status code, or `NO_STATUS`. Raises `FrameError`."""
    if not payload:
        return NO_STATUS
    code = int.from_bytes(payload[:2], "big")
    # Section 7.4, and the IANA registry for 1012 to 1014.
    if len(payload) == 1 or not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise FrameError(PROTOCOL_ERROR, "invalid close code")
    decode_text(payload[2:])
    return code


class Fragments:
    """A fragmented message (section 5.4)."""

    def __init__(self, opcode: int, max_size: int) -> None:
        self._max_size = max_size
        self._data = bytearray()
        # Incremental, so that invalid UTF-8 is detected in the frame that contains it.
        self._decoder = codecs.getincrementaldecoder("utf-8")() if opcode == TEXT else None

    def __len__(self) -> int:
        return len(self._data)

    def add(self, payload: bytes, fin: bool) -> str | bytes | None:
        """Add a frame's payload. Return the message if it is complete, else None.

        Raises `FrameError`.
        """
        self._data += payload
        if len(self._data) > self._max_size:
            raise FrameError(MESSAGE_TOO_BIG, "message too big")
        if self._decoder is not None:
            try:
                self._decoder.decode(payload, fin)
            except UnicodeDecodeError:
                raise FrameError(INVALID_UTF8, "text is not UTF-8") from None
        if not fin:
            return None
        return bytes(self._data) if self._decoder is None else decode_text(self._data)
