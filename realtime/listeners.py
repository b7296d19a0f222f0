"""Listening sockets and accepted connections."""

import _socket
import errno
import socket
from typing import Any

import gevent.socket
from gevent.baseserver import BaseServer

#: Size of the kernel's buffer for each direction of a connection, in bytes (the kernel doubles it). The
#: default limits are 4 MB of unsent data for a peer that does not read, and 6 MB of unread data.
SOCKET_BUFFER = 65536
#: Maximum number of connections accepted in one pass of the loop. With more, concurrent handshakes fragment
#: the heap; with fewer, a press on a new connection waits in the backlog.
MAX_ACCEPT = 64
#: The wildcard address.
EVERY_IPV4 = "0.0.0.0"  # noqa: S104
#: Errors of a kernel without IPv6, or with IPv6 disabled.
NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)
#: Maximum attempts to find a port that is free on both IPv4 and IPv6.
MAX_PORTS = 20


def bind(host: str, port: int) -> list[gevent.socket.socket]:
    """Return listening sockets for one port.

    Args:
        host: An IPv4 or IPv6 address. 0.0.0.0 also listens on all IPv6 addresses if the kernel supports IPv6,
            since many clients resolve localhost to ::1 only.
        port: The port; 0 picks one that is free on all addresses.

    Raises:
        OSError: An address cannot be bound. The address is in `filename`.
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
        # Accepted connections inherit these options.
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
    """Accept a connection. Return its plain socket and its address, or None."""
    try:
        fd, address = listener._accept()
    except BlockingIOError:
        return None
    sock = _socket.socket(listener.family, listener.type, listener.proto, fileno=fd)
    sock.setblocking(False)
    return sock, address


class Acceptor(BaseServer):
    """Accepts connections on an additional listening socket of a server.

    `handle` is called with each connection and must not block.
    """

    max_accept = MAX_ACCEPT

    def do_read(self) -> Any:
        """Accept a connection."""
        return accept(self.socket)

    def do_handle(self, *connection: Any) -> None:
        """Pass a connection and its address to the handler."""
        self._handle(*connection)
