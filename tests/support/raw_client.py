"""A raw client that can send valid and invalid HTTP, Engine.IO and WebSocket data."""

import json
import os
import socket

from server import DEADLINE

KEY = "AAAAAAAAAAAAAAAAAAAAAA=="


class Wire:
    """A TCP connection to a server, for sending and reading any bytes."""

    def __init__(self, server, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as browsers do
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def take(self, length):
        while len(self.buffer) < length:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(self.buffer)
            self.buffer += more
        data, self.buffer = self.buffer[:length], self.buffer[length:]
        return data

    def ended(self):
        """Read until the peer closes the connection, and return the bytes received."""
        try:
            while more := self.socket.recv(65536):
                self.buffer += more
        except ConnectionResetError:
            pass
        return self.buffer

    # --- HTTP ---

    def request(self, method, path, body=None, headers=(), version="1.1"):
        lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))

    def read_response(self):
        """Return the status and the body of the next HTTP response."""
        while b"\r\n\r\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(self.buffer)
            self.buffer += more
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.head = head.decode()
        status = int(head.split()[1])
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return status, self.take(int(length[0].split(b":")[1])) if length else b""

    def ask(self, *arguments, **more):
        self.request(*arguments, **more)
        return self.read_response()

    # --- Engine.IO ---

    def open_polling(self):
        status, body = self.ask("GET", "/socket.io/?EIO=4&transport=polling")
        assert status == 200, body
        self.sid = json.loads(body[1:])["sid"]
        self.path = f"/socket.io/?EIO=4&transport=polling&sid={self.sid}"
        return self

    def poll(self):
        return self.ask("GET", self.path)

    def poll_for(self, fragment):
        """Poll until a payload contains `fragment`, and return that payload."""
        for _ in range(10):
            status, body = self.poll()
            assert status == 200, body
            if fragment in body:
                return body
        raise AssertionError(body)

    def post(self, body):
        return self.ask("POST", self.path, body if isinstance(body, bytes) else body.encode())

    def join(self):
        """Connect the polling client to the namespace and read its first events."""
        assert self.post("40")[0] == 200
        received = b""
        while b'"info"' not in received:
            received += self.poll()[1]
        return self

    def upgrade(self, path="/socket.io/?EIO=4&transport=websocket", headers=()):
        self.request(
            "GET",
            path,
            headers=["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                     f"Sec-WebSocket-Key: {KEY}", *headers],
        )  # fmt: skip
        while b"\r\n\r\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(self.buffer)
            self.buffer += more
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.head = head.decode()
        return self

    def open_websocket(self):
        self.upgrade()
        assert self.head.startswith("HTTP/1.1 101 "), self.head
        self.sid = json.loads(self.text()[1:])["sid"]
        return self

    def enter(self):
        """Connect the WebSocket client to the namespace and read its first events."""
        self.say("40")
        while '"info"' not in self.text(info=True):
            pass
        return self

    # --- WebSocket ---

    def frame(self, payload, opcode=1, fin=True, mask=True, rsv=0, length=None):
        payload = payload.encode() if isinstance(payload, str) else payload
        size = len(payload) if length is None else length
        head = bytes([fin << 7 | rsv << 4 | opcode])
        bit = 0x80 if mask else 0
        if size < 126:
            head += bytes([bit | size])
        elif size < 65536:
            head += bytes([bit | 126]) + size.to_bytes(2, "big")
        else:
            head += bytes([bit | 127]) + size.to_bytes(8, "big")
        if not mask:
            return head + payload
        key = os.urandom(4)
        return head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))

    def say(self, payload, **more):
        self.send(self.frame(payload, **more))

    def read_frame(self):
        """Return the opcode and payload of the next frame other than an Engine.IO ping."""
        for _ in range(5):
            first, second = self.take(2)
            assert first & 0x70 == 0, "a reserved bit is set"
            assert second & 0x80 == 0, "a masked frame from a server"
            length = second
            if second == 126:
                length = int.from_bytes(self.take(2), "big")
            elif second == 127:
                length = int.from_bytes(self.take(8), "big")
            payload = self.take(length)
            if (first, payload) == (0x81, b"2"):
                self.say("3")
                continue
            return first & 15, payload
        raise AssertionError("nothing but pings")

    def text(self, info=False):
        """Return the next text message, other than `info` unless requested."""
        while True:
            opcode, payload = self.read_frame()
            assert opcode == 1, (opcode, payload)
            if info or not payload.startswith(b'42["info"'):
                return payload.decode()

    def close_code(self):
        """Skip to the close frame and return its code."""
        while True:
            opcode, payload = self.read_frame()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big")
