"""The wiring diagrams of the docs. `make docs` writes them.

The board lies with its header at the top, as 85 mm by 56 mm boards of the Raspberry Pi do if their USB ports
are at the right. One millimetre is ten units.
"""

from server import ROOT

from settings import Settings

#: Physical pins: the button's are the default of BUTTON_PIN and ground; the docs name the LED's.
BUTTON, GROUND, LED, LED_GROUND = Settings().pin[0], 9, 12, 14
NAMES = {BUTTON: "GPIO17", GROUND: "ground", LED: "GPIO18", LED_GROUND: "ground"}
INK, GREEN, GOLD, BLUE, RED = "#14203a", "#12803c", "#f4b41f", "#1d55dd", "#b91c1c"
#: Position of pin 1, and the distance of two pins (2.54 mm).
LEFT, TOP, PITCH = 184, 160, 25.4


def place(pin):
    """Return the position of a pin: even numbers in the row at the board's edge, odd ones below."""
    return round(LEFT + (pin - 1) // 2 * PITCH, 1), TOP - (0 if pin % 2 else PITCH)


def header(used):
    """Return the 40 pins with their numbers; those in use are yellow."""
    yield f'<rect x="168" y="119" width="515" height="57" rx="4" fill="{INK}"/>'
    for pin in range(1, 41):
        x, y = place(pin)
        fill, ink = (GOLD, INK) if pin in used else ("#46546e", "#fff")
        weight = ' font-weight="bold"' if pin in used else ""
        yield (
            f'<circle cx="{x}" cy="{y}" r="11" fill="{fill}"/><text x="{x}" y="{y + 4.5}" font-size="13"'
            f' text-anchor="middle" fill="{ink}"{weight}>{pin}</text>'
        )


def board(used):
    """Return the upper part of the board, with what shows its orientation."""
    yield f'<path d="M100 340 V122 Q100 112 110 112 H940 Q950 112 950 122 V340 Z" fill="{GREEN}"/>'
    yield '<g fill="#cfd6e0"><rect x="88" y="250" width="92" height="90"/>'
    yield '<rect x="800" y="140" width="170" height="90"/><rect x="800" y="256" width="170" height="84"/></g>'
    yield f'<g fill="{INK}" font-size="17" text-anchor="middle">'
    for x, y, first, second in (
        (885, 181, "USB or", "network"), (885, 294, "USB or", "network"), (134, 286, "microSD", "card")
    ):  # fmt: skip
        yield f'<text x="{x}" y="{y}">{first}</text><text x="{x}" y="{y + 22}">{second}</text>'
    yield "</g>"
    yield '<text x="700" y="153" fill="#fff" font-size="17">GPIO</text>'
    yield from header(used)
    teeth = " ".join("15 -14 15 14" for _ in range(30))
    yield f'<path d="M70 350 l{teeth} V380 H70 Z" fill="#edf1f6"/>'  # the rest of the board


def text(x, y, content, anchor="middle", weight=""):
    weight = f' font-weight="{weight}"' if weight else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{weight}>{content}</text>'


def wire(path, color):
    return f'<path d="{path}" fill="none" stroke="{color}" stroke-width="5" stroke-linejoin="round"/>'


def switch(y):
    """Return the button, with its legs at the left and at the right."""
    yield f'<circle cx="296" cy="{y}" r="64" fill="#fff" stroke="#c3ccd9" stroke-width="6"/>'
    yield f'<circle cx="296" cy="{y}" r="44" fill="{BLUE}"/>'
    yield f'<text x="296" y="{y + 6}" text-anchor="middle" fill="#fff" font-weight="bold">button</text>'


def button_wires(y, series=""):
    """Return the wires from the button's pins to its legs."""
    (x9, y9), (x11, y11) = place(GROUND), place(BUTTON)
    yield wire(f"M{x9} {y9 + 11} V390 H200 V{y} H232", INK)
    yield wire(f"M{x11} {y11 + 11} V390 H392 V{y} H360", BLUE)
    yield text(186, 384, f"pin {GROUND}, {NAMES[GROUND]}", "end", "bold")
    yield text(406, 384, f"pin {BUTTON}, {NAMES[BUTTON]}", "start", "bold")


def button():
    yield from board({BUTTON, GROUND})
    yield from button_wires(490)
    yield from switch(490)
    yield text(470, 470, "Either leg of the button can have", "start")
    yield text(470, 496, "either wire. No resistor is needed.", "start")


def long_wire():
    yield from board({BUTTON, GROUND})
    yield from button_wires(560)
    yield from switch(560)
    yield f'<rect x="376" y="446" width="32" height="68" fill="#fff" stroke="{INK}" stroke-width="4"/>'
    yield text(424, 486, "1 kΩ, in the wire to the button", "start")
    yield wire("M200 424 H284 M300 424 H392", INK)
    yield wire("M284 404 V444 M300 404 V444", INK)
    yield '<circle cx="200" cy="424" r="7"/><circle cx="392" cy="424" r="7"/>'
    yield text(292, 468, "100 nF")
    yield text(424, 430, "at the Pi: 100 nF between the two pins", "start")


def led():
    yield from board({LED, LED_GROUND})
    (x12, y12), (x14, y14) = place(LED), place(LED_GROUND)
    yield wire(f"M{x12} {y12 - 11} V50 H170 V-40 H430", RED)
    yield wire(f"M{x14} {y14 - 11} V50 H580 V-40 H472", INK)
    yield f'<rect x="230" y="-56" width="90" height="32" fill="#fff" stroke="{INK}" stroke-width="4"/>'
    yield f'<path d="M430 -66 V-14 L472 -40 Z M472 -66 V-14" stroke="{RED}" stroke-width="5" fill="{GOLD}"/>'
    yield text(275, -70, "330 Ω")
    yield text(452, -82, "LED")
    yield text(422, 12, "long leg", "end")
    yield text(480, 12, "short leg", "start")
    yield text(x12 - 12, 92, f"pin {LED}, {NAMES[LED]}", "end", "bold")
    yield text(x14 + 12, 92, f"pin {LED_GROUND}, {NAMES[LED_GROUND]}", "start", "bold")


#: The parts of each picture, the top of its view, its height, and its description.
PICTURES = {
    "button": (button, 90, 480, "The button between physical pin 11, which is GPIO17, and ground, pin 9"),
    "led": (led, -120, 500, "The LED from physical pin 12, GPIO18, through 330 Ohm to ground, pin 14"),
    "long-wire": (
        long_wire, 90, 550,
        "On a long wire: 1 kOhm between pin 11 and the button, and 100 nF between pins 11 and 9",
    ),
}  # fmt: skip


def pictures():
    """Yield the path and the text of each picture."""
    for name, (parts, top, height, description) in PICTURES.items():
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {top} 1000 {height}"'
            ' font-family="Helvetica, Arial, sans-serif" font-size="20" role="img" aria-labelledby="title">',
            f'<title id="title">{description}</title>',
            f'<rect y="{top}" width="1000" height="{height}" fill="#edf1f6"/>',
            f'<g fill="{INK}">', *parts(), "</g>", "</svg>",
        ]  # fmt: skip
        yield ROOT / f"docs/wiring-{name}.svg", "\n".join(lines) + "\n"
