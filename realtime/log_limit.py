"""Rate limit for log lines, so that clients cannot fill the disk."""

import logging
import time
from collections.abc import Callable

import gevent


class RateLimit(logging.Filter):
    """Passes a limited number of records per second, and logs how many were dropped.

        log.addFilter(RateLimit(10))

    Args:
        per_second: Maximum number of records per second.
        applies: Selects the records to limit. All others pass.
    """

    def __init__(
        self, per_second: int, applies: Callable[[logging.LogRecord], bool] = lambda record: True
    ) -> None:
        super().__init__()
        self._per_second = per_second
        self._applies = applies
        self._second = self._passed = self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record passes."""
        if getattr(record, "is_report", False) or not self._applies(record):
            return True
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._passed = second, 0
        if self._passed < self._per_second:
            self._passed += 1
            return True
        self._left_out += 1
        if self._left_out == 1:
            gevent.spawn_later(1.0, self._report, record.name, record.levelno)
        return False

    def _report(self, name: str, level: int) -> None:
        left_out, self._left_out = self._left_out, 0
        logging.getLogger(name).log(level, "and %d more", left_out, extra={"is_report": True})
