"""systemd readiness and watchdog notifications (sd_notify)."""

import contextlib
import os
import socket
from collections.abc import Callable, Mapping

import gevent

#: Notifications per watchdog timeout.
NOTIFICATIONS = 12
#: Minimum seconds between two notifications.
MIN_INTERVAL = 0.05


class Watchdog:
    """Notifies systemd that the server is ready, healthy or stopping.

    Does nothing if the server was not started by systemd.

    Args:
        environ: The environment, with NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
        healthy: Returns whether the server is healthy.
        status: Returns a line for `systemctl status`.
    """

    def __init__(
        self, environ: Mapping[str, str], healthy: Callable[[], bool], status: Callable[[], str]
    ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._healthy = healthy
        self._status = status
        limit = environ.get("WATCHDOG_USEC", "")
        watched = limit.isdecimal() and environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._interval = max(MIN_INTERVAL, int(limit) / 1e6 / NOTIFICATIONS) if watched else 0.0

    def notify(self, state: str) -> None:
        """Send a state such as `READY=1`. Does not block."""
        if self._address:
            with (
                contextlib.suppress(OSError),
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
            ):
                sock.setblocking(False)
                sock.sendto(state.encode(), self._address)

    def tasks(self) -> tuple[Callable[[], None], ...]:
        """Return the functions to run, each in its own greenlet."""
        return (self._watch,)

    def stop(self, timeout: float) -> None:
        """Do nothing, since systemd waits for the process to exit."""

    def _watch(self) -> None:
        """Send WATCHDOG=1 while the server is healthy; return if the watchdog is off."""
        while self._address and self._interval:
            if self._healthy():
                self.notify(f"WATCHDOG=1\nSTATUS={self._status()}")
            gevent.sleep(self._interval)
