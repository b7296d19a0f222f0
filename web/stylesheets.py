"""Stylesheets that every engine understands: custom properties are replaced with their values.

The palette (`static/palette.css`) has a rule `:root` with the light values and a rule `.dark` with those that
differ in the dark theme. A rule that uses a property gets a second one for the dark theme.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_RULE = re.compile(r"([^{}@;]+)\{([^{}]*)\}")
_PROPERTY = re.compile(r"--([\w-]+):\s*([^;}]+);")
_USE = re.compile(r"var\(--([\w-]+)\)")


class Palette(NamedTuple):
    """The values of the custom properties, and those that differ in the dark theme."""

    light: dict[str, str]
    dark: dict[str, str]


def read_palette(text: str) -> Palette:
    """Return the palette of a stylesheet with the rules `:root` and `.dark`."""
    rules = {selector.strip(): body for selector, body in _RULE.findall(_COMMENT.sub("", text))}
    light = dict(_PROPERTY.findall(rules[":root"]))
    return Palette(light, dict(_PROPERTY.findall(rules[".dark"])))


def expand(text: str, palette: Palette) -> str:
    """Return a stylesheet with the values of `palette`, and with rules for elements within `.dark`."""
    colours = {name for name, value in palette.light.items() if value.startswith(("#", "rgb"))}

    def with_dark(rule: re.Match[str]) -> str:
        light = _USE.sub(lambda use: palette.light[use[1]], rule[0])
        # Also colours that are the same in both: the rule must override the same rules in both themes.
        dark = _dark_part(rule[2], palette, colours)
        return light + (f"{_within_dark(rule[1])}{{{dark}}}" if dark else "")

    return _squeeze(_RULE.sub(with_dark, _COMMENT.sub("", text)))


def expand_for_system_theme(text: str, palette: Palette) -> str:
    """Return the dark rules of a stylesheet, for pages without JavaScript in a browser with a dark theme."""
    rules = (
        f"{selectors}{{{dark}}}"
        for selectors, body in _RULE.findall(_COMMENT.sub("", text))
        if (dark := _dark_part(body, palette, palette.dark))
    )
    return _squeeze(f"@media (prefers-color-scheme: dark){{{''.join(rules)}}}")


def _within_dark(selectors: str) -> str:
    """Return selectors of the same elements within `.dark`, a class of the root element."""
    return ",".join(
        "html.dark" if selector.strip() == "html" else f".dark {selector.strip()}"
        for selector in selectors.split(",")
    )


def _dark_part(body: str, palette: Palette, names: Collection[str]) -> str:
    """Return the declarations with one of the properties `names`, with the values of the dark theme."""
    values = palette.light | palette.dark
    return ";".join(
        _USE.sub(lambda use: values[use[1]], declaration)
        for declaration in body.split(";")
        if any(name in names for name in _USE.findall(declaration))
    )


def _squeeze(text: str) -> str:
    """Return a stylesheet without line breaks and indentation."""
    return re.sub(r"\s*([{};,])\s*|(:)\s+", r"\1\2", text).replace(";}", "}").strip()
