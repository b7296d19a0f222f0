"""WebSocket connections on the event loop, without a greenlet or buffer while idle."""

import contextlib
import socket
from typing import Any, Protocol

import gevent

from . import frames
from .fairness import RunQueue
from .frames import FrameError

_READ, _WRITE = 1, 2
#: Maximum unsent bytes in the kernel (TCP_NOTSENT_LOWAT). Without a limit, a stalled client is not noticed
#: for 20,000 counts.
NOTSENT_LOWAT = 2048
#: Bytes received at a time, and frames handled before yielding to others.
READ_SIZE, MAX_FRAMES = 4096, 32


class Listener(Protocol):
    """Receiver of a WebSocket's events. Its methods must not block."""

    def message_received(self, message: str | bytes) -> None:
        """Handle a complete message."""

    def reserve(self, size: int) -> bool:
        """Reserve `size` more bytes for partial messages. Return whether they fit."""

    def protocol_failed(self, error: FrameError) -> None:
        """Close the connection with the error's code after a protocol violation."""

    def connection_lost(self) -> None:
        """Handle the loss of the connection. Called once, unless `abort` was called first."""

    def next_frame(self) -> bytes | None:
        """Return the next queued frame, or None."""

    def write_state_changed(self) -> None:
        """Handle a change of `WebSocket.writable`."""

    def descriptor_closed(self) -> None:
        """Handle the closing of the socket. Called once."""


class WebSocket:
    """A WebSocket connection after the handshake.

    While `writable` is true, no data is waiting to be sent, and broadcasts can write directly to `sock`.

    Args:
        sock: A plain, non-blocking socket.
        listener: Receives the events. Can be replaced at any time.
        max_size: Maximum bytes of a message. A larger one closes the connection with 1009.
        run_queue: Schedules receiving.
    """

    __slots__ = (
        "_buffer",
        "_closing",
        "_control",
        "_fragments",
        "_paused",
        "_reader",
        "_reserved",
        "_rest",
        "_run_queue",
        "_writer",
        "listener",
        "max_size",
        "sock",
    )

    is_http = False

    def __init__(self, sock: Any, listener: Listener, max_size: int, run_queue: RunQueue) -> None:
        self._run_queue = run_queue
        self.sock = sock
        self.listener = listener
        self.max_size = max_size
        self._rest: bytes | None = None  # unsent remainder of a frame
        self._control: bytes | None = None  # a pong to send before queued frames
        self._buffer = b""  # incomplete frame
        self._fragments: frames.Fragments | None = None
        self._paused = self._closing = False
        self._reserved = 0  # bytes reported to the listener
        self._writer: Any = None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT)
        self._reader = gevent.get_hub().loop.io(sock.fileno(), _READ)

    def start(self, response: bytes, received: bytes) -> None:
        """Send the handshake response and start, with data received after the request."""
        self._reader.start(self._run_queue.report, self)
        self.send(response)
        if received:
            self._feed(received)

    @property
    def writable(self) -> bool:
        """Whether no data is waiting to be sent."""
        return self._rest is None

    # --- sending ---

    def send(self, data: bytes) -> None:
        """Send a frame. Requires `writable`. An unsent remainder is sent later."""
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lost()
            return
        if sent < len(data):
            self.pause_writing(data[sent:])

    def pause_writing(self, rest: bytes = b"") -> None:
        """Send `rest` and then the listener's queue as soon as the kernel accepts data."""
        if self._rest is not None:
            return
        self._rest = rest
        self.listener.write_state_changed()
        if self._writer is None:
            self._writer = gevent.get_hub().loop.io(self.sock.fileno(), _WRITE)
        self._writer.start(self._writes)

    def _writes(self) -> None:
        try:
            while data := self._rest or self._take_control() or self.listener.next_frame():
                self._rest = data
                sent = self.sock.send(data)
                self._rest = self._rest[sent:]
        except BlockingIOError:
            return
        except OSError:
            self._lost()
            return
        self._rest = None
        self._stop_writer()
        self.listener.write_state_changed()

    def _take_control(self) -> bytes | None:
        frame, self._control = self._control, None
        return frame

    def _send_control(self, frame: bytes) -> None:
        if self.writable:
            self.send(frame)
        else:
            self._control = frame  # only the newest pong is needed (section 5.5.3)

    # --- receiving ---

    def pause_reading(self) -> None:
        """Stop receiving, so that flow control stops the peer."""
        self._paused = True
        if self._reader is not None:
            self._reader.stop()

    def resume_reading(self) -> None:
        """Receive again, beginning with buffered frames."""
        if self._reader is not None and self._paused:
            self._paused = False
            self._run_queue.call_later(self._resume_parsing)

    def receive(self) -> None:
        """Read the available data."""
        if self._reader is None or self._paused:
            return
        try:
            data = self.sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
        elif not self._closing:  # otherwise read only to detect the peer's close
            self._feed(data)

    def _resume_parsing(self) -> None:
        if self._reader is not None and not self._paused and not self._closing:
            self._feed(b"")

    def _feed(self, data: bytes) -> None:
        """Handle the frames in the received data, a limited number at a time."""
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        at, left = 0, MAX_FRAMES
        try:
            while self._reader is not None and left and not self._paused and not self._closing:
                frame = frames.decode(data, at, self.max_size)
                if frame is None:
                    break
                at = frame.end
                left -= 1
                self._handle(frame)
        except FrameError as error:
            self._closing = True
            self.listener.protocol_failed(error)
            return
        if self._reader is None:
            return
        self._buffer = data[at:]
        if not left and self._reader is not None:
            self._reader.stop()
            self._run_queue.call_later(self._resume_parsing)
        elif not self._paused and self._reader is not None and not self._reader.active:
            self._reader.start(self._run_queue.report, self)
        self._track_memory()

    def _track_memory(self) -> None:
        """Report the memory used by partial messages, and fail if none is left."""
        size = len(self._buffer) + len(self._fragments or b"")
        grown, self._reserved = size - self._reserved, size
        if grown and not self.listener.reserve(grown) and grown > 0 and self._reader is not None:
            self.listener.protocol_failed(
                FrameError(frames.MESSAGE_TOO_BIG, "no memory for partial messages")
            )

    def _handle(self, frame: frames.Frame) -> None:
        fin, opcode, payload, _ = frame
        if opcode == frames.PING:
            self._send_control(frames.encode(payload, frames.PONG))
        elif opcode == frames.CLOSE:
            self._reply_to_close(frames.close_code(payload))
        elif opcode == frames.CONTINUATION or not fin:
            self._add_fragment(fin, opcode, payload)
        elif opcode != frames.PONG:
            if self._fragments is not None:
                raise FrameError(frames.PROTOCOL_ERROR, "new message within a fragmented one")
            self.listener.message_received(frames.decode_text(payload) if opcode == frames.TEXT else payload)

    def _add_fragment(self, fin: bool, opcode: int, payload: bytes) -> None:
        if (self._fragments is None) == (opcode == frames.CONTINUATION):
            raise FrameError(frames.PROTOCOL_ERROR, "continuation frame out of place")
        if self._fragments is None:
            self._fragments = frames.Fragments(opcode, self.max_size)
        message = self._fragments.add(payload, fin)
        if fin:
            self._fragments = None
            assert message is not None
            self.listener.message_received(message)

    # --- closing ---

    def _reply_to_close(self, code: int) -> None:
        if self.writable:
            code = 1000 if code == frames.NO_STATUS else code
            with contextlib.suppress(OSError):
                self.sock.send(frames.encode_close(code))
        self._lost()

    def _lost(self) -> None:
        if self._reader is not None:
            self.abort()
            self.listener.connection_lost()

    def send_close(self, code: int, first: bytes = b"") -> bool:
        """Send `first` and a close frame, and shut down writing.

        Returns whether that succeeded, in which case the peer can have time to close the connection.
        """
        if not self.writable or self._reader is None:
            return False
        self._closing = True
        try:
            self.sock.send(first + frames.encode_close(code))
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True

    def abort(self) -> None:
        """Close the socket immediately. Idempotent."""
        if self._reader is None:
            return
        self._reader.stop()
        self._reader.close()
        self._reader = None
        self._buffer, self._fragments = b"", None
        self.listener.reserve(-self._reserved)
        self._reserved = 0
        self._stop_writer()
        with contextlib.suppress(OSError):
            self.sock.close()
        self.listener.descriptor_closed()

    def _stop_writer(self) -> None:
        if self._writer is not None:
            self._writer.stop()
            self._writer.close()
            self._writer = None
