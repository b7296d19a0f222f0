"""The countdown in Chromium."""

import re

import pytest
from chromium import connected, shows
from playwright.sync_api import expect
from server import until

FROZEN = """
  window.WebSocket = undefined;
  window.XMLHttpRequest = function () {
    this.open = this.send = this.setRequestHeader = this.abort = function () {};
  };
"""


def colour(page, wedge, goal=20):
    """Return the colour at the centre of a ring wedge."""
    script = """([wedge, goal]) => {
      const canvas = document.getElementById('ring'), middle = canvas.width / 2;
      const angle = -Math.PI / 2 + (wedge + 0.5) * 2 * Math.PI / goal, radius = canvas.width * 0.46 * 0.8;
      const at = [middle + radius * Math.cos(angle), middle + radius * Math.sin(angle)];
      return Array.from(canvas.getContext('2d').getImageData(at[0], at[1], 1, 1).data);
    }"""
    return page.evaluate(script, [wedge, goal])


def is_green(pixel):
    red, green, blue, _ = pixel
    return green > red + 60 and green > blue + 40


def greens(page, goal=20):
    return [is_green(colour(page, wedge, goal)) for wedge in range(goal)]


def test_page_shows_a_frown_before_the_first_count(open_page, server):
    page = open_page(server, init=FROZEN)
    assert page.text_content("#count") == ":("
    expect(page.locator("#status")).to_have_attribute("data-state", "connecting")
    expect(page.locator("#status")).to_have_attribute("data-transport", "")


def test_press_updates_the_page_on_both_transports(open_page, server):
    modern = connected(open_page(server))
    old = connected(open_page(server, init="window.WebSocket = undefined;"))
    expect(modern.locator("#status")).to_have_attribute("data-transport", "websocket")
    expect(modern.locator("#status")).to_have_text("Live")
    expect(modern.locator("#status")).to_have_attribute("title", "Connected: websocket")
    expect(old.locator("#status")).to_have_attribute("data-transport", "polling")
    for left in (19, 18, 17):  # wait for each: a slow page can skip a count and its horn
        server.push()
        shows(modern, left)
        shows(old, left)
    for page in (modern, old):
        expect(page.locator("#ring")).to_have_attribute("aria-label", "17 of 20 deals to go")
        expect(page.locator("#sentence")).to_have_text("17 deals to go.")
        until(lambda page=page: greens(page) == [True] * 3 + [False] * 17, "the ring", deadline=5)
        assert page.evaluate("theButton.horns") == 3
        assert page.title().startswith("17 · ")


def test_press_at_0_opens_the_next_round(open_page, start):
    server = start(goal=3)
    page = connected(open_page(server))
    for left in (2, 1, 0):
        server.push()
        shows(page, left)
    expect(page.locator("#sentence")).to_have_text("Goal reached.")
    until(lambda: greens(page, 3) == [True] * 3, "the full ring", deadline=5)
    server.push()
    shows(page, 3)
    until(lambda: greens(page, 3) == [False] * 3, "the empty ring", deadline=5)


TRANSLATE = """() => {  // changes each text as a browser's translation does
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (texts.nextNode()) found.push(texts.currentNode);
  for (const text of found) {
    if (!text.data.trim() || text.parentNode.closest('[translate=no], script, noscript')) continue;
    const font = document.createElement('font');
    text.replaceWith(font);
    font.append(text);
  }
}"""


@pytest.mark.parametrize("path", ["/", "/graph"])
def test_translated_page_keeps_counting(open_page, server, path):
    page = connected(open_page(server, path))
    shows(page, 20)
    page.evaluate(TRANSLATE)
    assert page.locator("#title font").count() == 1
    assert page.locator("#count font").count() == 0
    server.push()
    shows(page, 19)
    expect(page.locator("#title")).to_be_visible(timeout=10_000)  # hidden for 5 s after a press
    expect(page.locator("#ring")).to_have_attribute("aria-label", "19 of 20 deals to go")
    expect(page.locator("#sentence")).to_have_text("19 deals to go.")
    expect(page.locator("#facts")).to_contain_text("1 today · 1 this week")


def test_heading_follows_the_goal(open_page, server):
    page = connected(open_page(server))
    expect(page.locator("#title")).to_have_text("Deals till 20 deal goal")
    server.api("goal", "PUT", json={"goal": 100})
    expect(page.locator("#title")).to_have_text("Deals till 100 deal goal")
    shows(page, 100)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (844, 390), (1280, 720), (1920, 1080), (320, 568)])
def test_ring_fills_the_screen_without_overlap(open_page, shared, width, height):
    page = connected(open_page(shared, viewport={"width": width, "height": height}))
    boxes = {name: page.locator(name).bounding_box() for name in ("#head", "#stage", "#foot")}
    head, stage, foot = boxes["#head"], boxes["#stage"], boxes["#foot"]
    assert head["y"] + head["height"] <= stage["y"] + 1
    assert stage["y"] + stage["height"] <= foot["y"] + 1
    assert stage["x"] >= 0
    assert stage["x"] + stage["width"] <= width
    room = min(width, foot["y"] - head["y"] - head["height"])
    assert abs(stage["width"] - max(160, room)) <= 2
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_celebration_at_the_goal_ends_automatically(open_page, start):
    server = start(goal=2)
    played = """
      window.played = [];
      HTMLMediaElement.prototype.play = function () {
        if (this.volume) played.push(this.src.replace(/.*sound.|[.].*/g, ''));
        return Promise.resolve();
      };
    """
    page = connected(open_page(server, init=played))
    server.push()
    shows(page, 1)
    assert page.locator("#party").count() == 0
    server.push()
    shows(page, 0)
    expect(page.locator("#party")).to_have_count(1)
    assert page.evaluate("played") == ["horn", "long"]
    assert page.evaluate("theButton.horns") == 2
    expect(page.locator("#party")).to_have_count(0, timeout=20_000)


def test_goal_message_and_gold_cap_stay_while_offline(open_page, start):
    server = start(goal=2)
    page = connected(open_page(server))
    moment = page.locator("#moment")
    expect(moment).to_be_hidden()
    server.push()
    expect(moment).to_have_text(re.compile(r"^\+1 · \d\d:\d\d$"))
    expect(moment).to_be_visible()
    server.push()
    expect(moment).to_have_text("Goal reached!")
    expect(page.locator("#detail")).to_have_text(
        re.compile(r"^2 deals · \d\d:\d\d · The next press starts a new round$")
    )
    server.stop()
    expect(page.locator("#status")).to_have_attribute("data-state", "closed")
    expect(moment).to_have_text("Goal reached!")
    until(lambda: is_gold(page), "the gold cap")
    expect(page.locator(".stale #count")).to_have_css("color", "rgb(58, 37, 0)")


def is_gold(page):
    script = """() => {
      const canvas = document.getElementById('ring'), at = canvas.width / 2;
      return Array.from(canvas.getContext('2d').getImageData(at, at * 1.4, 1, 1).data);
    }"""
    red, green, blue, _ = page.evaluate(script)
    return red > blue + 60 and green > blue + 30


def test_press_message_is_shown_for_five_seconds(open_page, server):
    page = open_page(server)
    page.clock.install()
    connected(page)
    expect(page.locator("#facts")).to_contain_text("today")
    page.clock.fast_forward(11_000)
    server.api("press", json={"site": "Berlin"})
    expect(page.locator("#moment")).to_contain_text("+1 · ")
    expect(page.locator("#title")).to_be_hidden()
    expect(page.locator("#title")).to_have_text("Deals till 20 deal goal")
    page.clock.fast_forward(6_000)
    expect(page.locator("#moment")).to_be_hidden()
    expect(page.locator("#title")).to_be_visible()


@pytest.mark.slow
def test_press_message_contains_the_site(open_page, server):
    page = connected(open_page(server))
    expect(page.locator("#facts")).to_contain_text("today")
    page.wait_for_timeout(21_000)  # the server sends `info` at most every ten seconds
    server.api("press", json={"site": "Berlin"})
    expect(page.locator("#moment")).to_have_text(re.compile(r"^\+1 · \d\d:\d\d · Berlin$"))


def test_press_that_opens_a_round_is_shown_as_a_new_round(open_page, start):
    server = start(goal=1)
    server.press()
    page = connected(open_page(server))
    expect(page.locator("#moment")).to_have_text("Goal reached!")
    server.press()
    expect(page.locator("#moment")).to_contain_text("New round · ")


def test_large_goal_is_drawn_as_an_arc_with_ticks(open_page, start):
    server = start(goal=1000)
    server.api("count", "PUT", json={"count": 500})
    page = connected(open_page(server, reduced_motion="reduce"))
    shows(page, 500)
    right, left = 10, 29  # of 40 sectors, none with a tick at its centre
    until(lambda: greens(page, 40)[right], "the arc")
    assert greens(page, 40)[:20] == [True] * 20
    assert not greens(page, 40)[left]


def test_reduced_motion_is_respected(open_page, server):
    page = connected(open_page(server, reduced_motion="reduce"))
    server.push()
    shows(page, 19)
    assert greens(page)[:2] == [True, False]


def test_reduced_motion_disables_the_celebration(open_page, start):
    server = start(goal=1)
    page = connected(open_page(server, reduced_motion="reduce"))
    server.push()
    shows(page, 0)
    assert page.locator("#party").count() == 0


def test_tab_shows_the_count(open_page, server):
    page = connected(open_page(server))
    first = page.get_attribute("#icon", "href")
    assert first.startswith("data:image/png")
    server.push()
    shows(page, 19)
    assert page.get_attribute("#icon", "href") != first
    assert page.title().startswith("19 · ")


UNDER_THE_NUMBER = """() => {
  const canvas = document.getElementById('ring'), number = document.getElementById('count');
  const pen = document.createElement('canvas').getContext('2d'), style = getComputedStyle(number);
  pen.font = style.fontWeight + ' ' + style.fontSize + ' ' + style.fontFamily;
  const size = pen.measureText(number.textContent), dense = canvas.width / canvas.offsetWidth;
  const wide = Math.round(size.width * dense);
  const high = Math.round((size.actualBoundingBoxAscent + size.actualBoundingBoxDescent) * dense);
  const left = (canvas.width - wide) / 2, top = (canvas.height - high) / 2;
  const data = canvas.getContext('2d').getImageData(left, top, wide, high).data;
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4) seen.add((data[i] << 16) + (data[i + 1] << 8) + data[i + 2]);
  return [style.color, Array.from(seen)];
}"""


def luminance(red, green, blue):
    """Return the relative luminance (WCAG 2.2)."""
    linear = [
        value / 255 / 12.92 if value <= 10 else ((value / 255 + 0.055) / 1.055) ** 2.4
        for value in (red, green, blue)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("path", "scheme", "goal"),
    [("/", "light", 20), ("/graph", "dark", 20), ("/", "dark", 1), ("/graph", "light", 1)],
)
def test_count_has_a_contrast_ratio_of_at_least_7_to_1(open_page, start, path, scheme, goal):
    """Requires WCAG 2.2 level AAA for small text, on the blue and the gold cap."""
    server = start(goal=goal)
    if goal == 1:
        server.press()
    page = connected(open_page(server, path, color_scheme=scheme, reduced_motion="reduce"))
    until(lambda: page.evaluate(UNDER_THE_NUMBER)[1] not in ([], [0]), "the ring")
    page.wait_for_timeout(300)
    colour, beneath = page.evaluate(UNDER_THE_NUMBER)
    number = luminance(*map(int, re.findall(r"\d+", colour)[:3]))
    for pixel in beneath:
        ground = luminance(pixel >> 16, pixel >> 8 & 255, pixel & 255)
        low, high = sorted((number, ground))
        assert (high + 0.05) / (low + 0.05) >= 7, hex(pixel)


def test_press_updates_the_facts_immediately(open_page, server):
    """The page does not wait for `info`, which is sent at most every ten seconds."""
    server.press()
    page = connected(open_page(server))
    facts = page.locator("#facts")
    expect(facts).to_contain_text("1 today · 1 this week · last ")
    server.press()
    shows(page, 18)
    assert "2 today · 2 this week · last " in facts.text_content()
