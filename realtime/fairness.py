"""Fair scheduling of clients' work on the event loop, with a time budget per pass.

gevent switches greenlets only when one blocks. While the kernel has bytes to read and room to write, nothing
blocks, so a client that sends fast enough would starve timers and signals.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import gevent
from greenlet import getcurrent, greenlet

#: Seconds of clients' work in one pass of the loop. A press takes about five passes from the pin to the
#: screens, so this limits the latency that clients can add.
PASS_BUDGET = 0.005
#: Maximum number of idle greenlets kept for reuse. A new one costs two system calls for its frame stack.
MAX_IDLE_GREENLETS = 16

Work = Callable[[], object]


class Budget:
    """A memory budget shared by all clients, in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._reserved = 0

    def reserve(self, size: int) -> bool:
        """Reserve `size` bytes, or release them if negative. Return whether they fit."""
        self._reserved += size
        return self._reserved <= self._limit


class Receiver(Protocol):
    """A connection with data to receive."""

    #: Whether it is an HTTP connection. HTTP and WebSocket connections alternate, however many there are.
    is_http: bool

    def receive(self) -> None:
        """Receive a limited amount of data without blocking. The rest is reported again."""


class RunQueue:
    """Runs clients' work in turn, limited to `PASS_BUDGET` seconds per pass.

        queue = RunQueue()
        queue.submit(handle_request)    # run in a greenlet, now or in turn
        queue.wait()                    # yield from a greenlet until its next turn

    Urgent work runs first.
    """

    def __init__(self) -> None:
        self._hub = gevent.get_hub()
        self._loop = self._hub.loop
        self._urgent: deque[Work] = deque()
        self._waiting: deque[Work] = deque()
        # A timer fires in the next pass of the loop, after I/O was polled. A gevent callback could run up to
        # fifty more times in the current pass.
        self._timer = self._loop.timer(0.0)
        self._pass = 0.0  # loop time of the current pass
        self._pass_started = 0.0  # monotonic
        self._idle: list[greenlet] = []
        self._reported: list[Receiver] = []  # in this pass, in reverse order
        self._ready: tuple[deque[Receiver], deque[Receiver]] = deque(), deque()  # WebSockets, HTTP
        self._is_ready: set[Receiver] = set()
        #: The bound method `readable`, shared by all watchers.
        self.report: Callable[[Receiver], None] = self.readable

    def readable(self, receiver: Receiver) -> None:
        """Schedule `receiver` to receive in its turn. Called by I/O watchers.

        libev runs their callbacks in the reverse order of the events. The original order is restored here,
        since a client can poll on one connection and close its session on another.
        """
        if not self._reported:
            self._loop.run_callback(self._receive)
        self._reported.append(receiver)

    def _receive(self) -> None:
        for receiver in reversed(self._reported):
            if receiver not in self._is_ready:
                self._is_ready.add(receiver)
                self._ready[receiver.is_http].append(receiver)
        self._reported = []
        deadline = time.monotonic() + PASS_BUDGET
        while any(self._ready) and time.monotonic() < deadline:
            for ready in self._ready:  # the rest is reported again and then runs first
                if ready:
                    receiver = ready.popleft()
                    self._is_ready.discard(receiver)
                    receiver.receive()

    def submit(self, work: Work, urgent: bool = False) -> None:
        """Run `work` in a greenlet as soon as its turn comes. Does not block."""
        self._schedule(lambda: self._run_in_greenlet(work), urgent)

    def wait(self, urgent: bool = False) -> None:
        """Yield to other work until this greenlet's next turn."""
        self._enqueue(getcurrent().switch, urgent)
        self._hub.switch()

    def call_later(self, callback: Work) -> None:
        """Schedule `callback`, which must not block, to be called in its turn."""
        self._enqueue(callback, urgent=False)

    def _has_time(self) -> bool:
        """Return whether this pass of the loop has time left."""
        now = time.monotonic()
        if self._loop.now() != self._pass:
            self._pass, self._pass_started = self._loop.now(), now
        return now - self._pass_started <= PASS_BUDGET

    def _schedule(self, work: Work, urgent: bool) -> None:
        """Run `work` now if in the hub and time is left, otherwise in its turn."""
        waiting = self._urgent if urgent else self._waiting
        if waiting or getcurrent() is not self._hub:
            self._enqueue(work, urgent)
            return
        if self._has_time():
            work()
        else:
            self._enqueue(work, urgent)

    def _enqueue(self, work: Work, urgent: bool) -> None:
        (self._urgent if urgent else self._waiting).append(work)
        if not self._timer.active:
            self._timer.start(self._run)

    def _run(self) -> None:
        """Run queued work. Called in the hub, once per pass."""
        self._timer.stop()
        self._pass, self._pass_started = self._loop.now(), time.monotonic()
        number = len(self._urgent) + len(self._waiting)  # excluding work added in this pass
        while number and time.monotonic() - self._pass_started <= PASS_BUDGET:
            (self._urgent or self._waiting).popleft()()
            number -= 1
        if (self._urgent or self._waiting) and not self._timer.active:
            self._timer.start(self._run)

    def _run_in_greenlet(self, work: Work) -> None:
        if self._idle:
            self._idle.pop().switch(work)
        else:
            greenlet(self._work, self._hub).switch(work)

    def _work(self, work: Work | None) -> None:
        """Run one piece of work after another. Work must not raise."""
        while work is not None:
            work()
            work = None  # drop all references to finished work
            if len(self._idle) < MAX_IDLE_GREENLETS:
                self._idle.append(getcurrent())
                work = self._hub.switch()
