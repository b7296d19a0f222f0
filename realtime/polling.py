"""Long polls: parked outside WSGI and answered by the broadcast, or waiting in their greenlet."""

import contextlib
import re
from typing import TYPE_CHECKING

import gevent
from gevent.event import AsyncResult

from . import packets
from .packets import Packet

if TYPE_CHECKING:
    from .engine import Engine
    from .server import Handler

_SID = re.compile(rb"[?&]sid=([^& ]+)")
_OK = packets.answer("ok")
#: Headers with which a request takes the ordinary road: `\r\n` and the name, in small letters.
_UNUSUAL = (b"\r\nupgrade:", b"\r\ntransfer-encoding:", b"\r\nexpect:", b"\r\nconnection: close")


class WaitingPoll:
    """A poll that waits in the greenlet of its request."""

    def __init__(self) -> None:
        self._packets: AsyncResult[list[Packet]] = AsyncResult()

    def answer(self, packets: list[Packet]) -> None:
        """Answer it."""
        self._packets.set(packets)

    def wait(self, seconds: float) -> list[Packet]:
        """What it is answered with. Raises `gevent.Timeout`."""
        return self._packets.get(timeout=seconds)


class ParkedPoll:
    """A poll whose connection has nothing more to do: an answer is one send to its socket."""

    __slots__ = ("_handler",)

    def __init__(self, handler: "Handler") -> None:
        self._handler = handler

    def answer(self, packets_: list[Packet]) -> None:
        """Answer it; never blocks."""
        data = packets_[0].answer if len(packets_) == 1 else packets.answer(packets.join(packets_))
        self._handler.parked = None
        socket = self._handler.socket
        if socket is None:
            return
        try:
            sent = socket._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the connection's greenlet will see it
        if sent < len(data):
            gevent.spawn(_send_rest, socket, data[sent:])


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
        if end < 0 or not found or data.find(b"transport=polling", 0, line) < 0:
            return False
        if not data.endswith(b" HTTP/1.1", 0, line):
            return False
        head = data[line:end].lower()
        client = self._engine.sockets.get(found[1].decode("latin-1"))
        if client is None or client.upgraded or client.closed or any(name in head for name in _UNUSUAL):
            return False
        if not client.same_origin(head):
            return False
        if gets:
            return self._park(handler, client, head, end)
        return self._pong(handler, client, data, head, end)

    def _park(self, handler: "Handler", client: "Client", head: bytes, end: int) -> bool:
        if client.poll is not None or client.probe is not None or b"\r\ncontent-length:" in head:
            return False
        handler.rfile.read(end + 4)
        poll = ParkedPoll(handler)
        if client.waiting:
            poll.answer(client.take())
        else:
            client.poll, handler.parked = poll, client
        return True

    def _pong(self, handler: "Handler", client: "Client", data: bytes, head: bytes, end: int) -> bool:
        if data[end + 4 :] != b"3" or b"\r\ncontent-length: 1\r" not in head + b"\r":
            return False
        handler.rfile.read(end + 5)
        client.received("3")
        handler.socket.sendall(_OK)
        return True


if TYPE_CHECKING:
    from .client import Client
