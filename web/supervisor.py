"""Tells systemd, if that has started us, that the server serves and is alive."""

import contextlib
import os
import socket
from collections.abc import Callable, Mapping

import gevent

#: A sign of life is sent so many times in the time after which systemd takes the server for dead.
SIGNS = 12
#: Seconds between two signs at least.
MOST_OFTEN = 0.05


class Supervisor:
    """What systemd's `Type=notify` and `WatchdogSec=` want to hear (sd_notify(3)); else it says nothing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        limit = environ.get("WATCHDOG_USEC", "")
        watched = limit.isdecimal() and environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._every = max(MOST_OFTEN, int(limit) / 1e6 / SIGNS) if watched else 0.0

    def tell(self, state: str) -> None:
        """Send one state, such as `READY=1` or `STOPPING=1`; nobody there to hear it is no error."""
        if self._address:
            with (
                contextlib.suppress(OSError),
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one,
            ):
                one.setblocking(False)
                one.sendto(state.encode(), self._address)

    def run(self, alive: Callable[[], bool]) -> None:
        """Give signs of life for as long as `alive()`; returns at once if nobody watches."""
        while self._address and self._every:
            if alive():
                self.tell("WATCHDOG=1")
            gevent.sleep(self._every)
