"""Long polls: parked outside WSGI and answered by the broadcast, or waiting in their greenlet."""

import contextlib
import re
import time
from socket import MSG_PEEK
from typing import TYPE_CHECKING

import gevent
from gevent.event import AsyncResult

from . import packets
from .packets import Packet

if TYPE_CHECKING:
    from .client import Client
    from .engine import Engine
    from .server import Handler

_SID = re.compile(rb"[?&]sid=([^& ]+)")
_POLLING = re.compile(rb"[?&]transport=polling[& ]")
_OK = packets.answer("ok")
#: The header lines of a request in small letters, each with the line end before it, as `head` has them; but
#: none with which it takes the ordinary road.
_LINES = re.compile(
    rb"(?:\r\n(?!upgrade:|transfer-encoding:|expect:|connection: close)"
    rb"[!#$%&'*+.^_`|~0-9a-z-]+:[^\x00\r\n]*)+"
)


class WaitingPoll:
    """A poll that waits in the greenlet of its request; `socket` tells when the peer has given it up."""

    def __init__(self, socket: gevent.socket.socket) -> None:
        self._packets: AsyncResult[list[Packet]] = AsyncResult()
        self._socket = socket
        self._watcher = gevent.get_hub().loop.io(socket.fileno(), 1)
        self._watcher.start(self._heard)

    def answer(self, packets: list[Packet]) -> None:
        """Answer it."""
        self._packets.set(packets)

    def wait(self, seconds: float) -> list[Packet]:
        """What it is answered with. Raises `gevent.Timeout`, and `EOFError` if it was given up."""
        try:
            return self._packets.get(timeout=seconds)
        finally:
            self._watcher.stop()
            self._watcher.close()

    def _heard(self) -> None:
        self._watcher.stop()
        try:
            data = self._socket._sock.recv(1, MSG_PEEK)
        except OSError:
            data = b""
        if not data:
            self._packets.set_exception(EOFError())


class ParkedPoll:
    """A poll whose connection has nothing more to do: an answer is one send to its socket."""

    __slots__ = ("_handler", "client")

    def __init__(self, handler: "Handler", client: "Client") -> None:
        self._handler = handler
        self.client = client

    def is_waited_for(self) -> bool:
        """Whether it is still the poll that its client waits for."""
        return self.client.poll is self

    def answer(self, waiting: list[Packet]) -> None:
        """Answer it; never blocks."""
        data = waiting[0].answer if len(waiting) == 1 else packets.answer(packets.join(waiting))
        handler = self._handler
        handler.parked = None
        socket = getattr(handler, "socket", None)  # gone, once the connection has ended
        try:
            sent = socket._sock.send(data) if socket is not None else -1
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = -1
        if sent < 0:
            self.client.close("transport close", tell=False)
        elif sent < len(data):
            gevent.spawn(_send_rest, socket, data[sent:])
        handler.wait_for_request()


def _send_rest(socket: gevent.socket.socket, rest: bytes) -> None:
    with contextlib.suppress(OSError):
        socket.sendall(rest)


class FastLane:
    """Takes the two requests that make up long-polling before pywsgi parses them.

    They are a GET that polls and a POST of a pong, with the sid of a client of the same origin, all in
    one piece. Everything else takes the ordinary road.
    """

    def __init__(self, engine: "Engine", path: str) -> None:
        self._engine = engine
        self._get = b"GET %s?" % path.encode()
        self._post = b"POST %s?" % path.encode()

    def take(self, handler: "Handler", data: bytes) -> bool:
        """Take the request that `data` begins with, if it is one of them; `handler` has it buffered."""
        gets = data.startswith(self._get)
        if not gets and not data.startswith(self._post):
            return False
        end, line = data.find(b"\r\n\r\n"), data.find(b"\r\n")
        found = _SID.search(data, 0, line)
        if end < 0 or not found or not _POLLING.search(data, 0, line):
            return False
        if not data.endswith(b" HTTP/1.1", 0, line):
            return False
        head = data[line:end].lower()
        client = self._engine.sockets.get(found[1].decode("latin-1"))
        if client is None or client.upgraded or client.closed or not _LINES.fullmatch(head):
            return False
        if head.count(b"\r\nhost:") != 1 or not client.same_origin(head):
            return False
        if gets:
            return self._park(handler, client, data, head, end)
        return self._pong(handler, client, data, head, end)

    def _park(self, handler: "Handler", client: "Client", data: bytes, head: bytes, end: int) -> bool:
        if client.poll is not None or client.probe is not None or b"\r\ncontent-length:" in head:
            return False
        handler.rfile.read(end + 4)
        poll = ParkedPoll(handler, client)
        if client.urgent:
            poll.answer(client.take())
        else:
            client.poll = handler.parked = poll
            client.polled = time.monotonic()
            handler.deadline = None  # the heartbeat watches it
            handler.drained = len(data) == end + 4
        return True

    def _pong(self, handler: "Handler", client: "Client", data: bytes, head: bytes, end: int) -> bool:
        if data[end + 4 :] != b"3" or b"\r\ncontent-length: 1\r" not in head + b"\r":
            return False
        if head.count(b"\r\ncontent-length:") != 1:
            return False
        handler.rfile.read(end + 5)
        client.received("3")
        handler.socket.sendall(_OK)
        handler.wait_for_request()
        return True
