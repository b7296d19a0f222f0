"""Pins on the Raspberry Pi's header, and the library that drives them."""

import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gevent import monkey

from .pins import HardwareError


class _HeaderPin:
    """A pin on the header.

    Args:
        number: Physical pin number (BOARD numbering).

    Raises:
        HardwareError: The library or the pin cannot be used.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._gpio = _library()
        self._call(lambda gpio: gpio.setwarnings(False))
        self._call(lambda gpio: gpio.setmode(gpio.BOARD))

    def _call(self, step: Callable[[Any], Any]) -> None:
        try:
            step(self._gpio)
        except Exception as error:  # each library raises different exceptions
            raise HardwareError(_explain(self._number, error)) from error

    def close(self) -> None:
        """Make the pin an input again, which turns off an LED."""
        self._gpio.cleanup(self._number)


class GpioInput(_HeaderPin):
    """An input on the Raspberry Pi's header, with its internal pull-up enabled.

    Wire one leg of the button to physical pin 11 (GPIO17) and the other to ground, such as physical pin 9. No
    resistor is needed. The pull-up (about 50 kOhm) keeps the pin at 3.3 V until the button connects it to
    ground.

        pin = GpioInput(11)
        pin.read()    # 0 while pressed, else 1

    Works with RPi.GPIO and with rpi-lgpio, which has the same module name. Only the level is read, because
    edge detection is not available on every kernel, and `bouncetime` loses presses.

    Args:
        number: Physical pin number (BOARD numbering).

    Raises:
        HardwareError: The library, the pin or its pull-up cannot be used.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        try:
            self._call(lambda gpio: gpio.setup(number, gpio.IN, pull_up_down=gpio.PUD_UP))
        except HardwareError as error:
            self._check_pull_up(error)
            raise
        self._call(lambda gpio: gpio.input(number))
        self.driver = f"RPi.GPIO {self._gpio.VERSION}"

    def read(self) -> int:
        """Return the level, 0 while pressed, else 1."""
        return int(self._gpio.input(self._number))

    def _check_pull_up(self, error: HardwareError) -> None:
        """Raise `HardwareError` if the pin works only without its pull-up.

        This is the case on kernels before 5.5.
        """
        try:
            self._call(lambda gpio: gpio.setup(self._number, gpio.IN))
        except HardwareError:  # the pull-up is not the cause
            return
        self.close()
        raise HardwareError(
            f"Pin {self._number}: its pull-up cannot be set here, and without one it reads noise; install"
            " Linux 5.5 or newer"
        ) from error


class GpioOutput(_HeaderPin):
    """An output on the Raspberry Pi's header, for an LED with a resistor.

    Args:
        number: Physical pin number (BOARD numbering).

    Raises:
        HardwareError: The library or the pin cannot be used.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._call(lambda gpio: gpio.setup(number, gpio.OUT, initial=0))

    def write(self, level: int) -> None:
        """Set the level, where 1 is 3.3 V."""
        self._gpio.output(self._number, level)


def is_raspberry_pi() -> bool:
    """Return whether this machine is a Raspberry Pi."""
    try:
        return b"Raspberry Pi" in Path("/proc/device-tree/model").read_bytes()
    except OSError:
        pass
    try:
        return "Raspberry Pi" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def _library() -> Any:
    """Import the GPIO library, with gevent's patches temporarily reverted.

    lgpio, which rpi-lgpio uses, starts a reader thread at import. In a patched process, that would be a
    greenlet whose read blocks the hub. lgpio also creates a FIFO in the working directory, which may not be
    writable, so it gets a temporary folder.
    """
    if importlib.util.find_spec("lgpio") and "LG_WD" not in os.environ:
        os.environ["LG_WD"] = tempfile.mkdtemp(prefix="button-lgpio-")
    patched = {}
    for name, saved in monkey.saved.items():
        if name in ("threading", "_thread", "time", "queue"):
            module = sys.modules[name]
            patched[module] = {key: getattr(module, key) for key in saved if hasattr(module, key)}
            for key, value in saved.items():
                setattr(module, key, value)
    try:
        return importlib.import_module("RPi.GPIO")
    except ImportError as error:
        raise HardwareError(
            "No GPIO library: install RPi.GPIO (rpi-lgpio on a Raspberry Pi 5), or set"
            f" BUTTON_HARDWARE=simulated ({error})"
        ) from error
    except Exception as error:  # both libraries raise at import if they cannot run
        fix = "on a Raspberry Pi 5, install rpi-lgpio instead of RPi.GPIO"
        if "old-style" in str(error):  # of early Pis, which rpi-lgpio does not support
            fix = "install RPi.GPIO instead of rpi-lgpio: make clean run"
        raise HardwareError(
            f"The GPIO library does not run here: {_first_line(error)}; {fix};"
            " on a machine other than a Pi, set BUTTON_HARDWARE=simulated"
        ) from error
    finally:
        for module, values in patched.items():
            for key, value in values.items():
                setattr(module, key, value)


def _explain(number: int, error: Exception) -> str:
    text = str(error).lower()
    closed = "can not open gpiochip" in text  # lgpio's message for all causes
    chips = list(Path("/dev").glob("gpiochip*"))
    if closed and not chips:
        return f"Pin {number}: this machine has no /dev/gpiochip, so no GPIO; set BUTTON_HARDWARE=simulated"
    if closed or isinstance(error, PermissionError) or "no access to /dev/mem" in text or "permi" in text:
        return (
            f"Pin {number}: no permission to use GPIO; add the user to the group gpio ({_first_line(error)})"
        )
    if "peripheral base" in text:
        return "RPi.GPIO does not run on a Raspberry Pi 5; install rpi-lgpio instead: make clean run"
    if "busy" in text:
        fix = "stop that program or choose another pin"
        return f"Pin {number}: another program uses it; {fix} ({_first_line(error)})"
    return f"Pin {number}: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
