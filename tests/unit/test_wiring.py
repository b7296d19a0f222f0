"""The wiring diagrams of the docs."""

import pytest
import wiring

from settings import GPIO_PINS

PICTURES = {path.name: (path, text) for path, text in wiring.pictures()}
#: The ground pins of the header.
GROUNDS = {6, 9, 14, 20, 25, 30, 34, 39}


@pytest.mark.parametrize("name", PICTURES)
def test_wiring_diagram_is_current(name):
    """Run `make docs` to draw it again."""
    path, text = PICTURES[name]
    assert path.read_text() == text


def test_wiring_diagrams_connect_gpio_pins_to_ground():
    assert {wiring.BUTTON, wiring.LED} <= set(GPIO_PINS)
    assert {wiring.GROUND, wiring.LED_GROUND} <= GROUNDS


def test_odd_pins_are_below_even_ones_from_left_to_right():
    (x1, y1), (x2, y2), (x39, _), (x40, _) = map(wiring.place, (1, 2, 39, 40))
    assert x1 == x2 < x39 == x40
    assert y1 > y2, "the even row is at the edge of the board"
