"""What fails now, logged once when it begins and once when it ends."""

import logging

log = logging.getLogger(__name__)


class Trouble:
    """The actions of a service that fail now.

    Args:
        actions: The name of each action in the log, such as "Writing to the database".
    """

    def __init__(self, **actions: str) -> None:
        self._actions = actions
        self._failing: dict[str, str] = {}

    def fail(self, action: str, error: Exception) -> None:
        """Note that an action fails; log it if it did not fail for this reason before."""
        if self._failing.get(action) != str(error):
            log.error("%s failed: %s", self._actions[action], error)
        self._failing[action] = str(error)

    def recover(self, action: str) -> None:
        """Note that an action succeeds; log it if it failed before."""
        if self._failing.pop(action, None):
            log.warning("%s recovered", self._actions[action])

    def get(self, action: str) -> str | None:
        """Return why an action fails; None: it does not."""
        return self._failing.get(action)
