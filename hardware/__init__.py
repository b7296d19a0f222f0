"""The physical button and its LED."""

import logging
import sys
from collections.abc import Mapping, Sequence

from .button import Button
from .debouncer import Debouncer
from .gpio import GpioInput, GpioOutput, is_raspberry_pi
from .led import Led
from .pins import HardwareError, InputPin, OutputPin
from .simulated import SimulatedInput, SimulatedOutput, tap_at_random, tap_on_enter

__all__ = [
    "Button",
    "Debouncer",
    "GpioInput",
    "GpioOutput",
    "HardwareError",
    "InputPin",
    "Led",
    "OutputPin",
    "SimulatedInput",
    "SimulatedOutput",
    "is_at_terminal",
    "log_inputs",
    "open_inputs",
    "open_output",
    "tap_at_random",
    "tap_on_enter",
]

log = logging.getLogger(__name__)


def open_inputs(
    hardware: str, numbers: Sequence[int], fifo: str | None, site: str | None = None
) -> dict[str, InputPin]:
    """Open the buttons' pins. Never falls back to another kind of pin.

    Args:
        hardware: `gpio`, `simulated`, `none`, or `auto` (`gpio` on a Raspberry Pi, `simulated` elsewhere).
        numbers: Physical pin numbers.
        fifo: Path of the FIFO that drives the first simulated pin, or None.
        site: Location to include in the sources' names, or None.

    Returns:
        The pins by source of their presses: `button`, or `button-11` and so on for several pins. Empty for
        `none`.

    Raises:
        HardwareError: A pin cannot be used.
    """
    hardware = _resolve(hardware)
    at_site = f"@{site}" if site else ""
    names = [f"button-{number}{at_site}" for number in numbers] if numbers[1:] else [f"button{at_site}"]
    if hardware == "gpio":
        return {name: GpioInput(number) for name, number in zip(names, numbers, strict=True)}
    if hardware == "simulated":
        try:
            return {name: SimulatedInput(fifo if name == names[0] else None) for name in names}
        except OSError as error:
            raise HardwareError(f"BUTTON_SIMULATED_PIN: {fifo}: {error.strerror}") from error
    return {}


def open_output(hardware: str, number: int | None) -> OutputPin | None:
    """Open the LED's pin.

    Args:
        hardware: As for `open_inputs`.
        number: Physical pin number, or None if there is no LED.

    Returns:
        The pin, or None for `none` or without an LED.

    Raises:
        HardwareError: The pin cannot be used.
    """
    hardware = _resolve(hardware)
    if number is None or hardware == "none":
        return None
    return GpioOutput(number) if hardware == "gpio" else SimulatedOutput()


def log_inputs(pins: Mapping[str, InputPin], numbers: Sequence[int], fifo: str | None) -> None:
    """Log the pins in use, and how to press a simulated one.

    The arguments are those of `open_inputs`.
    """
    first = next(iter(pins.values()), None)
    used = ", ".join(map(str, numbers)) if first else "none"
    log.info("Hardware %s, pin %s", first.driver if first else "none", used)
    if isinstance(first, SimulatedInput):
        enter = "press Enter" if is_at_terminal() else ""
        write = f"write 0 and then 1 to {fifo}" if fifo else ""
        ways = ", or ".join(way for way in (enter, write) if way) or "set BUTTON_SIMULATED_PIN"
        log.warning("The button is simulated; to press it: %s", ways)


def is_at_terminal() -> bool:
    """Return whether standard input is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def _resolve(hardware: str) -> str:
    if hardware == "auto":
        return "gpio" if is_raspberry_pi() else "simulated"
    return hardware
