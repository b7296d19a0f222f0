"""The physical button: from the voltage on a pin to presses, each counted once."""

from .button import Button
from .debounce import Debouncer
from .led import Led
from .pin import HardwareError, Pin, open_led, open_pins
from .simulated import SimulatedPin, tap_now_and_then, tap_on_enter

__all__ = [
    "Button",
    "Debouncer",
    "HardwareError",
    "Led",
    "Pin",
    "SimulatedPin",
    "open_led",
    "open_pins",
    "tap_now_and_then",
    "tap_on_enter",
]
