"""One greenlet for the heartbeats of all clients, on a clock that no NTP answer can move."""

import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

import gevent

from . import packets

if TYPE_CHECKING:
    from .client import Client

#: Seconds that a ping may be late, so that many leave together.
GRAIN = 0.1
#: Seconds between answers to a long poll for packets that are patient: five polls a second.
PATIENCE = 0.2
#: Seconds for which a long poll waits at most: there are proxies that cut what takes longer than 5 s.
POLL_WITHIN = 4.0
#: So many pings are sent before others may run.
BATCH = 100
#: Seconds that the end of a connection may take, from our last byte to the peer's.
LINGER = 1.0


class Heartbeat:
    """Pings each client `interval` seconds after its last answer, and ends those silent for `timeout`.
    One that is connected to no namespace by then is ended, too.

    Clients wait in two queues that time alone orders, so that nothing is searched and a heartbeat costs
    two appends. `watch(client)` begins; `answered(client)` is for its pong. Of `clients`, by their sid, it
    also sees that no long poll waits for too long.
    """

    def __init__(self, interval: float, timeout: float, clients: Mapping[str, "Client"]) -> None:
        self._clients = clients
        self._interval = interval
        self._timeout = timeout
        self._due: deque[tuple[float, Client]] = deque()
        self._asked: deque[tuple[float, Client]] = deque()
        self._ending: deque[tuple[float, Client]] = deque()
        self._patient: set[Client] = set()
        self._look_at_patient = self._look_at_polls = 0.0

    def watch(self, client: "Client") -> None:
        """Ping `client` from now on."""
        self._due.append((time.monotonic() + self._interval, client))

    def answered(self, client: "Client") -> None:
        """Take note of a pong; one that nobody asked for changes nothing."""
        if client.asked:
            client.asked = 0.0
            self.watch(client)

    def linger(self, client: "Client") -> None:
        """Give the peer a moment to end the connection, then cut it."""
        self._ending.append((time.monotonic() + LINGER, client))

    def later(self, client: "Client") -> None:
        """Answer the client's long poll soon, if by then nothing else has."""
        self._patient.add(client)

    def run(self) -> None:
        """Never returns."""
        while True:
            gevent.sleep(GRAIN)
            now = time.monotonic()
            self._ping(now)
            if now >= self._look_at_patient:
                self._look_at_patient = now + PATIENCE - GRAIN / 2
                patient, self._patient = self._patient, set()
                for client in patient:
                    client.answer_poll()
            if now >= self._look_at_polls:
                self._look_at_polls = now + 1.0
                self._end_long_polls(now - POLL_WITHIN + 1.0)
            while self._asked and self._asked[0][0] <= now - self._timeout:
                asked, client = self._asked.popleft()
                if client.asked == asked and not client.closed:
                    client.close("ping timeout")
            while self._ending and self._ending[0][0] <= now:
                self._ending.popleft()[1].cut()

    def _end_long_polls(self, before: float) -> None:
        for client in list(self._clients.values()):
            if client.poll is not None and client.polled < before:
                client.send(packets.NOOP)

    def _ping(self, now: float) -> None:
        sent = 0
        while self._due and self._due[0][0] <= now:
            _, client = self._due.popleft()
            if client.closed:
                continue
            if not client.namespaces:  # it never connected to anything, or has left it all
                client.close("connect timeout")
                continue
            client.asked = now
            self._asked.append((now, client))
            client.send(packets.PING)
            sent += 1
            if sent % BATCH == 0:
                gevent.sleep(0)
