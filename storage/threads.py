"""A native thread for blocking work, such as database queries."""

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent import monkey
from greenlet import getcurrent

T = TypeVar("T")

_start_thread = monkey.get_original("_thread", "start_new_thread")
_allocate_lock = monkey.get_original("_thread", "allocate_lock")


class Worker:
    """Runs functions in a native thread, one at a time, in order of submission.

        worker = Worker()
        rows = worker.run(lambda: db.execute("SELECT 1").fetchall())

    gevent's thread pool creates a result and a watcher for each call, a third of the call's cost.
    """

    def __init__(self) -> None:
        self._hub = gevent.get_hub()
        self._calls: deque[tuple[Callable[[], Any], Any] | None] = deque()
        self._results: deque[tuple[Any, tuple[Any, Exception | None]]] = deque()
        self._wake = _allocate_lock()  # locked: nothing to do
        self._wake.acquire()
        self._done = self._hub.loop.async_()
        self._done.start(self._deliver_results)
        _start_thread(self._run, ())

    def run(self, function: Callable[[], T]) -> T:
        """Run `function` in the thread; return its result or raise its exception.

        If the waiting greenlet is interrupted, the call still completes.
        """
        call = _Call(getcurrent())
        self._submit((function, call))
        try:
            result, error = self._hub.switch()
        finally:
            call.waiter = None
        if error is not None:
            raise error
        value: T = result
        return value

    def stop(self) -> None:
        """End the thread after the submitted calls."""
        self._submit(None)

    def _submit(self, item: Any) -> None:
        self._calls.append(item)
        with contextlib.suppress(RuntimeError):  # already awake
            self._wake.release()

    def _run(self) -> None:
        """Run the calls in the native thread, which may use nothing of gevent but the async watcher."""
        while True:
            self._wake.acquire()
            while self._calls:
                item = self._calls.popleft()
                if item is None:
                    return
                function, call = item
                result, failure = None, None
                try:
                    result = function()
                except Exception as error:
                    failure = error
                self._results.append((call, (result, failure)))
                del result, function  # a cursor that outlives its caller would keep its transaction open
                self._done.send()

    def _deliver_results(self) -> None:
        while self._results:
            call, outcome = self._results.popleft()
            if call.waiter is not None:
                call.waiter.switch(outcome)


class _Call:
    """A submitted call. `waiter` is the waiting greenlet, or None if it was interrupted."""

    __slots__ = ("waiter",)

    def __init__(self, waiter: Any) -> None:
        self.waiter = waiter


class Backoff:
    """Exponential backoff between attempts.

    Args:
        initial: First delay in seconds.
        maximum: Maximum delay in seconds.
    """

    def __init__(self, initial: float, maximum: float) -> None:
        self._initial = self._next = initial
        self._maximum = maximum

    @property
    def delay(self) -> float:
        """The next delay in seconds."""
        return self._next

    def wait(self) -> None:
        """Wait for the next delay. Blocks."""
        delay, self._next = self._next, min(self._maximum, self._next * 2)
        gevent.sleep(delay)

    def reset(self) -> None:
        """Start again with the initial delay."""
        self._next = self._initial
