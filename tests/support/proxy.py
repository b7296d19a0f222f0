"""Proxies that companies have: each passes plain HTTP and does something else to a WebSocket.

They close each connection after an answer, wait for whole answers and know nothing of streams.
"""

import contextlib
import re
import socket
import subprocess
import threading
import time

from server import DEADLINE, ROOT, until

#: What each does. All but `blackhole` and `refuse` and `hang` pass an upgrade on without its headers.
MODES = {
    "refuse": "answers 400 to each upgrade",
    "hang": "never answers an upgrade",
    "strip": "takes the headers of an upgrade away",
    "http/1.0": "the same, buffers whole answers for 100 ms and speaks HTTP/1.0",
    "cut": "the same, and answers 504 to what takes longer than 5 s",
    "blackhole": "lets the 101 through and swallows the frames",
}
CUT_AFTER = 5.0
#: The first byte of a WebSocket frame that closes.
CLOSE = 0x88


class Proxy:
    """A proxy in front of a server.

    `requests` are the paths that were asked, with their times; `given_up` the times at which a client closed
    an upgrade that came to nothing.
    """

    def __init__(self, server, mode):
        self._backend = ("127.0.0.1", server.port)
        self.mode = mode
        self.requests = []
        self.given_up = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self._ended = threading.Event()
        self._sockets = set()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else the thread accepts one more
        self._listener.close()
        for one in list(self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

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
                if not self._pass_on(client, head, body):
                    return
        self._sockets.discard(client)

    def _upgrade(self, client, head):
        """What becomes of an upgrade; True: it is passed on as an ordinary request."""
        if self.mode == "refuse":
            client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif self.mode == "hang":
            while client.recv(4096):
                pass
            self.given_up.append(time.monotonic())
        elif self.mode == "blackhole":
            with socket.create_connection(self._backend) as server:
                server.sendall(head + b"\r\n\r\n")
                answer, _ = read_message(server)
                client.sendall(answer + b"\r\n\r\n")
                while (data := client.recv(4096)) and data[0] != CLOSE:
                    pass
            self.given_up.append(time.monotonic())
        else:
            return True
        return False

    def _pass_on(self, client, head, body):
        """Ask the server and give its answer; returns whether the connection goes on."""
        hop = (b"connection:", b"upgrade:")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(hop)]
        with socket.create_connection(self._backend) as server:
            server.sendall(b"\r\n".join([*lines, b"Connection: close", b"", body]))
            server.settimeout(CUT_AFTER if self.mode == "cut" else None)
            try:
                answer = read_message(server)
            except TimeoutError:
                client.sendall(b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n")
                return True
        if answer is None or self.mode == "deaf":  # the server has heard, and nobody hears its answer
            return False
        head, body = answer
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(hop)]
        if self.mode == "http/1.0":
            self._ended.wait(0.1)
            lines[0] = lines[0].replace(b"HTTP/1.1", b"HTTP/1.0")
            lines.append(b"Connection: close")
        client.sendall(b"\r\n".join([*lines, b"", body]))
        return self.mode != "http/1.0"


def read_message(peer):
    """The head (without the empty line) and the body of a request or an answer; None if there is none."""
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
    """The real nginx or HAProxy before `servers`, as deploy/ has it but for ports, limits and `changes`."""

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
        until(lambda: listens(self.port), name)

    def close(self):
        self._process.terminate()
        self._process.wait(DEADLINE)


def listens(port):
    with socket.socket() as one:
        return not one.connect_ex(("127.0.0.1", port))
