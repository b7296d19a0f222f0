"""Why something fails, logged once when it begins to fail and once when it no longer does."""

import logging

log = logging.getLogger(__name__)


class Trouble:
    """Why an action fails now.

    Args:
        action: Its name in the log, such as "Writing to the database".
        consequence: What that leads to, such as "presses are queued"; empty: nothing.
    """

    def __init__(self, action: str, consequence: str = "") -> None:
        self._action = action
        self._consequence = f", {consequence}" if consequence else ""
        #: The last error; None: the action succeeds.
        self.reason: str | None = None

    def fail(self, error: Exception) -> None:
        """Note that the action fails."""
        reason = str(error)
        if self.reason != reason:
            log.error("%s failed%s: %s", self._action, self._consequence, reason)
        self.reason = reason

    def recover(self) -> None:
        """Note that the action succeeds."""
        if self.reason is not None:
            log.warning("%s recovered", self._action)
        self.reason = None
