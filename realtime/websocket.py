"""WebSocket clients on the event loop: no greenlet, no buffer, no queue while nothing happens."""

import base64
import binascii
import contextlib
import hashlib
import re
import socket
from typing import Any

import gevent
from wsproto.connection import SERVER, Connection, ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from . import packets
from .client import Client

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_READ, _WRITE = 1, 2
#: Bytes that may wait in the kernel unsent: else it hides a stalled client for 20,000 counts.
NOTSENT = 2048
#: Bytes read at a time; what is longer comes in several.
CHUNK = 4096

PROTOCOL_ERROR, NOT_UTF8, TOO_BIG = 1002, 1007, 1009


class BadHandshake(Exception):
    """A request to upgrade that cannot be; the text is for a 400."""


def tokens(value: str) -> list[str]:
    """The members of a header's list, in small letters."""
    return re.split(r"[ \t,]+", value.lower())


def accept_key(environ: dict[str, Any]) -> bytes:
    """What answers the handshake's key. Raises `BadHandshake`; hixie-76 has no such key."""
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    try:
        right = len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        right = False
    if not right:
        raise BadHandshake("Sec-WebSocket-Key: expected 16 bytes in Base64")
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        raise BadHandshake("Sec-WebSocket-Version: expected 13")
    if "upgrade" not in tokens(environ.get("HTTP_CONNECTION", "")):
        raise BadHandshake("Connection: expected Upgrade")
    if environ.get("SERVER_PROTOCOL") != "HTTP/1.1" or environ["REQUEST_METHOD"] != "GET":
        raise BadHandshake("expected GET and HTTP/1.1")
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())


class WebSocket:
    """One connection, as a transport of `client`; `raw` is its plain socket, which does not block.

    `idle` says that nothing waits to be written, so that the fan-out may write straight to `raw`.
    """

    __slots__ = (
        "_control",
        "_left",
        "_parser",
        "_partial",
        "_probed",
        "_reader",
        "_rest",
        "_texts",
        "_writer",
        "client",
        "raw",
    )

    def __init__(self, client: Client, raw: socket.socket) -> None:
        self.client = client
        self.raw = raw
        self._rest: bytes | None = None  # of a frame that the kernel took only in part
        self._control: bytes | None = None  # a frame of this connection's own that goes before the client's
        self._probed = False
        self._parser: Connection | None = None
        self._partial = b""  # the beginning of a small frame, or of a frame's head
        self._left = 0  # bytes of a frame that the parser has not seen
        self._texts: list[Any] | None = None  # of a message that comes in parts, and its size
        self._writer: Any = None
        client.engine.open_websockets += 1
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT)
        self._reader = gevent.get_hub().loop.io(raw.fileno(), _READ)

    def open(self, answer: bytes, received: bytes) -> None:
        """Answer the handshake and begin; `received` is what came behind it."""
        self._reader.start(self._readable)
        self.write(answer)
        if received:
            self._feed(received)

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be written."""
        return self._rest is None

    # --- to the client ---

    def write(self, data: bytes) -> None:
        """Write a frame; only while idle. What the kernel does not take waits."""
        try:
            sent = self.raw.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.lost()
            return
        if sent < len(data):
            self.stall(data[sent:])

    def stall(self, rest: bytes) -> None:
        """Wait until the kernel takes more, with `rest` of a frame first."""
        self._rest = rest
        self.client.engine.settle(self.client)
        if self._writer is None:
            self._writer = gevent.get_hub().loop.io(self.raw.fileno(), _WRITE)
        self._writer.start(self._writable)

    def flush(self) -> None:
        """Write what waits for the client."""
        if self._rest is None:
            self.stall(b"")

    def _reply(self, frame: bytes) -> None:
        """Send a frame of this connection's own; of those that must wait, only the newest is sent."""
        if self.idle:
            self.write(frame)
        else:
            self._control = frame

    def _next(self) -> bytes | None:
        """The next frame to write, if any waits."""
        if self._control is not None:
            frame, self._control = self._control, None
            return frame
        waiting = self.client.waiting
        if self.client.websocket is not self or not waiting:  # a probe has nothing of the client's to send
            return None
        return waiting.pop(next(iter(waiting))).frame

    def _writable(self) -> None:
        client = self.client
        try:
            while rest := self._rest or self._next():
                self._rest = rest
                sent = self.raw.send(rest)
                self._rest = self._rest[sent:]
        except BlockingIOError:
            return
        except OSError:
            self.lost()
            return
        self._rest = None
        self._close_writer()
        client.engine.settle(client)

    # --- from the client ---

    def pause(self, on: bool) -> None:
        """Read no more for now, or go on."""
        if self._reader is None:
            return
        if on:
            self._reader.stop()
        elif not self._reader.active:
            self._reader.start(self._readable)

    def _readable(self) -> None:
        try:
            data = self.raw.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.lost()
        elif not self.client.closed:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Take frames: small masked text, nearly all there is, here; the rest with wsproto."""
        if self._partial:
            data, self._partial = self._partial + data, b""
        while data and self._parser is None and self._listening():
            if data[0] != packets.TEXT or len(data) < 2:
                break
            length = data[1] - 128
            if not 0 <= length < 126:
                break
            if len(data) < length + 6:
                self._partial = data
                return
            try:
                text = _unmask(data[2:6], data[6 : 6 + length]).decode()
            except UnicodeDecodeError:
                self._fail(NOT_UTF8)
                return
            data = data[6 + length :]
            self._message(text)
        if data and self._listening():
            self._parse(data)

    def _listening(self) -> bool:
        """Whether anybody still wants to know what comes."""
        return self._reader is not None and not self.client.closed

    def _parse(self, data: bytes) -> None:
        """Hand frames to wsproto, none of which announces more than a message may have."""
        while data and self._listening():
            if not self._left:
                sizes = _sizes(data)
                if sizes is None:
                    self._partial = data
                    return
                head, length = sizes
                if length > self._most():
                    self._fail(TOO_BIG)
                    return
                self._left = head + length
            piece, data = data[: self._left], data[self._left :]
            self._left -= len(piece)
            if self._parser is None:
                self._parser = Connection(SERVER)
            self._parser.receive_data(piece)
            self._take(self._parser)

    def _take(self, parser: Connection) -> None:
        for event in parser.events():
            if not self._listening():
                return
            if isinstance(event, (TextMessage, BytesMessage)):
                self._part(event)
            elif isinstance(event, Ping):
                self._reply(packets.frame(bytes(event.payload), packets.PONG))
            elif isinstance(event, CloseConnection):
                if parser.state is ConnectionState.REMOTE_CLOSING:
                    self._answer_close(event.code)
                else:
                    self._fail(event.code)
                return

    def _part(self, event: TextMessage | BytesMessage) -> None:
        """Put the parts of a message together, and no more of them than are allowed."""
        parts = self._texts or [0]
        parts[0] += len(event.data if isinstance(event, BytesMessage) else event.data.encode())
        if parts[0] > self._most():
            self._fail(TOO_BIG)
            return
        if event.data:
            parts.append(event.data)
        self._texts = None if event.message_finished else parts
        if event.message_finished:
            whole = parts[1:]
            self._message("".join(whole) if isinstance(event, TextMessage) else b"".join(whole))

    def _message(self, message: str | bytes) -> None:
        client = self.client
        if client.websocket is self:
            client.received(message)
        elif message == "2probe" and not self._probed:
            self._probed = True
            self._reply(packets.PROBED.frame)
            client.engine.probed(client)
        elif message == "5" and self._probed:
            client.upgrade()
        else:
            self._fail(PROTOCOL_ERROR)

    def _most(self) -> int:
        return self.client.engine.max_http_buffer_size

    # --- the end ---

    def _fail(self, code: int) -> None:
        if self.client.websocket is not self:
            self.say_goodbye(code)
            self.lost()
            return
        self.client.engine.rejected("frame", f"WebSocket closed with {code}")
        self.client.close("transport error", tell=True, code=code)

    def _answer_close(self, code: int) -> None:
        """The peer ends it: send its code back (1005: it gave none) and close (RFC 6455, section 5.5.1)."""
        if self.idle:
            code = 1000 if code == 1005 else code
            with contextlib.suppress(OSError):
                self.raw.send(packets.frame(code.to_bytes(2, "big"), packets.CLOSE))
        self.lost()

    def lost(self) -> None:
        """The connection is gone."""
        self.cut()
        if self.client.websocket is self:
            self.client.close("transport close", tell=False)
        else:
            self.client.probe_expired(self)

    def say_goodbye(self, code: int) -> bool:
        """Send the end and nothing more; whether the peer may now be waited for."""
        if not self.idle:
            return False
        end = packets.frame(code.to_bytes(2, "big"), packets.CLOSE)
        if self.client.websocket is self:
            end = packets.CLOSE_PACKET.frame + end
        try:
            self.raw.send(end)
            self.raw.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True

    def cut(self) -> None:
        """Close the descriptor; to be called as often as one likes."""
        if self._reader is not None:
            self._reader.stop()
            self._reader.close()
            self._reader = None
            self.client.engine.open_websockets -= 1
        self._close_writer()
        with contextlib.suppress(OSError):
            self.raw.close()

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.stop()
            self._writer.close()
            self._writer = None


def _unmask(mask: bytes, payload: bytes) -> bytes:
    """XOR with the mask, four bytes wide: as one large integer, which is quicker than a loop."""
    length = len(payload)
    long_mask = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(long_mask, "big")).to_bytes(length, "big")


def _sizes(data: bytes) -> tuple[int, int] | None:
    """The bytes of the head and of the payload of the frame that begins here; None: too little is there."""
    if len(data) < 2:
        return None
    length, wide = data[1] & 127, 0
    if length > 125:
        wide = 2 if length == 126 else 8
        if len(data) < 2 + wide:
            return None
        length = int.from_bytes(data[2 : 2 + wide], "big")
    return 2 + wide + (4 if data[1] & 128 else 0), length
