"""A program: its services, what it prints, and its life until SIGTERM or SIGINT."""

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
    #: Whether it can still see a press and store it; if not, systemd should restart it.
    is_alive: Callable[[], bool]
    #: What it does, in one line.
    summary: Callable[[], str]
    #: What to print once it runs.
    lines: tuple[str, ...]
    #: Where it serves; None: nowhere.
    url: str | None = None


def run(build: Callable[[], Program], open_browser: bool = False) -> None:
    """Build a program and run it until SIGTERM or SIGINT. Raises what `build` raises."""
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
