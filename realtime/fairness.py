"""Fair scheduling of clients' work on the event loop, with a budget for each pass.

gevent switches greenlets only where one blocks. As long as the kernel has bytes to read and room to write,
nothing blocks: a client that sends fast enough would keep the loop from timers and signals.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import gevent
from greenlet import getcurrent, greenlet

#: Seconds of clients' work in one pass of the loop. A press crosses the loop about five times on its way from
#: the pin to the screens, so this bounds what clients can add to it.
PASS_BUDGET = 0.005
#: Idle greenlets kept for reuse. Starting a new one costs two system calls for its frame stack.
MAX_IDLE_GREENLETS = 16

Work = Callable[[], object]


class Budget:
    """Bytes of memory that all clients share."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    def hold(self, size: int) -> bool:
        """Take `size` bytes (negative: return them); false: the budget is exceeded."""
        self._held += size
        return self._held <= self._limit


class Receiver(Protocol):
    """A connection that has something to receive."""

    #: Whether it is an HTTP connection: these and WebSockets take turns, whichever are more.
    is_http: bool

    def receive(self) -> None:
        """Receive a bounded part of it. Must not block; what is left is reported again."""


class RunQueue:
    """Runs the work of clients in turn, at most `PASS_BUDGET` seconds of it in one pass of the loop.

        queue = RunQueue()
        queue.submit(handle_request)    # in a greenlet, now or in its turn
        queue.wait()                    # in a greenlet: return when it is its turn again

    Work that is urgent goes before the rest.
    """

    def __init__(self) -> None:
        self._hub = gevent.get_hub()
        self._loop = self._hub.loop
        self._urgent: deque[Work] = deque()
        self._waiting: deque[Work] = deque()
        # A timer fires in the next pass of the loop, after I/O was polled; a callback of gevent's might run
        # another fifty times in this one.
        self._timer = self._loop.timer(0.0)
        self._pass = 0.0  # the loop's time in the present pass
        self._pass_started = 0.0  # monotonic
        self._idle: list[greenlet] = []
        self._reported: list[Receiver] = []  # in this pass, the last one first
        self._ready: tuple[deque[Receiver], deque[Receiver]] = deque(), deque()  # WebSockets, HTTP
        self._is_ready: set[Receiver] = set()
        #: `readable`, as one object for all watchers.
        self.report: Callable[[Receiver], None] = self.readable

    def readable(self, receiver: Receiver) -> None:
        """Have `receiver` receive in its turn. For callbacks of I/O watchers.

        libev calls these in the reverse order of their events. Here they get their order back: a client may
        poll on one connection and close its session on another.
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
            for ready in self._ready:  # the others are reported again, and are first then
                if ready:
                    receiver = ready.popleft()
                    self._is_ready.discard(receiver)
                    receiver.receive()

    def submit(self, work: Work, urgent: bool = False) -> None:
        """Run `work` in a greenlet, as soon as it is its turn. Does not block."""
        self._schedule(lambda: self._run_in_greenlet(work), urgent)

    def wait(self, urgent: bool = False) -> None:
        """Let others run, and return when it is this greenlet's turn."""
        self._enqueue(getcurrent().switch, urgent)
        self._hub.switch()

    def call_later(self, callback: Work) -> None:
        """Call `callback`, which must not block, in its turn. Does not block."""
        self._enqueue(callback, urgent=False)

    def _has_time(self) -> bool:
        """Return whether this pass of the loop has time for more."""
        now = time.monotonic()
        if self._loop.now() != self._pass:
            self._pass, self._pass_started = self._loop.now(), now
        return now - self._pass_started <= PASS_BUDGET

    def _schedule(self, work: Work, urgent: bool) -> None:
        """Run `work` now if we are in the hub and this pass has time for it, else in its turn."""
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
        """Run what waits. In the hub, once in a pass."""
        self._timer.stop()
        self._pass, self._pass_started = self._loop.now(), time.monotonic()
        number = len(self._urgent) + len(self._waiting)  # not what these add
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
        """Run one piece of work after the other. It must not raise."""
        while work is not None:
            work()
            work = None  # nothing of it may outlive it
            if len(self._idle) < MAX_IDLE_GREENLETS:
                self._idle.append(getcurrent())
                work = self._hub.switch()
