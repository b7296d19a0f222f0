"""Services, signals, priority, limits and exit of the process."""

import contextlib
import ctypes
import gc
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypedDict

import gevent
from gevent import event as gevent_event
from gevent import monkey
from gevent.util import print_run_info

from . import log_output

log = logging.getLogger("button")

#: Seconds before a busy hub releases the interpreter. With the default of 5 ms, the pin is sampled late.
SWITCH_INTERVAL = 0.0005
#: Niceness of the process, where permitted. Without it a kiosk's browser delays a sample of the pin by up to
#: 80 ms, enough to miss a press. Prioritizing only the sampler is not sufficient, since the thread with the
#: GIL must run, too.
NICENESS = -10
#: Total timeout for stopping the services, in seconds. The documented limit is 5 s.
STOP_TIMEOUT = 4.3
#: Maximum share of `STOP_TIMEOUT` for one service.
MAX_SHARE = 0.6
#: Seconds before a crashed task of an optional service is restarted.
RESTART_DELAY = 5.0
#: Seconds between releases of freed memory to the system.
TRIM_INTERVAL = 5.0
#: File descriptors reserved for the database, the pins, the feed and plain HTTP.
RESERVED_DESCRIPTORS = 256
EX_SOFTWARE = 70

_sleep = monkey.get_original("time", "sleep")
_start_thread = monkey.get_original("_thread", "start_new_thread")


class StartError(Exception):
    """The program cannot start. The message contains the reason and a fix."""


class _Service(NamedTuple):
    name: str
    tasks: Iterable[Callable[[], None]]
    stop: Callable[[float], object] | None
    critical: bool


class ServicesStatus(TypedDict):
    """Warnings about crashed optional services."""

    warnings: list[str]


class Services:
    """The services of the program, started and stopped in the order in which they were added.

    Critical services are those needed to record and show a press. If one of their tasks raises an exception,
    the process exits and systemd restarts it. Tasks of other services are restarted after the exception is
    logged.
    """

    def __init__(self) -> None:
        self._services: list[_Service] = []
        self._reporters: dict[str, Callable[[], Mapping[str, Any]]] = {"services": self.status}
        self._crashed: dict[str, str] = {}
        self._stopping = False

    def add(
        self,
        name: str,
        tasks: Iterable[Callable[[], None]] = (),
        stop: Callable[[float], object] | None = None,
        critical: bool = False,
        **status: Callable[[], Mapping[str, Any]],
    ) -> None:
        """Add a service.

        Args:
            name: Name in log lines.
            tasks: Functions to run, each in its own greenlet. They are not restarted when they return.
            stop: Called with its timeout in seconds.
            critical: Whether an exception in a task ends the process.
            status: Functions that return parts of the health report, by name. They must not block.
        """
        self._reporters |= status
        self._services.append(_Service(name, tasks, stop, critical))

    def start(self) -> None:
        """Start the tasks of all services."""
        for service in self._services:
            for task in service.tasks:
                gevent.spawn(self._run, service, task)

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Stop all services within `timeout` seconds, even if some fail or hang."""
        self._stopping = True
        deadline = time.monotonic() + timeout
        for service in self._services:
            if service.stop is None:
                continue
            # If a service hangs, those after it still get some time.
            left = max(0.1, min(MAX_SHARE * timeout, deadline - time.monotonic()))
            try:
                with gevent.Timeout(left + 0.1):
                    service.stop(left)
            except (Exception, gevent.Timeout) as error:
                log.error("Stopping the %s failed: %s", service.name, error or type(error).__name__)

    def report(self) -> dict[str, Mapping[str, Any]]:
        """Return the health of all services.

        `trouble` is the reason why presses cannot be recorded, and `warnings` are other problems.
        """
        return {name: status() for name, status in self._reporters.items()}

    def status(self) -> ServicesStatus:
        """Return the optional services that have crashed, as warnings."""
        return {"warnings": [f"{name} crashed: {error}" for name, error in self._crashed.items()]}

    def _run(self, service: _Service, task: Callable[[], None]) -> None:
        while True:
            try:
                task()
                return
            except Exception as error:
                if self._stopping:
                    log.warning("The %s failed while stopping: %s", service.name, error)
                    return
                if service.critical:
                    log.critical(
                        "Unhandled exception in the %s; exiting so that systemd restarts the server",
                        service.name,
                        exc_info=True,
                    )
                    exit_now(EX_SOFTWARE)
                if service.name not in self._crashed:
                    log.exception("The %s crashed, restarting every %.0f s", service.name, RESTART_DELAY)
                self._crashed[service.name] = f"{type(error).__name__}: {error}"
                gevent.sleep(RESTART_DELAY)


def stop_event() -> gevent_event.Event:
    """Return the event that SIGTERM and SIGINT set. The process then exits within 5 s."""
    stopping = gevent_event.Event()

    def stop() -> None:
        if not stopping.is_set():
            _start_thread(_exit_late, ())
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop)
    return stopping


def dump_stacks_on_signal() -> None:
    """Print the stacks of all greenlets and threads to `sys.stderr` on SIGUSR1."""
    gevent.signal_handler(signal.SIGUSR1, lambda: print_run_info(file=sys.stderr))


def _exit_late() -> None:
    """Exit after the timeout, even if a service hangs. Runs in a native thread."""
    _sleep(STOP_TIMEOUT)
    log_output.write_line("Stopping took too long; exiting")
    _sleep(0.25)
    os._exit(0)


def exit_now(status: int) -> None:
    """Exit without waiting for threads, one of which may be blocked on disk I/O."""
    log_output.flush(timeout=1.0)
    os._exit(status)


def set_priority() -> None:
    """Raise the process priority where permitted.

    Call it before threads are started, since they inherit it.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    if os.getpriority(os.PRIO_PROCESS, 0) == 0:  # not set by the administrator
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)


def limit_clients(maximum: int) -> int:
    """Raise the limit on file descriptors; return how many clients it allows.

    Args:
        maximum: Maximum number of clients to return.

    Raises:
        StartError: The limit allows no clients.
    """
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if limit <= RESERVED_DESCRIPTORS:
        raise StartError(
            f"ulimit -n: expected more than {RESERVED_DESCRIPTORS} descriptors, got {limit}; raise the hard"
            " limit (LimitNOFILE= in systemd)"
        )
    return min(maximum, limit - RESERVED_DESCRIPTORS)


def trim_heap() -> None:
    """Release freed memory to the system every `TRIM_INTERVAL`. Does not return.

    Otherwise glibc keeps it: 32 MB after hashing a password, more after many clients.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:  # not glibc
        gevent.sleep(TRIM_INTERVAL)
        gevent.get_hub().threadpool.apply(trim, (0,))


def freeze_heap() -> None:
    """Freeze the objects created at start, so that garbage collection ignores them.

    A full collection runs when the heap has grown by 25 %. With 200,000 module objects that took hours, and
    each collection took 30 ms.
    """
    gc.freeze()
    gc.collect()
    gc.set_threshold(700, 10, 2)
