"""Clients by the thousand in one process: connects, reads as fast as it can, counts.

    python -m bench.load PORT CLIENTS HOW

HOW is raw (bare TCP), ws (a WebSocket), socketio (a Socket.IO client over WebSocket, with a browser's
offers), plain (the same without the offer to compress), or polling. For each line on standard input it prints what
arrived since the last one, once nothing more does: counts, bytes, connections closed, and the time of the last count
on the monotonic clock in microseconds.
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


#: Clients on one loopback address: each takes a port of it.
CLIENTS_PER_ADDRESS = 15_000


class Load:
    def __init__(self, port, clients, how):
        self.port, self.how = port, how
        self.epoll = select.epoll()
        self.sockets, self.tails, self.polls = {}, {}, {}
        self.counts = self.bytes = self.closed = 0
        self.last_count = 0.0
        for number in range(clients):
            if number % 500 == 499:
                self._read_all(0)  # pings come before the last client has connected
            address = f"127.0.0.{1 + number // CLIENTS_PER_ADDRESS}"
            client = socket.create_connection((address, port), timeout=20)
            if how in ("ws", "socketio", "plain"):
                offer = "" if how == "plain" else OFFER
                client.sendall(UPGRADE.format(port=port, offer=offer).encode())
                self._until(client, b"\r\n\r\n")
            if how in ("socketio", "plain"):
                client.sendall(CONNECT)
                self._until(client, b"40{")
            if how == "polling":
                client = self._polling(client)
            client.setblocking(False)
            self.sockets[client.fileno()], self.tails[client.fileno()] = client, b""
            self.epoll.register(client, select.EPOLLIN)
        for at, poll in self.polls.items():
            self.sockets[at].sendall(poll)

    @staticmethod
    def _until(client, mark):
        got = b""
        while mark not in got:
            got += client.recv(4096)
        return got

    def _polling(self, client):
        """Connect by long-polling; the first poll is sent once all are there."""
        path = "/socket.io/?EIO=4&transport=polling"
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        body = self._until(client, b"maxPayload").split(b"\r\n\r\n")[1]
        sid = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])["sid"]
        head = f"POST {path}&sid={sid} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
        client.sendall((head + "Content-Length: 2\r\n\r\n40").encode())
        self._until(client, b"ok")
        poll = POLL.format(sid=sid).encode()
        client.sendall(poll)
        self._until(client, b"40{")
        self.polls[client.fileno()] = poll
        return client

    def drain(self, quiet):
        """Read until no count has come for `quiet` seconds (heartbeats do); true: an order waits."""
        end, counts = time.monotonic() + quiet, self.counts
        while time.monotonic() < end:
            if self._read_all(min(quiet, 0.1)):
                return True
            if self.counts != counts:
                end, counts = time.monotonic() + quiet, self.counts
        return False

    def _read_all(self, timeout):
        """Read from the clients that have something; true: an order waits."""
        for at, _ in self.epoll.poll(timeout):
            if at == 0:
                return True
            self._read(at)
        return False

    def _read(self, at):
        client = self.sockets[at]
        try:
            got = client.recv(65536)
        except BlockingIOError:
            return
        if not got:
            self.closed += 1
            self.epoll.unregister(at)
            return
        self.bytes += len(got)
        whole = self.tails[at] + got
        counts = whole.count(b'"seq"')
        self.counts += counts
        if counts:
            self.last_count = time.monotonic()
        self.tails[at] = whole[-4:] if not whole.endswith(b'"seq"') else b""
        if b"\x81\x012" in got:
            client.send(PONG)
        if self.how == "polling" and b"HTTP/1.1 200" in got:
            client.send(self.polls[at])


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
