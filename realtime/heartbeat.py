"""Pings and timeouts for all sessions, from one greenlet, on the monotonic clock."""

import itertools
import time
from collections import deque
from collections.abc import Iterator, Mapping

import gevent

from . import packets
from .fairness import RunQueue
from .session import Session

#: Maximum seconds between two rounds of pings; with a short ping interval, a hundredth of it. A ping is late
#: by at most 1.25 rounds.
MAX_ROUND_INTERVAL = 0.1
#: Seconds between responses to long polls with batched packets, for at most five polls a second.
BATCH_INTERVAL = 0.2
#: Seconds after which an idle long poll completes. Some proxies abort requests after 5 s.
POLL_TIMEOUT = 4.0
#: Pings sent before other work can run.
BATCH_SIZE = 100
#: Seconds within which the peer must close a WebSocket after our close frame.
CLOSE_TIMEOUT = 1.0


class Schedule:
    """Sessions in order of their due times, grouped by approximate time.

    Grouping costs one pointer per session; a separate time for each would take 80 bytes.

    Args:
        width: Maximum seconds between the first and the last due time in a group.
    """

    def __init__(self, width: float) -> None:
        self._width = width
        self._groups: deque[tuple[float, list[Session]]] = deque()

    def add(self, session: Session, due: float) -> None:
        """Add a session. `due`, in monotonic seconds, must never decrease between calls."""
        if not self._groups or self._groups[-1][0] + self._width < due:
            self._groups.append((due, []))
        self._groups[-1][1].append(session)

    def take(self, now: float) -> Iterator[tuple[float, Session]]:
        """Remove the sessions that are due, and yield the open ones with their due time.

        That time is up to `width` seconds too early.
        """
        while self._groups and self._groups[0][0] + self._width <= now:
            due, sessions = self._groups.popleft()
            for session in sessions:
                if not session.closed:
                    yield due, session


class Heartbeat:
    """Pings all sessions, and closes those that do not respond in time.

    Sessions are kept in order of their deadlines, so no search is needed and a heartbeat costs two appends.

    Args:
        interval: Seconds from a pong to the next ping.
        timeout: Seconds within which a client must respond to a ping.
        connect_timeout: Seconds within which a session must connect to a namespace; None disables it.
        sessions: All sessions, by sid.
        run_queue: Schedules long-running work.
    """

    def __init__(
        self,
        interval: float,
        timeout: float,
        connect_timeout: float | None,
        sessions: Mapping[str, Session],
        run_queue: RunQueue,
    ) -> None:
        self._sessions = sessions
        self._run_queue = run_queue
        self._interval = interval
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._round_interval = min(MAX_ROUND_INTERVAL, interval / 100)
        # A ping that is later than this, since the loop was busy, postpones the deadline of its pong.
        self._max_delay = min(MAX_ROUND_INTERVAL, interval / 10)
        self._due = Schedule(self._round_interval / 4)
        self._pinged = Schedule(self._round_interval / 4)
        self._connecting: dict[Session, float] = {}  # deadlines, earliest first
        self._closing: deque[tuple[float, Session]] = deque()
        self._batched: set[Session] = set()
        self._next_batch = self._next_poll_check = 0.0

    def add(self, session: Session) -> None:
        """Start pinging a new session, and close it unless it connects in time."""
        now = time.monotonic()
        self._due.add(session, now + self._interval)
        if self._connect_timeout is not None:
            self._connecting[session] = now + self._connect_timeout

    def connected(self, session: Session) -> None:
        """Cancel the connect timeout of a session that is connected or closed."""
        self._connecting.pop(session, None)

    def pong_received(self, session: Session) -> None:
        """Record a pong. Unsolicited ones are ignored."""
        if session.pong_deadline:
            session.pong_deadline = 0.0
            self._due.add(session, time.monotonic() + self._interval)

    def close_later(self, session: Session) -> None:
        """Close the session's WebSocket unless the peer does within `CLOSE_TIMEOUT`."""
        self._closing.append((time.monotonic() + CLOSE_TIMEOUT, session))

    def flush_soon(self, session: Session) -> None:
        """Complete the session's long poll within `BATCH_INTERVAL`."""
        self._batched.add(session)

    def run(self) -> None:
        """Send pings and enforce timeouts. Does not return, so start it in a greenlet."""
        while True:
            gevent.sleep(self._round_interval)
            now = time.monotonic()
            self._send_pings(now)
            if now >= self._next_batch:
                self._next_batch = now + BATCH_INTERVAL - MAX_ROUND_INTERVAL / 2
                batched, self._batched = self._batched, set()
                for session in batched:
                    session.complete_poll()
            if now >= self._next_poll_check:
                self._next_poll_check = now + 1.0
                self._end_long_polls(now - POLL_TIMEOUT + 1.0)
            self._close_overdue(now)

    def _send_pings(self, now: float) -> None:
        for sent, (due, session) in enumerate(self._due.take(now), 1):
            session.pong_deadline = max(due, now - self._max_delay) + self._timeout
            self._pinged.add(session, session.pong_deadline)
            session.send(packets.PING)
            if sent % BATCH_SIZE == 0:
                self._run_queue.wait()

    def _end_long_polls(self, started_before: float) -> None:
        for session in list(self._sessions.values()):
            if session.poll is not None and session.poll_started_at < started_before:
                session.release_poll()

    def _close_overdue(self, now: float) -> None:
        for _, session in self._pinged.take(now):
            if session.is_expired():
                session.close("ping timeout")
        overdue = itertools.takewhile(lambda item: item[1] <= now, self._connecting.items())
        for session, _ in list(overdue):
            del self._connecting[session]
            session.close("connect timeout")
        while self._closing and self._closing[0][0] <= now:
            self._closing.popleft()[1].abort()
