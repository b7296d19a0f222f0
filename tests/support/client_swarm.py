"""Hundreds of clients in a separate process, which reconnect like browsers.

    python tests/support/client_swarm.py PORT CLIENTS SECONDS

Half of the clients use WebSocket, half use long polling. Every SECONDS (0 disables this), a random client
disconnects and reconnects. For each line on standard input, the program prints the clients' state as JSON,
with the fields of `ClientSwarm.ask`.
"""

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()

import contextlib
import json
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from types import SimpleNamespace

from raw_client import Wire
from server import DEADLINE, until

#: Minimum and maximum of the random reconnect delay, in seconds, as in static/connection.js.
BACK = (0.25, 4.75)


class ClientSwarm:
    """A number of clients of the server, or of a proxy in front of it, at `port`."""

    def __init__(self, port, clients, leaves=0):
        self.clients = clients
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(port), str(clients), str(leaves)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        until(lambda: self.ask().here == clients, "all clients", deadline=3 * DEADLINE)

    def ask(self):
        """Return the state of the clients.

        `here` is the number of connected clients, `at` their number at each seq, `shown` the same for all
        clients, `wrong` the counts that were out of order, `returned` the number of reconnects, and `longest`
        the duration of the longest one in seconds.
        """
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return SimpleNamespace(**json.loads(self.process.stdout.readline()))

    def all_at(self, seq):
        """Return whether every client is connected and shows `seq`."""
        return self.ask().at == {str(seq): self.clients}

    def close(self):
        self.process.kill()
        self.process.wait(DEADLINE)
        self.process.stdin.close()
        self.process.stdout.close()


class Screen:
    """A client that checks the order of its counts, and reconnects."""

    def __init__(self, port, polls, seen):
        self.port, self.polls, self.seen = port, polls, seen
        self.seq, self.here, self.cookies = None, False, {}
        self.browser = None

    def run(self):
        """Connect, receive and reconnect forever."""
        lost = None
        while True:
            try:
                with Browser(self) as browser:
                    self.browser = browser
                    for packet in browser.polling_packets() if self.polls else browser.websocket_packets():
                        if packet.startswith('42["count"'):
                            self.check_count(json.loads(packet[2:])[1])
                            if lost is not None:
                                self.seen.returned += 1
                                self.seen.longest = max(self.seen.longest, time.monotonic() - lost)
                                lost = None
            except (OSError, EOFError, AssertionError):
                self.here = False
                lost = lost or time.monotonic()
                time.sleep(random.uniform(*BACK))

    def check_count(self, count):
        """Check that a count is newer than the one shown, or not older after a reconnect."""
        reconnected = not self.here and count["cause"] == "connect"
        if self.seq is not None and count["seq"] < self.seq + (not reconnected):
            self.seen.wrong.append([self.seq, count["seq"], count["cause"]])
        self.seq, self.here = count["seq"], True


class Browser(Wire):
    """A connection that stores cookies, by which a proxy recognizes a client."""

    def __init__(self, screen):
        self._screen = screen
        super().__init__(screen)

    def request(self, method, path, body=None, headers=(), version="1.1"):
        cookies = "; ".join(f"{name}={value}" for name, value in self._screen.cookies.items())
        super().request(method, path, body, [*headers, f"Cookie: {cookies}"] if cookies else headers, version)

    def read_response(self):
        response = super().read_response()
        self._store_cookies()
        return response

    def _store_cookies(self):
        for line in self.head.split("\r\n"):
            name, _, value = line.partition(": ")
            if name.lower() == "set-cookie":
                name, _, value = value.split(";")[0].partition("=")
                self._screen.cookies[name] = value

    def websocket_packets(self):
        """Yield the packets of a WebSocket."""
        self.upgrade()
        self._store_cookies()
        assert self.head.startswith("HTTP/1.1 101 "), self.head
        self.say("40")
        while True:
            opcode, payload = self.read_frame()
            assert opcode == 1, opcode
            yield payload.decode()

    def polling_packets(self):
        """Yield the packets of long polls."""
        self.open_polling()
        assert self.post("40")[0] == 200
        while True:
            status, body = self.poll()
            assert status == 200, body
            for packet in body.decode().split("\x1e"):
                assert packet != "1", "closed"
                if packet == "2":
                    self.post("3")
                yield packet


def come_and_go(screens, seconds):
    """Disconnect a random client every `seconds` forever. Its cookies are kept."""
    while True:
        time.sleep(seconds)
        with contextlib.suppress(OSError, AttributeError):
            random.choice(screens).browser.socket.shutdown(socket.SHUT_RDWR)


def main():
    import gevent.fileobject

    port, clients, leaves = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    seen = SimpleNamespace(wrong=[], returned=0, longest=0.0)
    screens = [Screen(port, number % 2 == 1, seen) for number in range(clients)]
    for screen in screens:
        gevent.spawn(screen.run)
    if leaves:
        gevent.spawn(come_and_go, screens, leaves)
    for _ in gevent.fileobject.FileObject(sys.stdin):
        here = [screen for screen in screens if screen.here]
        at, shown = (Counter(screen.seq for screen in group) for group in (here, screens))
        print(
            json.dumps({"here": len(here), "at": at, "shown": shown, **vars(seen), "wrong": seen.wrong[:5]}),
            flush=True,
        )


if __name__ == "__main__":
    main()
