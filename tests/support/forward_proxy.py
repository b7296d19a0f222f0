"""A proxy for outgoing requests, as in company networks."""

import base64
import contextlib
import re
import socket
import threading
from urllib.parse import urlsplit

from server import DEADLINE


class ForwardProxy:
    """Connects clients to servers, by CONNECT or requests with an absolute URL.

    `requests` holds the method and target of each forwarded request.

    Args:
        credentials: `user:password` that requests must contain. Others get 407.
    """

    def __init__(self, credentials=None):
        self.requests = []
        self._expected = credentials and "Basic " + base64.b64encode(credentials.encode()).decode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = []
        self._sockets = []
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # stops accept()
        for each in list(self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(DEADLINE)
        for each in (self._listener, *self._sockets):
            each.close()

    def _start(self, function, *arguments):
        self._threads.append(threading.Thread(target=function, args=arguments))
        self._threads[-1].start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                self._start(self._serve, client)

    def _serve(self, client):
        with contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                received = client.recv(65536)
                if not received:
                    return
                head += received
            found = re.search(rb"(?im)^proxy-authorization: (.*?)\r$", head)
            if self._expected and (found is None or found[1].decode() != self._expected):
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                client.shutdown(socket.SHUT_RDWR)
                return
            self._forward(client, head)

    def _forward(self, client, head):
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        url = urlsplit(target if "://" in target else f"//{target}")
        server = socket.create_connection((url.hostname, url.port), DEADLINE)
        self._sockets.append(server)
        self.requests.append((method, target))
        if method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = f"{url.path}?{url.query}" if url.query else url.path
            server.sendall(head.replace(target.encode(), path.encode(), 1))
        self._start(self._copy, client, server)
        self._copy(server, client)

    def _copy(self, source, sink):
        with contextlib.suppress(OSError):
            while received := source.recv(65536):
                sink.sendall(received)
            sink.shutdown(socket.SHUT_WR)
