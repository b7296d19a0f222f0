"""The pin that the button is wired to, and which kind of it to open."""

import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from gevent import monkey

from .led import OutputPin
from .simulated import SimulatedOutput, SimulatedPin


class HardwareError(Exception):
    """The button cannot be used as set; the text is one line that says why and how to mend it."""


class Pin(Protocol):
    """A pin whose level can be read."""

    #: What it is, for the log and the admin page.
    driver: str

    def read(self) -> int:
        """The level now: 0 while the button is pressed, 1 else. Called from a native thread."""

    def close(self) -> None:
        """Give the pin back."""


class _HeaderPin:
    """A pin of the header by its physical number (BOARD numbering). Raises `HardwareError`."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._gpio = _library()
        self._take(lambda gpio: gpio.setwarnings(False))
        self._take(lambda gpio: gpio.setmode(gpio.BOARD))

    def _take(self, step: Callable[[Any], Any]) -> None:
        try:
            step(self._gpio)
        except Exception as error:  # each library raises its own kinds
            raise HardwareError(_why(self._number, error)) from error

    def close(self) -> None:
        """Give the pin back, as an input: an LED goes out."""
        self._gpio.cleanup(self._number)


class GpioPin(_HeaderPin):
    """A pin of the Raspberry Pi's header, with its internal pull-up on.

    Wire one leg of the button to physical pin 11 (GPIO17) and the other to ground, say physical
    pin 9; no resistor is needed, since the pull-up (about 50 kOhm) keeps the pin at 3.3 V until the
    button connects it to ground.

        pin = GpioPin(11)
        pin.read()    # 0 while pressed, 1 else

    `number` is the physical one (BOARD numbering). Works with RPi.GPIO and with rpi-lgpio, which
    has the same module name. Only the level is read: edge detection does not exist on every kernel,
    and `bouncetime` loses presses. Raises `HardwareError`.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        try:
            self._take(lambda gpio: gpio.setup(number, gpio.IN, pull_up_down=gpio.PUD_UP))
        except HardwareError as error:
            self._blame_the_pull(error)
            raise
        self._take(lambda gpio: gpio.input(number))
        self.driver = f"RPi.GPIO {self._gpio.VERSION}"

    def read(self) -> int:
        """The level now: 0 while pressed, 1 else."""
        return self._gpio.input(self._number)

    def _blame_the_pull(self, error: HardwareError) -> None:
        """Raise what to do where the pin can be had, but without a pull-up, as on kernels before 5.5."""
        try:
            self._take(lambda gpio: gpio.setup(self._number, gpio.IN))
        except HardwareError:  # then it was not the pull
            return
        self.close()
        raise HardwareError(
            f"Pin {self._number}: its pull-up cannot be set here, and without one it reads noise; install a"
            " kernel from 5.5 on"
        ) from error


class GpioOutput(_HeaderPin):
    """A pin of the Raspberry Pi's header that is set, for an LED and its resistor. Raises `HardwareError`."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._take(lambda gpio: gpio.setup(number, gpio.OUT, initial=0))

    def write(self, level: int) -> None:
        """Set the level: 1 is 3.3 V."""
        self._gpio.output(self._number, level)


def open_pins(hardware: str, numbers: Sequence[int], fifo: str | None) -> list[Pin]:
    """The pins of `numbers` (physical), as the setting `hardware` wants them; none: an empty list.

    `auto` is `gpio` on a Raspberry Pi and `simulated` elsewhere. `fifo` is the path of the FIFO that
    drives the first simulated pin. Raises `HardwareError`; never falls back to another kind.
    """
    hardware = _kind(hardware)
    if hardware == "gpio":
        return [GpioPin(number) for number in numbers]
    if hardware == "simulated":
        try:
            return [SimulatedPin(fifo if number == numbers[0] else None) for number in numbers]
        except OSError as error:
            raise HardwareError(f"BUTTON_SIMULATED_PIN: {fifo}: {error.strerror}") from error
    return []


def open_led(hardware: str, number: int) -> OutputPin | None:
    """The pin of the LED (physical number); None where the setting `hardware` is none.

    Raises `HardwareError`.
    """
    hardware = _kind(hardware)
    if hardware == "gpio":
        return GpioOutput(number)
    return SimulatedOutput() if hardware == "simulated" else None


def _kind(hardware: str) -> str:
    if hardware == "auto":
        return "gpio" if is_raspberry_pi() else "simulated"
    return hardware


def is_raspberry_pi() -> bool:
    """Whether this machine is a Raspberry Pi."""
    try:
        return b"Raspberry Pi" in Path("/proc/device-tree/model").read_bytes()
    except OSError:
        pass
    try:
        return "Raspberry Pi" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def _library() -> Any:
    """The GPIO library, imported as if gevent had not patched the process.

    rpi-lgpio's lgpio starts a reader thread at import. In a patched process that is a greenlet which
    blocks the hub in a read, for ever. It also makes a FIFO in the working directory, which may not
    be writable: give it a folder of its own.
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
    except Exception as error:  # both raise RuntimeError or others at import where they cannot run
        mend = "on a Raspberry Pi 5 install rpi-lgpio in RPi.GPIO's place"
        if "old-style" in str(error):  # of the first Pis, which rpi-lgpio does not know
            mend = "install RPi.GPIO in rpi-lgpio's place: make clean run"
        raise HardwareError(
            f"The GPIO library does not run here: {_line(error)}; {mend},"
            " on a machine that is no Pi set BUTTON_HARDWARE=simulated"
        ) from error
    finally:
        for module, values in patched.items():
            for key, value in values.items():
                setattr(module, key, value)


def _why(number: int, error: Exception) -> str:
    text = str(error).lower()
    closed = "can not open gpiochip" in text  # so lgpio says, whatever the reason
    chips = list(Path("/dev").glob("gpiochip*"))
    if closed and not chips:
        return f"Pin {number}: this machine has no /dev/gpiochip, so no GPIO; set BUTTON_HARDWARE=simulated"
    if closed or isinstance(error, PermissionError) or "no access to /dev/mem" in text or "permi" in text:
        return f"Pin {number}: no right to use GPIO; add the user to the group gpio ({_line(error)})"
    if "peripheral base" in text:
        return "RPi.GPIO does not run on a Raspberry Pi 5: install rpi-lgpio in its place: make clean run"
    if "busy" in text:
        mend = "stop that one or choose another pin"
        return f"Pin {number}: another program uses it; {mend} ({_line(error)})"
    return f"Pin {number}: {_line(error)}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
