"""Pins, the sampler thread, holds and LEDs."""

import os
import stat
import sys
import threading
import time
from pathlib import Path

import gevent
import pytest
from server import until
from switch_model import Finger

from hardware import Button, HardwareError, Led, SimulatedInput, open_inputs

pytestmark = pytest.mark.alone


def play(finger, path, done):
    """Write the finger's edges to the FIFO. Runs in a native thread."""
    fd = os.open(path, os.O_WRONLY)
    started = time.monotonic()
    for at, level in finger.edges:
        if (wait := started + at - time.monotonic()) > 0.0003:
            time.sleep(wait)  # keep the finger's pace
        os.write(fd, b"01"[level : level + 1])
    time.sleep(0.1)  # until the last level is sampled
    os.close(fd)
    done.set()


def start(button):
    """Start a button and return its greenlets."""
    button.start()
    return [gevent.spawn(task) for task in button.tasks()]


def watch(pins, hub_stall=0.0, until_done=None):
    """Run a button in this thread's hub until `until_done` is set.

    Returns:
        The presses and the button.
    """
    pressed = []
    button = Button(pins, pressed.append)
    start(button)
    while not until_done.is_set():
        if hub_stall:
            time.sleep(hub_stall)  # blocks the hub, as a careless greenlet would
        gevent.sleep(0.3 if hub_stall else 0.01)
    gevent.sleep(0.05)
    button.stop()
    return pressed, button


@pytest.mark.parametrize("hub_stall", [0.0, 0.25])
def test_bouncing_presses_count_once_even_while_the_hub_is_blocked(tmp_path, hub_stall):
    """Runs in which the sampler was blocked for over 20 ms are repeated."""
    for attempt in range(5):
        path = tmp_path / f"pin{attempt}"
        done = threading.Event()
        pins = {"button": SimulatedInput(str(path))}
        finger = Finger(seed=5, presses=20)
        threading.Thread(target=play, args=(finger, path, done), daemon=True).start()
        pressed, button = watch(pins, hub_stall, done)
        if not button.status()["long_gaps"]:
            break
    assert not button.status()["long_gaps"], "five inconclusive runs"
    assert pressed == ["button"] * 20


def test_each_pin_counts_under_its_name():
    pins = {"button-11": SimulatedInput(), "button-13": SimulatedInput()}
    pressed = []
    button = Button(pins, pressed.append)
    start(button)
    pins["button-13"].tap()
    pins["button-11"].tap()
    pins["button-13"].tap()
    end = time.monotonic() + 10
    while len(pressed) < 3 and time.monotonic() < end:
        gevent.sleep(0.01)
    button.stop()
    assert sorted(pressed) == ["button-11", "button-13", "button-13"]


def test_unreadable_pin_ends_the_greenlet():
    class Broken:
        driver = "broken"

        def read(self):
            raise OSError("the wire is cut")

        def close(self):
            pass

    hub = gevent.get_hub()
    hub.print_exception, printed = lambda *_: None, hub.print_exception
    try:
        (greenlet,) = start(Button({"button": Broken()}, print))
        greenlet.join(10)
    finally:
        hub.print_exception = printed
    assert isinstance(greenlet.exception.__cause__, OSError)


def test_fifo_is_private_and_stays_open_between_writers(tmp_path):
    path = tmp_path / "pin"
    pin = SimulatedInput(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert pin.read() == 1
    for text, level in (("0\n", 0), ("noise", 0), ("1", 1), ("010", 0)):
        path.write_text(text)
        until(lambda level=level: pin.read() == level, f"level {level} after {text!r}")
    pin.close()
    assert SimulatedInput(str(path)).read() == 1


def test_path_that_is_not_a_fifo_is_rejected(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HardwareError, match=r"BUTTON_SIMULATED_PIN.*not a FIFO"):
        open_inputs("simulated", (11,), str(tmp_path / "file"))


def test_unavailable_gpio_is_an_error_without_fallback():
    with pytest.raises(HardwareError, match="BUTTON_HARDWARE=simulated"):
        open_inputs("gpio", (11,), None)


LIBRARY = """
BOARD, IN, OUT, PUD_UP, VERSION = 10, 1, 0, 22, "0.7.2"
def setwarnings(on): pass
def setmode(mode): {setmode}
def setup(pin, direction, pull_up_down=None, initial=None): {setup}
def input(pin): return 1
def cleanup(pin): pass
"""


@pytest.mark.parametrize(
    ("start", "setmode", "setup", "message"),
    [
        ("raise Exception('GPIO busy')", "pass", "pass", "does not run here: GPIO busy"),
        (
            "raise NotImplementedError('This module does not understand old-style revision codes')",
            "pass",
            "pass",
            "install RPi.GPIO instead of rpi-lgpio",
        ),
        ("", "raise Exception('can not open gpiochip')", "pass", "no /dev/gpiochip|group gpio"),
        ("", "pass", "raise Exception('No permission to write')", "no permission to use GPIO; .* group gpio"),
        ("", "raise RuntimeError('Cannot determine SOC peripheral base address')", "pass", "rpi-lgpio"),
        ("", "pass", "raise Exception('GPIO busy')", "another program uses it; stop that program"),
        ("", "pass", "assert not pull_up_down, 'bad flags'", "pull-up cannot be set here"),
        ("", "pass", "raise Exception('bad flags')", "Pin 11: bad flags"),
    ],
)
def test_library_error_becomes_a_message_with_a_fix(monkeypatch, tmp_path, start, setmode, setup, message):
    """The errors are those of RPi.GPIO 0.7.1, rpi-lgpio 0.6 and lgpio 0.2.2."""
    (tmp_path / "RPi").mkdir()
    text = LIBRARY.format(setmode=setmode, setup=setup) + start
    (tmp_path / "RPi/__init__.py").write_text("")
    (tmp_path / "RPi/GPIO.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("RPi", "RPi.GPIO"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(HardwareError, match=message):
        open_inputs("gpio", (11,), None)


def test_hardware_none_has_no_pins():
    assert open_inputs("none", (11,), None) == {}


def test_tap_is_a_press_and_a_release():
    pin = SimulatedInput()
    assert pin.read() == 1
    pin.tap()
    assert pin.read() == 0
    until(lambda: pin.read() == 1, "the release")


def test_held_press_is_undone(start, watch):
    server = start(hold=0.5)
    screen = watch(server)
    server.push()
    server.push(held=0.9)
    assert screen.wait_for(3)["count"] == 19
    assert [(event["kind"], event["source"]) for event in server.history()] == [
        ("press", "button"), ("press", "button"), ("undo", "hold"),
    ]  # fmt: skip


def test_held_press_is_not_undone_if_the_count_has_changed(start):
    server = start(hold=1)
    server.set_level("0")
    until(lambda: server.count()["seq"] == 1, "the press")
    server.api("press")
    server.api("undo")
    until(lambda: any("is held, but the count" in line for line in server.log), "the log line")
    server.set_level("1")
    assert [event["source"] for event in server.history()] == ["button", "api", "api"]


def test_health_report_names_the_buttons_that_are_pressed(server):
    def pressed():
        return server.health().json()["hardware"]["pressed"]

    assert pressed() == []
    server.set_level("0")
    until(lambda: pressed() == ["button"], "the press")
    server.set_level("1")
    until(lambda: pressed() == [], "the release")


@pytest.mark.parametrize("setting", [{"led_pin": 11}, {"led_pin": "12,13"}, {"hold": "-1"}, {"hold": "61"}])
def test_invalid_led_pin_or_hold_is_an_error(start, setting):
    (name,) = setting
    with pytest.raises(AssertionError, match=f"BUTTON_{name.upper()}: expected "):
        start(**setting)


class RecordingOutput:
    """An output pin that records its levels."""

    def __init__(self):
        self.levels = []

    def write(self, level):
        self.levels.append(level)

    def close(self):
        self.levels.append("closed")


def test_led_is_on_at_rest_and_blinks_the_given_number_of_times():
    output = RecordingOutput()
    led = Led(output, lambda: "rest")
    greenlet = gevent.spawn(led.tasks()[0])
    gevent.sleep(0)
    led.blink(1)
    led.blink(2)
    with gevent.Timeout(10):
        while output.levels.count(0) < 3 or output.levels[-1] == 0:
            gevent.sleep(0.01)
    led.stop()
    greenlet.join(10)
    assert output.levels[:7] == [1, 0, 1, 0, 1, 0, 1]
    assert output.levels[-1] == "closed"


@pytest.mark.parametrize("state", ["slow", "fast"])
def test_led_flashes_while_there_is_a_problem(state):
    output = RecordingOutput()
    led = Led(output, lambda: state)
    greenlet = gevent.spawn(led.tasks()[0])
    with gevent.Timeout(20):
        while output.levels != [0, 1, 0, 1]:
            gevent.sleep(0.01)
    assert led.status() == {"shows": state}
    led.stop()
    greenlet.join(10)


def test_server_raises_its_priority_if_permitted_and_not_yet_set(server):
    inherited = os.getpriority(os.PRIO_PROCESS, 0)
    niceness = -10 if os.geteuid() == 0 and inherited == 0 else inherited
    tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
    assert {(task / "stat").read_text().rsplit(")")[1].split()[16] for task in tasks} == {str(niceness)}
