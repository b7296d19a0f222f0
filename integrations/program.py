"""Start, output and shutdown of a program with its services."""

import logging
import os
from collections.abc import Callable
from typing import NamedTuple

from . import log_output, process, terminal
from .systemd import Watchdog

log = logging.getLogger("button")


class Program(NamedTuple):
    """A program that is built but not running."""

    services: process.Services
    #: Returns whether presses can be detected and stored. If not, systemd restarts the program.
    is_alive: Callable[[], bool]
    #: Returns a line for `systemctl status`.
    summary: Callable[[], str]
    #: Lines to print once the program runs.
    lines: tuple[str, ...]
    #: URL of the server, or None if the program is not a server.
    url: str | None = None


def run(build: Callable[[], Program], open_browser: bool = False) -> None:
    """Build a program and run it until SIGTERM or SIGINT. Exceptions of `build` propagate."""
    stopping = process.stop_event()
    process.dump_stacks_on_signal()
    program = build()
    watchdog = Watchdog(os.environ, program.is_alive, program.summary)
    program.services.add("watchdog", watchdog.tasks())
    program.services.start()
    process.freeze_heap()
    for line in program.lines:
        log_output.write_line(line)
    watchdog.notify("READY=1")
    if open_browser and program.url:
        terminal.open_browser(program.url)
    stopping.wait()
    log.info("Stopping")
    watchdog.notify("STOPPING=1")
    program.services.stop()
