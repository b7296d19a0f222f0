"""The physical button: from the voltage on a pin to presses, each counted once."""

from .button import Button
from .debounce import Debouncer
from .pin import HardwareError, Pin, open_pins
from .simulated import SimulatedPin, tap_on_enter

__all__ = ["Button", "Debouncer", "HardwareError", "Pin", "SimulatedPin", "open_pins", "tap_on_enter"]
