"""Load generator with thousands of clients in one process.

    python -m bench.load PORT CLIENTS KIND

KIND is raw (TCP), ws (WebSocket), socketio (Socket.IO over WebSocket, with a browser's headers), plain (the same without
compression), or polling. For each line on standard input, the program waits until data stops arriving and prints the
counts, bytes and closed connections since the last line, and the time of the last count on the monotonic clock in
microseconds.
"""

import json
import resource
import select
import socket
import sys
import time

UPGRADE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    "{offer}Accept-Language: en-US,en\r\n"
    "Origin: http://127.0.0.1:{port}\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0\r\n\r\n"
)
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
POLL = "GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CONNECT = b"\x81\x82\0\0\0\x0040"
PONG = b"\x81\x81\0\0\0\x003"

#: Maximum clients per loopback address, since each uses one of its ports.
CLIENTS_PER_ADDRESS = 15_000


class Load:
    """`clients` connections of one kind, with counters of the received data."""

    def __init__(self, port, clients, kind):
        self.port, self.kind = port, kind
        self.epoll = select.epoll()
        self.sockets, self.tails, self.polls = {}, {}, {}  # by file descriptor
        self.counts = self.bytes = self.closed = 0
        self.last_count = 0.0
        for number in range(clients):
            if number % 500 == 499:
                self._read_all(0)  # respond to pings before all clients are connected
            address = f"127.0.0.{1 + number // CLIENTS_PER_ADDRESS}"
            client = socket.create_connection((address, port), timeout=20)
            if kind in ("ws", "socketio", "plain"):
                offer = "" if kind == "plain" else OFFER
                client.sendall(UPGRADE.format(port=port, offer=offer).encode())
                self._read_until(client, b"\r\n\r\n")
            if kind in ("socketio", "plain"):
                client.sendall(CONNECT)
                self._read_until(client, b"40{")
            if kind == "polling":
                self._connect_polling(client)
            client.setblocking(False)
            self.sockets[client.fileno()], self.tails[client.fileno()] = client, b""
            self.epoll.register(client, select.EPOLLIN)
        for descriptor, poll in self.polls.items():
            self.sockets[descriptor].sendall(poll)

    @staticmethod
    def _read_until(client, mark):
        data = b""
        while mark not in data:
            data += client.recv(4096)
        return data

    def _connect_polling(self, client):
        """Connect by long polling, and prepare the next poll."""
        path = "/socket.io/?EIO=4&transport=polling"
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        body = self._read_until(client, b"maxPayload").split(b"\r\n\r\n")[1]
        sid = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])["sid"]
        head = f"POST {path}&sid={sid} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
        client.sendall((head + "Content-Length: 2\r\n\r\n40").encode())
        self._read_until(client, b"ok")
        poll = POLL.format(sid=sid).encode()
        client.sendall(poll)
        self._read_until(client, b"40{")
        self.polls[client.fileno()] = poll

    def drain(self, quiet):
        """Read until no count has arrived for `quiet` seconds, ignoring heartbeats.

        Returns whether standard input has a line.
        """
        end, counts = time.monotonic() + quiet, self.counts
        while time.monotonic() < end:
            if self._read_all(min(quiet, 0.1)):
                return True
            if self.counts != counts:
                end, counts = time.monotonic() + quiet, self.counts
        return False

    def _read_all(self, timeout):
        """Read from readable clients and return whether standard input has a line."""
        for descriptor, _ in self.epoll.poll(timeout):
            if descriptor == 0:
                return True
            self._read(descriptor)
        return False

    def _read(self, descriptor):
        client = self.sockets[descriptor]
        try:
            data = client.recv(65536)
        except BlockingIOError:
            return
        if not data:
            self.closed += 1
            self.epoll.unregister(descriptor)
            return
        self.bytes += len(data)
        text = self.tails[descriptor] + data
        counts = text.count(b'"seq"')
        self.counts += counts
        if counts:
            self.last_count = time.monotonic()
        self.tails[descriptor] = text[-4:] if not text.endswith(b'"seq"') else b""
        if b"\x81\x012" in data:
            client.send(PONG)
        if self.kind == "polling" and b"HTTP/1.1 200" in data:
            client.send(self.polls[descriptor])


def main():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    load = Load(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    print("ready", flush=True)
    load.epoll.register(0, select.EPOLLIN)
    while True:
        while not load.drain(3600):
            pass
        if not sys.stdin.readline():
            return
        load.epoll.unregister(0)
        load.drain(0.3)
        load.epoll.register(0, select.EPOLLIN)
        print(load.counts, load.bytes, load.closed, int(load.last_count * 1e6), flush=True)
        load.counts = load.bytes = 0


if __name__ == "__main__":
    main()
