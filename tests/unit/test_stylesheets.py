"""The palette, and stylesheets served with its values."""

import re

import pytest
from server import ROOT

from web.stylesheets import Palette, expand, expand_for_system_theme, read_palette

STATIC = ROOT / "static"
PALETTE = read_palette((STATIC / "palette.css").read_text())
SMALL = Palette({"ink": "#111111", "cap": "#0000ff"}, {"ink": "#eeeeee"})
HEX = re.compile(r"#[0-9a-fA-F]{3,8}\b")


def colours_of(name):
    """Return the colours of an object literal in theme.js by key, without lists."""
    body = re.search(rf"{name} = \{{(.*?)\n  \}};", (STATIC / "theme.js").read_text(), re.S)[1]
    return dict(re.findall(r"(\w+): '([^']+)'", body))


def test_canvases_and_pages_have_the_same_colours():
    for theme, values in (("LIGHT", PALETTE.light), ("DARK", PALETTE.light | PALETTE.dark)):
        colours = colours_of(theme)
        shared = colours.keys() & values.keys()
        assert {"muted", "line", "green", "disc", "well", "wedge"} <= shared
        assert {name: colours[name] for name in shared} == {name: values[name] for name in shared}
    both = colours_of("button.palette")
    assert both["cap"] == PALETTE.light["cap"]
    assert both["gold"] == PALETTE.light["gold"]
    assert both["onGold"] == PALETTE.light["on-gold"]
    assert both["onSolid"] == PALETTE.light["on-solid"]


def test_both_themes_of_the_canvases_have_the_same_keys():
    assert colours_of("LIGHT").keys() == colours_of("DARK").keys()


@pytest.mark.parametrize(
    "path",
    sorted(path for path in STATIC.glob("*.*s*") if path.name not in ("palette.css", "theme.js")),
    ids=lambda path: path.name,
)
def test_colours_are_only_in_the_palette(path):
    values = re.findall(r":[^;{}]*;", path.read_text()) if path.suffix == ".css" else [path.read_text()]
    assert not [value for value in values if HEX.search(re.sub(r"'#\w+'\)", "", value))]


def test_custom_properties_are_replaced():
    assert (
        expand("a { color: var(--ink); margin: 0; }", SMALL)
        == "a{color:#111111;margin:0}.dark a{color:#eeeeee}"
    )


def test_colour_of_both_themes_overrides_a_dark_rule():
    text = "#x { color: var(--ink) } #x.on { color: var(--cap) }"
    assert expand(text, SMALL).endswith("#x.on{color:#0000ff}.dark #x.on{color:#0000ff}")


def test_dark_class_is_on_the_root_element():
    assert expand("html, b { color: var(--ink) }", SMALL).endswith("html.dark,.dark b{color:#eeeeee}")


def test_rules_within_media_queries_are_expanded():
    text = "@media (orientation: portrait) { /* a comment */ p { color: var(--ink); } }"
    expected = "@media (orientation:portrait){p{color:#111111}.dark p{color:#eeeeee}}"
    assert expand(text, SMALL) == expected


def test_unknown_property_is_an_error():
    with pytest.raises(KeyError):
        expand("a { color: var(--missing); }", SMALL)


def test_system_theme_has_only_what_differs():
    text = "a { color: var(--ink); margin: 0; } b { color: var(--cap); }"
    expected = "@media (prefers-color-scheme:dark){a{color:#eeeeee}}"
    assert expand_for_system_theme(text, SMALL) == expected
