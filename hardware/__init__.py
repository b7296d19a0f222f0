"""The physical button and its LED."""

from collections.abc import Sequence

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
    "open_inputs",
    "open_output",
    "tap_at_random",
    "tap_on_enter",
]


def open_inputs(hardware: str, numbers: Sequence[int], fifo: str | None) -> list[InputPin]:
    """Open the pins of the buttons. Never falls back to another kind of pin.

    Args:
        hardware: `gpio`, `simulated`, `none`, or `auto`, which is `gpio` on a Raspberry Pi, else `simulated`.
        numbers: Physical numbers of the pins.
        fifo: Path of the FIFO that drives the first simulated pin; None: no FIFO.

    Returns:
        The pins; an empty list for `none`.

    Raises:
        HardwareError: A pin cannot be used.
    """
    hardware = _resolve(hardware)
    if hardware == "gpio":
        return [GpioInput(number) for number in numbers]
    if hardware == "simulated":
        try:
            return [SimulatedInput(fifo if number == numbers[0] else None) for number in numbers]
        except OSError as error:
            raise HardwareError(f"BUTTON_SIMULATED_PIN: {fifo}: {error.strerror}") from error
    return []


def open_output(hardware: str, number: int) -> OutputPin | None:
    """Open the pin of the LED.

    Args:
        hardware: As for `open_inputs`.
        number: Physical number of the pin.

    Returns:
        The pin; None for `none`.

    Raises:
        HardwareError: The pin cannot be used.
    """
    hardware = _resolve(hardware)
    if hardware == "gpio":
        return GpioOutput(number)
    return SimulatedOutput() if hardware == "simulated" else None


def _resolve(hardware: str) -> str:
    if hardware == "auto":
        return "gpio" if is_raspberry_pi() else "simulated"
    return hardware
