"""ZMTP 3.0 subscriber with bounded memory (https://rfc.zeromq.org/spec/23/).

libzmq does not limit the total size of a multipart message: MAXMSGSIZE applies to each frame and RCVHWM to
complete messages, so an endless message fills the memory. Here an oversized message disconnects its
publisher, and unread messages stay in the publisher's queue.
"""

import struct
from collections.abc import Iterator

_GREETING_SIZE = 64
#: Signature, version 3.0, mechanism NULL, as-server 0.
_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
_MORE, _LONG, _COMMAND = 1, 2, 4
#: Maximum bytes of a command, such as READY with its metadata.
MAX_COMMAND_SIZE = 1024
_PUBLISHERS = (b"PUB", b"XPUB")


class ProtocolError(Exception):
    """A protocol violation or an oversized message. The text is for the log."""


def _command(name: bytes, body: bytes) -> bytes:
    data = bytes((len(name),)) + name + body
    return bytes((_COMMAND, len(data))) + data


def _property(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + struct.pack(">I", len(value)) + value


_READY = _command(b"READY", _property(b"Socket-Type", b"SUB") + _property(b"Identity", b""))
_SUBSCRIBE_ALL = b"\x00\x01\x01"


class Subscriber:
    """A connection to one publisher, without I/O.

        subscriber = Subscriber(max_frame_size=65536, max_message_size=2**20, max_frames=2)
        sock.sendall(subscriber.to_send())
        for message in subscriber.receive(sock.recv(4096)):
            ...
        sock.sendall(subscriber.to_send())

    Args:
        max_frame_size: Maximum bytes of a frame. A larger one raises `ProtocolError`.
        max_message_size: Maximum total bytes of a message. A larger one raises `ProtocolError`.
        max_frames: Maximum frames of a message to keep. One more is kept to show that there were too many.
    """

    def __init__(self, max_frame_size: int, max_message_size: int, max_frames: int) -> None:
        self._max_frame_size = max_frame_size
        self._max_message_size = max_message_size
        self._max_frames = max_frames
        self._out = [_GREETING]
        self._pong = b""  # the response to the newest PING
        self._buffer = b""
        self._greeted = False
        #: Whether the handshake is complete.
        self.ready = False
        self._frames: list[bytes] = []
        self._size = 0  # of the incomplete message, including frame headers

    def to_send(self) -> bytes:
        """Return the bytes to send."""
        out, self._out, self._pong = b"".join(self._out) + self._pong, [], b""
        return out

    def receive(self, data: bytes) -> Iterator[list[bytes]]:
        """Yield the messages completed by `data`, as lists of frames. Raises `ProtocolError`."""
        self._buffer += data
        at = 0
        if not self._greeted:
            if not self._greet():
                return
            at = _GREETING_SIZE
        try:
            while (found := self._next_frame(at)) is not None:
                flags, payload, at = found
                if flags & _COMMAND:
                    self._handle_command(payload)
                elif not self.ready:
                    raise ProtocolError("message before READY")
                elif message := self._add_frame(payload, bool(flags & _MORE)):
                    yield message
        finally:
            self._buffer = self._buffer[at:]

    def _greet(self) -> bool:
        """Check the greeting; return whether it is complete."""
        greeting = self._buffer[:_GREETING_SIZE]
        if greeting[:1] not in (b"", b"\xff") or (len(greeting) > 10 and greeting[10] < 3):
            raise ProtocolError("not ZMTP 3: expected a publisher with libzmq 4 or newer")
        if len(greeting) < _GREETING_SIZE:
            return False
        if greeting[12:32].rstrip(b"\0") != b"NULL":
            raise ProtocolError("security mechanism: expected NULL")
        self._greeted = True
        self._out.append(_READY)
        return True

    def _next_frame(self, at: int) -> tuple[int, bytes, int] | None:
        """Return flags, payload and end of the frame at `at`, or None if it is incomplete."""
        buffer = self._buffer
        if len(buffer) < at + 2:
            return None
        flags = buffer[at]
        if flags & _LONG:
            if len(buffer) < at + 9:
                return None
            size, start = int.from_bytes(buffer[at + 1 : at + 9], "big"), at + 9
        else:
            size, start = buffer[at + 1], at + 2
        if size > (MAX_COMMAND_SIZE if flags & _COMMAND else self._max_frame_size):
            raise ProtocolError("frame too large")
        if len(buffer) < start + size:
            return None
        return flags, buffer[start : start + size], start + size

    def _handle_command(self, command: bytes) -> None:
        length = command[0] if command else 0
        name, body = command[1 : 1 + length], command[1 + length :]
        if name == b"READY":
            if not any(
                b"Socket-Type\x00\x00\x00" + bytes((len(kind),)) + kind in body for kind in _PUBLISHERS
            ):
                raise ProtocolError("expected a PUB socket")
            if not self.ready:
                self.ready = True
                self._out.append(_SUBSCRIBE_ALL)
        elif name == b"PING":  # ZMTP 3.1: a time to live of two bytes, then a context to return
            self._pong = _command(b"PONG", body[2:18])
        elif name == b"ERROR":
            raise ProtocolError("the publisher reports an error")

    def _add_frame(self, payload: bytes, more: bool) -> list[bytes] | None:
        """Add a frame; return the message if it is complete."""
        self._size += len(payload) + 2
        if self._size > self._max_message_size:
            raise ProtocolError("message too large")
        if len(self._frames) <= self._max_frames:
            self._frames.append(payload)
        if more:
            return None
        message, self._frames = self._frames, []
        self._size = 0
        return message
