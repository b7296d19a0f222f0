"""A pin without a Pi, which bounces if you make it: driven by a FIFO, by the Enter key, by a program."""

import errno
import logging
import os
import random
import stat
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import gevent
from gevent import monkey
from gevent.socket import wait_read

log = logging.getLogger(__name__)

#: Seconds that `tap` holds the button, and that it lets go before the next tap.
TAP = 0.06

_read = monkey.get_original("os", "read")
_start_thread = monkey.get_original("_thread", "start_new_thread")


class SimulatedPin:
    """A pin that behaves like one pulled up: 1 until something pulls it low.

    `fifo`, if not None, is the path of a FIFO (made if missing). Each digit written to it sets the
    level, as a finger would:

        echo 0 > button.fifo; sleep 0.1; echo 1 > button.fifo

    Its levels pass the same sampler and debouncer as a real pin's. Raises `OSError` if the path is
    something else than a FIFO, or cannot be made.
    """

    def __init__(self, fifo: str | None = None) -> None:
        self.driver = "simulated"
        self._level = 1
        self._taps: deque[float] = deque()  # when each begins; the sampler's thread takes them off
        self._next_tap = 0.0
        self._fd = None if fifo is None else _open(fifo)
        if self._fd is not None:
            _start_thread(self._follow, (self._fd,))

    def read(self) -> int:
        """The level now."""
        if self._taps:
            held = time.monotonic() - self._taps[0]
            if held >= 2 * TAP:
                self._taps.popleft()
            elif 0 <= held < TAP:
                return 0
        return self._level

    def tap(self) -> None:
        """Press and let go, after the taps that are still under way."""
        begins = max(time.monotonic(), self._next_tap)
        self._next_tap = begins + 2 * TAP
        self._taps.append(begins)

    def close(self) -> None:
        """Read the FIFO no more; it stays where it is."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.write(fd, b"\n")  # wakes the thread, which sees that it is over

    def _follow(self, fd: int) -> None:
        """A native thread, which waits for digits. To look at each sample would cost 1 % of a core."""
        while self._fd is not None:
            for byte in _read(fd, 4096):
                if byte in b"01":
                    self._level = byte - 48
        os.close(fd)


class SimulatedOutput:
    """An output pin without a Pi: `level` is what was written last."""

    def __init__(self) -> None:
        self.level = 0

    def write(self, level: int) -> None:
        """Set the level."""
        self.level = level

    def close(self) -> None:
        """Let it go out."""
        self.level = 0


def _open(path: str) -> int:
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        if not stat.S_ISFIFO(Path(path).stat().st_mode):
            raise FileExistsError(17, "exists and is no FIFO") from None
    # For reading and writing: so it never ends when a writer goes, and opening it does not wait.
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def tap_on_enter(tap: Callable[[], None]) -> None:
    """Call `tap` for each line that is typed on the terminal; returns when it is gone.

    For a greenlet.
    """
    fd = sys.stdin.fileno()
    try:
        while True:
            wait_read(fd)
            if _is_in_background(fd):
                gevent.sleep(1)
                continue
            got = os.read(fd, 1024)
            if not got:
                break
            for _ in range(got.count(b"\n")):
                tap()
    except OSError as error:  # it was hung up
        log.info("The terminal is gone, so Enter presses no more: %s", error.strerror)


def _is_in_background(terminal: int) -> bool:
    """Whether this process would be stopped if it read its terminal now."""
    try:
        return os.tcgetpgrp(terminal) != os.getpgrp()
    except OSError as error:
        if error.errno == errno.ENOTTY:  # it is not the terminal that controls us
            return False
        raise


def tap_now_and_then(tap: Callable[[], None]) -> None:
    """Never returns: calls `tap` every few seconds, for a demonstration."""
    while True:
        gevent.sleep(random.uniform(2.0, 6.0))  # noqa: S311 - no secret
        tap()
