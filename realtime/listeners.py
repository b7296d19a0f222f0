"""Listening sockets, and the connections they accept."""

import _socket
import errno
import socket
from typing import Any

import gevent.socket
from gevent.baseserver import BaseServer

#: Bytes that the kernel may buffer for a connection in each direction (it doubles the number). By default it
#: would take 4 MB to send to a peer that does not read, and 6 MB from one that is not read.
SOCKET_BUFFER = 65536
#: Connections accepted in one pass of the loop. With more, the handshakes under way at once leave freed
#: memory between what stays; with fewer, a press on a new connection waits in the backlog.
MAX_ACCEPT = 64
#: The address that means all addresses.
EVERY_IPV4 = "0.0.0.0"  # noqa: S104
#: Errors of a kernel without IPv6, or with IPv6 disabled.
NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)
#: Attempts to find a port that is free on IPv4 and IPv6.
MAX_PORTS = 20


def bind(host: str, port: int) -> list[gevent.socket.socket]:
    """Return listening sockets of one port.

    Args:
        host: An IPv4 or IPv6 address. 0.0.0.0 also listens on all IPv6 addresses, where there are any: many
            clients resolve localhost to ::1 only.
        port: The port; 0 takes one that is free on all of them.

    Raises:
        OSError: An address cannot be bound. `filename` is the address.
    """
    if host != EVERY_IPV4:
        return [_bind(host, port)]
    for _ in range(MAX_PORTS):
        listener = _bind(host, port)
        try:
            return [listener, _bind("::", listener.getsockname()[1], beside_ipv4=True)]
        except OSError as error:
            if error.errno in NO_IPV6:
                return [listener]
            listener.close()
            if port or error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, "no port is free on both IPv4 and IPv6", host)


def _bind(host: str, port: int, beside_ipv4: bool = False) -> gevent.socket.socket:
    listener = None
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = gevent.socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and beside_ipv4:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Accepted connections inherit what follows.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        listener.bind((host, port))
        listener.listen(4096)
    except OSError as error:
        if listener is not None:
            listener.close()
        error.filename = host
        raise
    return listener


def accept(listener: Any) -> Any:
    """Accept a connection, without gevent's socket around it; return it and its address, or None."""
    try:
        fd, address = listener._accept()
    except BlockingIOError:
        return None
    sock = _socket.socket(listener.family, listener.type, listener.proto, fileno=fd)
    sock.setblocking(False)
    return sock, address


class Acceptor(BaseServer):
    """Accepts connections at a further socket of a server; `handle` takes them and must not block."""

    max_accept = MAX_ACCEPT

    def do_read(self) -> Any:
        """Accept a connection."""
        return accept(self.socket)

    def do_handle(self, *connection: Any) -> None:
        """Pass a connection and its address on."""
        self._handle(*connection)
