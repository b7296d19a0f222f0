"""Simulated pins, driven by a FIFO, the Enter key or a program."""

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

#: Seconds for which `tap` holds the button, and pauses before the next tap.
TAP_TIME = 0.06

_read = monkey.get_original("os", "read")
_start_thread = monkey.get_original("_thread", "start_new_thread")


class SimulatedInput:
    """A simulated input with a pull-up, which reads 1 until it is pulled low.

    Each digit written to its FIFO sets the level, so that presses and bounces can be simulated:

        echo 0 > button.fifo; sleep 0.1; echo 1 > button.fifo

    The levels pass through the same sampler and debouncer as those of a real pin.

    Args:
        fifo: Path of the FIFO, created if missing. If None, only `tap` presses the button.

    Raises:
        OSError: The path is not a FIFO, or cannot be created.
    """

    def __init__(self, fifo: str | None = None) -> None:
        self.driver = "simulated"
        self._level = 1
        self._taps: deque[float] = deque()  # start times; removed by the sampler thread
        self._next_tap = 0.0
        self._fd = None if fifo is None else _open(fifo)
        if self._fd is not None:
            _start_thread(self._follow, (self._fd,))

    def read(self) -> int:
        """Return the level."""
        if self._taps:
            held = time.monotonic() - self._taps[0]
            if held >= 2 * TAP_TIME:
                self._taps.popleft()
            elif 0 <= held < TAP_TIME:
                return 0
        return self._level

    def tap(self) -> None:
        """Press and release after any queued taps."""
        start = max(time.monotonic(), self._next_tap)
        self._next_tap = start + 2 * TAP_TIME
        self._taps.append(start)

    def close(self) -> None:
        """Stop reading the FIFO without deleting it."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.write(fd, b"\n")  # wakes the thread, which then returns

    def _follow(self, fd: int) -> None:
        """Read digits in a native thread. Reading at each sample would cost 1 % of a core."""
        while self._fd is not None:
            for byte in _read(fd, 4096):
                if byte in b"01":
                    self._level = byte - 48
        os.close(fd)


class SimulatedOutput:
    """A simulated output, with the last written level in `level`."""

    def __init__(self) -> None:
        self.level = 0

    def write(self, level: int) -> None:
        """Set the level."""
        self.level = level

    def close(self) -> None:
        """Set the level to 0."""
        self.level = 0


def _open(path: str) -> int:
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        if not stat.S_ISFIFO(Path(path).stat().st_mode):
            raise FileExistsError(errno.EEXIST, "exists and is not a FIFO") from None
    # Also opened for writing, so that opening does not block and a closing writer causes no end of file.
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def tap_on_enter(tap: Callable[[], None]) -> None:
    """Call `tap` for each line typed on the terminal.

    Blocks until the terminal closes. Run it in a greenlet.
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
    except OSError as error:  # the terminal hung up
        log.info("Terminal closed, Enter no longer presses the button: %s", error.strerror)


def _is_in_background(terminal: int) -> bool:
    """Return whether the kernel would stop this process for reading its terminal now."""
    try:
        return os.tcgetpgrp(terminal) != os.getpgrp()
    except OSError as error:
        if error.errno == errno.ENOTTY:  # not the controlling terminal
            return False
        raise


def tap_at_random(tap: Callable[[], None]) -> None:
    """Call `tap` every few seconds, for demonstrations. Does not return."""
    while True:
        gevent.sleep(random.uniform(2.0, 6.0))  # noqa: S311 - not a secret
        tap()
