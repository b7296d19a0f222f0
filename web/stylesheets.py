"""Stylesheets with custom properties expanded, for engines that lack them.

The palette (`static/palette.css`) has a `:root` rule with the light values and a `.dark` rule with the values
that differ in the dark theme. Each rule that uses a property gets a second rule for the dark theme.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_RULE = re.compile(r"([^{}@;]+)\{([^{}]*)\}")
_PROPERTY = re.compile(r"--([\w-]+):\s*([^;}]+);")
_USE = re.compile(r"var\(--([\w-]+)\)")


class Palette(NamedTuple):
    """Values of the custom properties. `dark` has only those that differ."""

    light: dict[str, str]
    dark: dict[str, str]


def read_palette(text: str) -> Palette:
    """Read the palette from a stylesheet with `:root` and `.dark` rules."""
    rules = {selector.strip(): body for selector, body in _RULE.findall(_COMMENT.sub("", text))}
    light = dict(_PROPERTY.findall(rules[":root"]))
    return Palette(light, dict(_PROPERTY.findall(rules[".dark"])))


def expand(text: str, palette: Palette) -> str:
    """Return a stylesheet with the values of `palette` and rules for the dark theme."""
    colours = {name for name, value in palette.light.items() if value.startswith(("#", "rgb"))}

    def with_dark(rule: re.Match[str]) -> str:
        light = _USE.sub(lambda use: palette.light[use[1]], rule[0])
        # Include colours that do not differ, so that the rule has the same precedence in both themes.
        dark = _dark_part(rule[2], palette, colours)
        return light + (f"{_within_dark(rule[1])}{{{dark}}}" if dark else "")

    return _squeeze(_RULE.sub(with_dark, _COMMENT.sub("", text)))


def expand_for_system_theme(text: str, palette: Palette) -> str:
    """Return the dark rules of a stylesheet for browsers with a dark theme.

    Pages without JavaScript use them, since nothing sets `.dark` there.
    """
    rules = (
        f"{selectors}{{{dark}}}"
        for selectors, body in _RULE.findall(_COMMENT.sub("", text))
        if (dark := _dark_part(body, palette, palette.dark))
    )
    return _squeeze(f"@media (prefers-color-scheme: dark){{{''.join(rules)}}}")


def _within_dark(selectors: str) -> str:
    """Return the selectors, limited to pages whose root element has the class `dark`."""
    return ",".join(
        "html.dark" if selector.strip() == "html" else f".dark {selector.strip()}"
        for selector in selectors.split(",")
    )


def _dark_part(body: str, palette: Palette, names: Collection[str]) -> str:
    """Return the declarations that use a property in `names`, with the dark values."""
    values = palette.light | palette.dark
    return ";".join(
        _USE.sub(lambda use: values[use[1]], declaration)
        for declaration in body.split(";")
        if any(name in names for name in _USE.findall(declaration))
    )


def _squeeze(text: str) -> str:
    """Remove line breaks and indentation from a stylesheet."""
    return re.sub(r"\s*([{};,])\s*|(:)\s+", r"\1\2", text).replace(";}", "}").strip()
