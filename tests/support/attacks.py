"""Hostile clients. The program attacks a server for a number of seconds.

    python tests/support/attacks.py NAME PORT SECONDS [FEED_PORT]

`ATTACKS` maps names to attacks. tests/rigs/test_attacks.py and bench/hostile.py run all of them.
"""

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()

import contextlib
import itertools
import socket
import sys
import time

HOST = "127.0.0.1"
GET = "GET {} HTTP/1.1\r\nHost: x\r\n\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = b"POST /api/press HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
ROUTES = (
    "/", "/graph", "/api/count", "/api/history?limit=1000", "/healthz", "/metrics", "/admin", "/admin/login",
    "/static/sound/long.wav", "/nowhere", "/socket.io/?EIO=4&transport=polling", "/api/openapi.json",
)  # fmt: skip


class Target:
    """The server to attack, and the end time of the attack."""

    def __init__(self, port, seconds, feed_port=0):
        self.port, self.feed_port = port, feed_port
        self.end = time.monotonic() + seconds

    def active(self):
        return time.monotonic() < self.end

    def connect(self, source=None, buffer=None):
        while True:
            peer = socket.socket()
            peer.settimeout(max(0.1, self.end - time.monotonic()))
            if buffer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            if source:
                peer.bind((source, 0))
            try:
                peer.connect((HOST, self.port))
            except OSError:
                peer.close()
                if not self.active():
                    raise
                time.sleep(0.05)
                continue
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return peer

    def rest(self):
        time.sleep(max(0.0, self.end - time.monotonic()))


def crowd(number, attack, target, *arguments):
    """Run `number` attacks concurrently, restarting each one that ends."""
    import gevent

    def run(which):
        while target.active():
            with contextlib.suppress(OSError):
                attack(target, which, *arguments)
            gevent.sleep(0)

    gevent.joinall([gevent.spawn(run, which) for which in range(number)])


def drain(peer):
    """Read and discard data in a background greenlet."""
    import gevent

    def read():
        with contextlib.suppress(OSError):
            while peer.recv(65536):
                pass

    return gevent.spawn(read)


# --- requests ---


def pipeline(target, _which, route):
    peer = target.connect()
    reader = drain(peer)
    request = GET.format(route).encode() * 50
    while target.active() and not reader.dead:
        peer.sendall(request)
    peer.close()


def pipeline_unread(target, _which):
    """Pipeline requests for large responses and read nothing."""
    peer = target.connect(buffer=4096)
    with contextlib.suppress(OSError):
        while target.active():
            peer.sendall(GET.format("/api/history?limit=1000").encode() * 20)
    peer.close()


def ask(target, _which, route):
    """Send the request repeatedly and read each response."""
    peer = target.connect()
    while target.active():
        peer.sendall(GET.format(route).encode())
        received = b""
        while b"\r\n\r\n" not in received:
            more = peer.recv(65536)
            if not more:
                return
            received += more
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(
            int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        while len(body) < length:
            body += peer.recv(65536)
    peer.close()


def post_without_right(target, _which):
    peer = target.connect()
    reader = drain(peer)
    while target.active() and not reader.dead:
        peer.sendall(b"POST /api/press HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" * 50)
    peer.close()


def reconnect(target, _which):
    """Open a new connection for each request."""
    peer = target.connect()
    peer.sendall(GET.format("/api/count").encode())
    peer.recv(4096)
    peer.close()


# --- bodies ---


def body(target, _which, piece):
    """Send a chunked body that never ends."""
    peer = target.connect()
    reader = drain(peer)
    peer.sendall(CHUNKED)
    while target.active() and not reader.dead:
        peer.sendall(piece)
    peer.close()


def slow_body(target, _which):
    peer = target.connect()
    peer.sendall(b"POST /api/press HTTP/1.1\r\nHost: x\r\nContent-Length: 16000\r\n\r\n")
    while target.active():
        peer.sendall(b"x" * 100)
        time.sleep(0.1)


# --- headers ---


def large_head(size, width=200):
    line = "X-{}: " + "y" * width + "\r\n"
    lines = "".join(line.format(number) for number in range(size // (width + 10)))
    return f"GET /api/count HTTP/1.1\r\nHost: x\r\n{lines}"


def kept_alive(target, _which, size):
    """Send a request with large headers, then nothing."""
    peer = target.connect()
    peer.sendall(large_head(size, 15_000 if size > 16_384 else 200).encode() + b"\r\n")
    peer.recv(4096)
    target.rest()


def unfinished(target, _which, size):
    """Send headers that never end."""
    peer = target.connect()
    peer.sendall(large_head(size, 15_000 if size > 16_384 else 200).encode())
    peer.recv(4096)
    peer.close()


def dripping(target, _which):
    peer = target.connect()
    for byte in itertools.cycle(b"GET /"):
        if not target.active():
            break
        peer.sendall(bytes([byte]))
        time.sleep(0.05)


def idle(target, _which):
    peer = target.connect()
    target.rest()
    peer.close()


# --- Socket.IO ---

UPGRADE = (
    "GET /socket.io/?EIO=4&transport=websocket{} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{}\r\n"
)


def frame(text):
    data = text.encode()
    assert len(data) < 126
    return bytes([0x81, 0x80 | len(data)]) + bytes(4) + data


def websocket(target, more="", sid=""):
    peer = target.connect()
    peer.sendall(UPGRADE.format(sid, more).encode())
    peer.recv(4096)
    return peer


POLLING = "/socket.io/?EIO=4&transport=polling"


def polling(target):
    """Open a polling session and return its connection and its sid."""
    peer = target.connect()
    peer.sendall(GET.format(POLLING).encode())
    return peer, peer.recv(4096).decode().partition('"sid":"')[2].partition('"')[0]


def open_with_long_heads(target, _which, size):
    """Open a session with `size` bytes of headers, then disconnect."""
    more = "".join(f"X-{number}: {'y' * (size // 90)}\r\n" for number in range(90))
    peer = websocket(target, more)
    peer.sendall(frame("40"))
    peer.recv(4096)
    peer.close()


def open_with_headers(target, _which):
    """Open a session with headers of nearly the maximum size, then disconnect."""
    more = "".join(f"X-{number}: {'y' * 500}\r\n" for number in range(20)) + f"Cookie: a={'z' * 4000}\r\n"
    peer = websocket(target, more)
    peer.sendall(frame("40"))
    peer.recv(4096)
    peer.close()


def rejoin(target, _which):
    """Leave and rejoin both namespaces repeatedly."""
    peer = websocket(target)
    reader = drain(peer)
    while target.active() and not reader.dead:
        peer.sendall((frame("40") + frame("40/graph,") + frame("41") + frame("41/graph,")) * 20)
    peer.close()


def send_frames(target, _which, data, first=b""):
    """Send frames from a connected client as fast as the server reads them."""
    peer = websocket(target)
    reader = drain(peer)
    peer.sendall(frame("40") + first)
    while target.active() and not reader.dead:
        peer.sendall(data * 200)
    peer.close()


def poll(target, _which):
    """Pipeline POSTs of pongs on a polling session."""
    peer, sid = polling(target)
    request = f"POST {POLLING}&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n3".encode()
    reader = drain(peer)
    while target.active() and not reader.dead:
        peer.sendall(request * 50)
    peer.close()


def stalled_screen(target, _which):
    """Connect as a screen and read nothing."""
    peer = target.connect(buffer=4096)
    peer.sendall(UPGRADE.format("", "").encode() + frame("40"))
    target.rest()
    peer.close()


def probe(target, _which):
    """Start an upgrade and never complete it."""
    peer, sid = polling(target)
    probing = websocket(target, sid=f"&sid={sid}")
    target.rest()
    probing.close()
    peer.close()


def large_frame(payload, opcode=1, fin=True):
    return bytes([fin << 7 | opcode, 0xFE]) + len(payload).to_bytes(2, "big") + bytes(4) + payload


def hold_on(target, _which, data):
    """Send data once, read nothing, and stay connected by sending pongs."""
    peer = target.connect(buffer=4096)
    peer.sendall(UPGRADE.format("", "").encode() + frame("40"))
    with contextlib.suppress(OSError):
        peer.sendall(data)
        while target.active():
            time.sleep(1)
            peer.sendall(frame("3"))
    peer.close()


def post_many(target, _which):
    """POST a payload of thousands of packets."""
    peer, sid = polling(target)
    data = "\x1e".join(["41"] * 5461)
    peer.sendall(
        f"POST {POLLING}&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode()
    )
    peer.recv(4096)
    target.rest()
    peer.close()


def connect_and_reset(target, _which):
    peer = websocket(target)
    peer.sendall(frame("40"))
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()


# --- other attacks ---


def unread(target, _which):
    """Request the largest file and read nothing."""
    peer = target.connect(buffer=4096)
    peer.sendall(GET.format("/static/sound/long.wav").encode() * 4)
    target.rest()
    peer.close()


def sign_in(target, which):
    """Try a wrong password, from a different address each time."""
    source = f"127.{which + 1}.{time.monotonic_ns() // 10**6 % 200 + 1}.{time.monotonic_ns() % 200 + 1}"
    peer = target.connect(source)
    peer.sendall(GET.format("/admin/login").encode())
    page = b""
    while b"</html>" not in page:
        more = peer.recv(65536)
        if not more:
            return
        page += more
    text = page.decode()
    token = text.partition('name="csrf_token" value="')[2].partition('"')[0]
    cookie = text.partition("Set-Cookie: ")[2].partition(";")[0]
    data = f"password=wrong&csrf_token={token}"
    peer.sendall(
        f"POST /admin/login HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n{FORM}"
        f"Content-Length: {len(data)}\r\n\r\n"
        f"{data}".encode()
    )
    peer.recv(65536)
    peer.close()


def endless_message(target, _which):
    """Send a feed message with an endless number of frames."""
    peer = socket.create_connection((HOST, target.feed_port))
    ready = b"\x05READY\x0bSocket-Type\0\0\0\x03PUB\x08Identity\0\0\0\0"
    peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48))
    peer.sendall(bytes([4, len(ready)]) + ready)
    drain(peer)
    more = (b"\x01\xff" + b"x" * 255) * 100
    while target.active():
        peer.sendall(more)
    peer.close()


#: Name → (number of concurrent clients, attack, arguments).
ATTACKS = {
    **{f"pipelining {route}": (4, pipeline, route) for route in ROUTES},
    "pipelining without reading": (50, pipeline_unread),
    "POST without the token, pipelined": (4, post_without_right),
    "60 readers of the history": (60, ask, "/api/history?limit=1000"),
    "600 readers of the history": (600, ask, "/api/history?limit=1000"),
    "60 readers of metrics": (60, ask, "/metrics"),
    "a new connection for each request": (50, reconnect),
    "chunked: endless trailers": (4, body, b"0\r\n" + b"a: b\r\n" * 1000),
    "chunked: endless extensions": (4, body, b"1;" + b"a" * 8000),
    "chunked: 1-byte chunks": (4, body, b"1\r\nx\r\n" * 1000),
    "chunked: one large chunk": (4, body, b"fffffff\r\n" + b"x" * 8000),
    "200 slow request bodies": (200, slow_body),
    "105 idle connections, 16 kB of headers": (105, kept_alive, 16_000),
    "150 unfinished requests, 16 kB of headers": (150, unfinished, 16_000),
    "150 unfinished requests, 1.5 MB of headers": (150, unfinished, 1_500_000),
    "105 idle connections, 1.5 MB of headers": (105, kept_alive, 1_500_000),
    "300 slow request headers": (300, dripping),
    "2,000 idle connections": (2000, idle),
    "260 sessions with large headers": (260, open_with_headers),
    "260 sessions with 1.3 MB of headers": (260, open_with_long_heads, 1_300_000),
    "8 clients that leave and rejoin": (8, rejoin),
    "20 clients that flood with events": (20, send_frames, frame('42["press"]')),
    "20 clients that flood with pongs": (20, send_frames, frame("3")),
    "20 clients that flood with pings": (20, send_frames, b"\x89\x80" + bytes(4)),
    "8 polling clients that pipeline pongs": (8, poll),
    "200 screens that read nothing": (200, stalled_screen),
    "200 upgrades that never complete": (200, probe),
    "200 HTTP clients that read nothing": (200, unread),
    "200 clients that flood with pings": (200, send_frames, b"\x89\x80" + bytes(4)),
    "2,000 clients that send 500 frames at once": (2000, hold_on, frame("41") * 500),
    "empty fragments": (8, send_frames, b"\x00\x80" + bytes(4), b"\x02\x80" + bytes(4)),
    "large namespaces, responses unread": (60, hold_on, large_frame(b"40/" + b"a" * 16_000 + b",") * 100),
    "namespaces rejoined, responses unread": (
        100,
        hold_on,
        (frame("40/graph,") + frame("41/graph,")) * 120,
    ),
    "packets without their attachments": (
        250,
        hold_on,
        large_frame(b'451-["press",' + b"{}," * 5400 + b'{"_placeholder":true,"num":0}]'),
    ),
    "fragmented messages that never end": (
        1000,
        hold_on,
        large_frame("\U0001f389".encode() + b"a" * 16_000, fin=False) + b"\x80\xfe\x3e\x80" + b"a" * 15_000,
    ),
    "polling clients that post thousands of packets": (300, post_many),
    "20 clients that connect and reset": (20, connect_and_reset),
    "12 guessers with changing addresses": (12, sign_in),
    "an endless feed message": (2, endless_message),
}


def main():
    name, port, seconds, *feed = sys.argv[1:]
    number, attack, *arguments = ATTACKS[name]
    target = Target(int(port), float(seconds), int(feed[0]) if feed else 0)
    with contextlib.suppress(OSError):
        crowd(number, attack, target, *arguments)


if __name__ == "__main__":
    main()
