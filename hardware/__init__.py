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
    """Open the pins of the buttons. Never falls back to another kind of pin.

    Args:
        hardware: `gpio`, `simulated`, `none`, or `auto`, which is `gpio` on a Raspberry Pi, else `simulated`.
        numbers: Physical numbers of the pins.
        fifo: Path of the FIFO that drives the first simulated pin; None: no FIFO.
        site: Location in the names of the sources; None: they have none.

    Returns:
        Each pin under the source of its presses, `button`, or `button-11` of several; empty for `none`.

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
    """Open the pin of the LED.

    Args:
        hardware: As for `open_inputs`.
        number: Physical number of the pin; None: there is no LED.

    Returns:
        The pin; None for `none`, or without an LED.

    Raises:
        HardwareError: The pin cannot be used.
    """
    hardware = _resolve(hardware)
    if number is None or hardware == "none":
        return None
    return GpioOutput(number) if hardware == "gpio" else SimulatedOutput()


def log_inputs(pins: Mapping[str, InputPin], numbers: Sequence[int], fifo: str | None) -> None:
    """Log which pins are used, and how a simulated one is pressed; the arguments as for `open_inputs`."""
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
