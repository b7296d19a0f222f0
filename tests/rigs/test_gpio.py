"""The whole server with the real C library RPi.GPIO and a simulated switch.

Requires root, which CI must provide.
"""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_pi import FakePi
from server import SUPPORT, until
from switch_model import Finger

VARIANT = SUPPORT / "faulty_app.py"
ATTEMPTS = 5

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(
        os.geteuid() != 0 and not os.environ.get("CI"), reason="the fake Pi needs root for its mounts"
    ),
]


def repeat_until_conclusive(folder, play, settings):
    """Start a Pi and `play` until a run is conclusive. Return the result."""
    for attempt in range(ATTEMPTS):
        pi = FakePi(folder / str(attempt))
        server = pi.start(**settings)
        try:
            result = play(pi)
            if not pi.inconclusive():
                return result
        finally:
            server.stop()
    raise AssertionError(f"inconclusive after {ATTEMPTS} runs: an edge was late, or a sample by over 20 ms")


def switch_presses(seed, presses, **more):
    def play(pi):
        pi.play(Finger(seed, presses, **more).edges_with_glitches())
        return [event["source"] for event in pi.server.history()]

    return play


def long_holds(pi):
    """Hold for 9 s, release with 12 ms of bouncing, then hold until stuck."""
    bounce = [(9 + at / 1000, level) for at, level in ((0, 1), (2, 0), (3, 1), (7, 0), (11, 0), (12, 1))]
    pi.play([(0, 0), *bounce])
    once = len(pi.server.history())
    stuck_at_nine = pi.server.health().json()["hardware"]["stuck"]
    pi.play([(0, 0), (10.3, 0)])
    stuck_at_ten = pi.server.health().json()["hardware"]["stuck"]
    pi.play([(0, 1), (0.1, 0), (0.2, 1)])
    return once, stuck_at_nine, stuck_at_ten, len(pi.server.history())


SCENARIOS = {
    "plain": (switch_presses(5, 100), {}),
    "blocked": (switch_presses(6, 100), {"program": VARIANT, "variant": "blocked"}),
    "storm": (switch_presses(7, 60, glitches_a_second=20, longest_glitch=0.004), {}),
    "broken": (switch_presses(8, 40), {"program": VARIANT, "variant": "broken"}),
    "holds": (long_holds, {}),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of the scenarios, which run in parallel since each takes half a minute."""
    folders = {name: tmp_path_factory.mktemp(name) for name in SCENARIOS}
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {
            name: pool.submit(repeat_until_conclusive, folders[name], *scenario)
            for name, scenario in SCENARIOS.items()
        }


def led_levels(pi, seconds):
    """Return the LED's levels during `seconds`, without repetitions."""
    seen = []
    for _ in range(int(seconds / 0.01)):
        written = pi.light()
        if written is not None and (not seen or seen[-1][0] != written):
            seen.append([written, 0])
        if seen:
            seen[-1][1] += 1
        time.sleep(0.01)  # the sampling interval
    return [level for level, _ in seen]


def test_led_shows_the_result_of_a_press(tmp_path, watch):
    pi = FakePi(tmp_path / "pi")
    server = pi.start(led_pin=12, hold=1)
    try:
        slow = led_levels(pi, 4)
        assert slow[:4] in ([1, 0, 1, 0], [0, 1, 0, 1]), "slow blinking while no screen is connected"
        screen = watch(server)
        until(lambda: server.health().json()["led"]["shows"] == "rest", "the LED at rest")
        until(lambda: pi.light() == 1, "the LED to light")
        threading.Thread(target=pi.play, args=([(0.1, 0), (0.2, 1)],)).start()
        assert led_levels(pi, 1.5) in ([0, 1], [1, 0, 1]), "one blink"
        threading.Thread(target=pi.play, args=([(0.1, 0), (1.6, 1)],)).start()
        assert led_levels(pi, 3) in ([0, 1] * 3, [1, *[0, 1] * 3]), "one blink, then two"
        assert [event["source"] for event in server.history()] == ["button", "button", "hold"]
        assert screen.wait_for(3)["count"] == 19
    finally:
        server.stop()
    assert pi.light() != 1, "off after shutdown"


def test_led_is_off_when_the_server_fails_to_start(tmp_path, shared):
    pi = FakePi(tmp_path / "pi")
    with pytest.raises(AssertionError, match="cannot listen"):
        pi.start(led_pin=12, port=shared.port)
    assert not pi.light()


def test_two_buttons_have_separate_sources(tmp_path):
    pi = FakePi(tmp_path / "pi")
    server = pi.start(pin="11,13")
    try:
        pi.play([(0, 0), (0.1, 1)], pin=13)
        pi.play([(0, 0), (0.1, 1)], pin=11)
        assert [event["source"] for event in server.history()] == ["button-13", "button-11"]
        assert server.health().json()["hardware"]["driver"].startswith("RPi.GPIO 0.7")
    finally:
        server.stop()


def test_raspberry_pi_is_detected_automatically(tmp_path):
    pi = FakePi(tmp_path / "pi")
    server = pi.start(hardware="auto")
    assert server.health().json()["hardware"]["driver"].startswith("RPi.GPIO 0.7")
    server.stop()


def test_pin_that_is_not_gpio_is_rejected(tmp_path):
    with pytest.raises(AssertionError, match="BUTTON_PIN: expected physical pin numbers that are GPIO"):
        FakePi(tmp_path / "pi").start(pin=9)


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "presses"), [("plain", 100), ("blocked", 100), ("storm", 60)])
def test_each_bouncing_press_counts_once(results, scenario, presses):
    assert results[scenario].result() == ["button"] * presses


@pytest.mark.slow
def test_rig_counts_extra_presses_without_the_debouncer(results):
    assert len(results["broken"].result()) > 40


@pytest.mark.slow
def test_long_hold_counts_once_and_a_longer_one_is_stuck(results):
    assert results["holds"].result() == (1, [], ["button"], 3)
