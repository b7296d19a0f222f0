"""Pin interfaces, and the error for unusable pins."""

from typing import Protocol


class HardwareError(Exception):
    """The button cannot be used as configured.

    The message is one line that says why and how to fix it.
    """


class InputPin(Protocol):
    """A pin whose level can be read."""

    #: The library or kind of pin, for the log and the admin page.
    driver: str

    def read(self) -> int:
        """Return the level, 0 while the button is pressed, else 1.

        Called from a native thread.
        """

    def close(self) -> None:
        """Release the pin."""


class OutputPin(Protocol):
    """A pin whose level can be set."""

    def write(self, level: int) -> None:
        """Set the level, where 1 turns on the LED."""

    def close(self) -> None:
        """Turn the LED off and release the pin."""
