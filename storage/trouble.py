"""Logging of failures, once when an action fails and once when it recovers."""

import logging

log = logging.getLogger(__name__)


class Trouble:
    """Tracks whether an action fails, and why.

    Args:
        action: Name of the action in the log, such as "Writing to the database".
        consequence: Consequence of a failure for the log, such as "presses are queued".
    """

    def __init__(self, action: str, consequence: str = "") -> None:
        self._action = action
        self._consequence = f", {consequence}" if consequence else ""
        #: The current error, or None if the action succeeds.
        self.reason: str | None = None

    def fail(self, error: Exception) -> None:
        """Record a failure, and log it if the reason is new."""
        reason = str(error)
        if self.reason != reason:
            log.error("%s failed%s: %s", self._action, self._consequence, reason)
        self.reason = reason

    def recover(self) -> None:
        """Record a success, and log it after a failure."""
        if self.reason is not None:
            log.warning("%s recovered", self._action)
        self.reason = None
