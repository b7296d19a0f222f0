"""Proxies that pass plain HTTP, but break WebSocket in different ways.

They open a connection to the server for each request, and read responses completely without streaming.
"""

import contextlib
import re
import socket
import subprocess
import threading
import time

from server import DEADLINE, ROOT, until

#: Behaviour of each mode. All except `reject`, `hang` and `blackhole` forward an upgrade as a plain request.
MODES = {
    "reject": "rejects each upgrade with 400",
    "hang": "never responds to an upgrade",
    "strip": "removes the headers of an upgrade",
    "http/1.0": "like strip, but delays whole responses by 100 ms and sends them as HTTP/1.0",
    "cut": "like strip, but sends 504 if a response takes longer than 5 s",
    "blackhole": "forwards the 101 and drops the frames",
}
CUT_AFTER = 5.0  # seconds
#: First byte of a WebSocket close frame.
CLOSE = 0x88


class Proxy:
    """A proxy in front of a server.

    `requests` holds the times and paths of all requests, `cancelled_upgrades` the times at which clients
    cancelled incomplete upgrades.
    """

    def __init__(self, server, mode):
        self._backend = ("127.0.0.1", server.port)
        self.mode = mode
        self.requests = []
        self.cancelled_upgrades = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self._ended = threading.Event()
        self._sockets = set()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # otherwise the thread accepts one more connection
        self._listener.close()
        for client in list(self._sockets):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        self._sockets.add(client)
        with contextlib.suppress(OSError), client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while request := read_message(client):
                head, body = request
                self.requests.append((time.monotonic(), head.split(b" ")[1].decode("latin-1")))
                if b"\r\nupgrade: websocket" in head.lower() and not self._upgrade(client, head):
                    return
                if not self._forward(client, head, body):
                    return
        self._sockets.discard(client)

    def _upgrade(self, client, head):
        """Handle an upgrade, and return whether to forward it as a plain request."""
        if self.mode == "reject":
            client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif self.mode == "hang":
            while client.recv(4096):
                pass
            self.cancelled_upgrades.append(time.monotonic())
        elif self.mode == "blackhole":
            with socket.create_connection(self._backend) as server:
                server.sendall(head + b"\r\n\r\n")
                response, _ = read_message(server)
                client.sendall(response + b"\r\n\r\n")
                while (data := client.recv(4096)) and data[0] != CLOSE:
                    pass
            self.cancelled_upgrades.append(time.monotonic())
        else:
            return True
        return False

    def _forward(self, client, head, body):
        """Forward a request and its response, and return whether to stay connected."""
        hop = (b"connection:", b"upgrade:")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(hop)]
        with socket.create_connection(self._backend) as server:
            server.sendall(b"\r\n".join([*lines, b"Connection: close", b"", body]))
            server.settimeout(CUT_AFTER if self.mode == "cut" else None)
            try:
                response = read_message(server)
            except TimeoutError:
                client.sendall(b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n")
                return True
        if response is None or self.mode == "deaf":  # deaf: the response is dropped
            return False
        head, body = response
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(hop)]
        if self.mode == "http/1.0":
            self._ended.wait(0.1)
            lines[0] = lines[0].replace(b"HTTP/1.1", b"HTTP/1.0")
            lines.append(b"Connection: close")
        client.sendall(b"\r\n".join([*lines, b"", body]))
        return self.mode != "http/1.0"


def read_message(peer):
    """Return the head and body of a request or response, or None at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = peer.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        more = peer.recv(65536)
        if not more:
            return None
        body += more
    return head, body


class Deployed:
    """The real nginx or HAProxy in front of `servers`.

    The configuration is the one in deploy/, except for ports, limits and `changes`.
    """

    def __init__(self, name, folder, servers, **changes):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        file = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg"}[name]
        text = (ROOT / "deploy" / file).read_text()
        for number in range(4):
            server = servers[number % len(servers)]
            text = text.replace(f"127.0.0.1:{8001 + number}", f"127.0.0.1:{server.port}")
        text = re.sub(r"(listen |bind :)8080", rf"\g<1>{self.port}", text)
        text = re.sub(r"worker_rlimit_nofile.*|access_log.*", "", text)
        text = re.sub(r"(maxconn|worker_connections) 40000", r"\1 4000", text)
        for key, value in changes.items():
            text = re.sub(rf"{key} \w+", f"{key} {value}", text)
        if name == "nginx":
            text = f"daemon off; pid {folder}/nginx.pid;\n" + text.replace("http {", "http { access_log off;")
        (folder / file).write_text(text)
        command = ["nginx", "-p", folder, "-e", "log", "-c"] if name == "nginx" else ["haproxy", "-f"]
        self._process = subprocess.Popen([*command, folder / file], stderr=subprocess.DEVNULL)
        until(lambda: listens(self.port), f"{name} to listen")

    def close(self):
        self._process.terminate()
        self._process.wait(DEADLINE)


def listens(port):
    with socket.socket() as probe:
        return not probe.connect_ex(("127.0.0.1", port))
