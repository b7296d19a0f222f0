"""Non-blocking logging to standard error through a native thread."""

import contextlib
import io
import logging
import os
import sys
import time
from collections import deque

from gevent import monkey

#: Maximum number of queued lines. More are dropped and counted.
MAX_LINES = 1000
#: Maximum characters of a line.
MAX_LINE_SIZE = 8192
#: Number of recent lines for the admin page, and maximum characters of each.
MAX_RECENT, MAX_RECENT_SIZE = 100, 1000

_start_thread = monkey.get_original("_thread", "start_new_thread")
_allocate_lock = monkey.get_original("_thread", "allocate_lock")


class _Writer:
    """Writes lines in a native thread. `put` never blocks."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._wake = _allocate_lock()
        self._wake.acquire()
        self._busy = False
        _start_thread(self._run, ())

    def put(self, line: str) -> None:
        """Queue a line, or drop it if the queue is full."""
        if len(self._lines) >= MAX_LINES:
            self._dropped += 1
            return
        self._lines.append(line[:MAX_LINE_SIZE])
        with contextlib.suppress(RuntimeError):  # already awake
            self._wake.release()

    def is_idle(self) -> bool:
        """Return whether everything is written."""
        return not self._lines and not self._busy

    def _run(self) -> None:
        while True:
            self._wake.acquire()
            while self._lines:
                self._busy = True
                _write(self._lines.popleft())
                if self._dropped and len(self._lines) < MAX_LINES // 2:
                    dropped, self._dropped = self._dropped, 0
                    _write(f"{dropped} log lines were dropped: standard error was not read\n")
                self._busy = False


def _write(text: str) -> None:
    data = text.encode("utf-8", "backslashreplace")
    with contextlib.suppress(OSError):  # closed, so the error cannot be reported
        while data:
            data = data[os.write(2, data) :]


class _JournalFormatter(logging.Formatter):
    """Formats records with the priority prefixes of sd-daemon(3), which systemd's journal stores."""

    def format(self, record: logging.LogRecord) -> str:
        # 2 is critical, 3 error, 4 warning, 6 info, 7 debug.
        priority = {50: 2, 40: 3, 30: 4, 20: 6}.get(record.levelno, 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))


def _is_journal() -> bool:
    """Return whether standard error is a stream of systemd's journal."""
    try:
        stream = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"


class _Handler(logging.Handler):
    """Queues records, and keeps the newest lines of the log."""

    def __init__(self, writer: _Writer) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        _keep(record)
        try:
            self._writer.put(self.format(record) + "\n")
        except Exception:
            self._writer.put(f"A log line could not be formatted: {record.msg!r}\n")


class _Stream(io.TextIOBase):
    """Replacement for `sys.stderr`, for gevent's tracebacks, warnings and output from libraries."""

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer
        self._partial = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._partial = (self._partial + text).split("\n")
        for line in lines:
            self._writer.put(line + "\n")
        if len(self._partial) > MAX_LINE_SIZE:
            self._writer.put(self._partial + "\n")
            self._partial = ""
        return len(text)

    def fileno(self) -> int:
        return 2


_writer: _Writer | None = None
_recent: deque[tuple[float, str, str]] = deque(maxlen=MAX_RECENT)  # records, as in `recent`
_plain = logging.Formatter("%(message)s")


def _keep(record: logging.LogRecord) -> None:
    """Keep a record. Lines of `write_line`, such as the first password, are not kept."""
    with contextlib.suppress(Exception):  # it cannot be formatted; the handler reports that
        _recent.append((record.created, record.levelname, _plain.format(record)[:MAX_LINE_SIZE]))


def _printable(line: str) -> str:
    """Return a line with its control characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def recent() -> list[tuple[float, str, str]]:
    """Return the newest lines of the log, oldest first, each with its Unix seconds, level and text."""
    lines = [(at, level, line) for at, level, text in list(_recent) for line in text.split("\n")]
    return [(at, level, _printable(line[:MAX_RECENT_SIZE])) for at, level, line in lines[-MAX_RECENT:]]


def open_standard_streams() -> None:
    """Open closed standard descriptors, so that no database file gets their numbers.

    Otherwise a line for standard error could be written into the database.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


def start(level: str) -> None:
    """Write log records of `level` and above, and `sys.stderr`, from a native thread.

    Neither ever blocks, since lines are queued.
    """
    global _writer
    _writer = _Writer()
    handler = _Handler(_writer)
    formatter = _JournalFormatter if _is_journal() else logging.Formatter
    handler.setFormatter(formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    sys.stderr = _Stream(_writer)


def write_line(line: str) -> None:
    """Write a line to standard error regardless of the log level."""
    if _writer is None:
        _write(line + "\n")
    else:
        _writer.put(line + "\n")


def flush(timeout: float) -> None:
    """Wait up to `timeout` seconds until all lines are written."""
    sleep = monkey.get_original("time", "sleep")
    deadline = time.monotonic() + timeout
    while _writer is not None and not _writer.is_idle() and time.monotonic() < deadline:
        sleep(0.005)
