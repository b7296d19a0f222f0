"""The pages in a real Chromium browser."""

import contextlib
import re
import signal

import pytest
import requests
from chromium import ARGUMENTS, connected, shows
from playwright.sync_api import expect
from proxy import Proxy
from server import DEADLINE, PASSWORD, ROOT, until

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


def test_horn_sounds_for_presses_only(open_page, server):
    server.press()
    page = connected(open_page(server))
    shows(page, 19)
    server.api("undo")
    shows(page, 20)
    server.api("goal", "PUT", json={"goal": 30})
    shows(page, 30)
    server.api("reset")
    server.press()
    shows(page, 29)
    assert page.evaluate("theButton.horns") == 1


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
    expect(page.locator("#title")).to_be_visible()
    expect(page.locator("#ring")).to_have_attribute("aria-label", "19 of 20 deals to go")
    expect(page.locator("#sentence")).to_have_text("19 deals to go.")
    expect(page.locator("#facts")).to_contain_text("1 today · 1 this week")


@pytest.mark.parametrize("path", ["/", "/graph", "/admin/login"])
def test_pages_use_the_bundled_font(open_page, shared, path):
    page = open_page(shared, path)
    until(
        lambda: page.evaluate("Array.from(document.fonts).map(font => font.status)") == ["loaded"], "the font"
    )
    assert page.evaluate("document.fonts.check('700 20px Inter')")


def test_heading_follows_the_goal(open_page, server):
    page = connected(open_page(server))
    expect(page.locator("#title")).to_have_text("Deals till 20 deal goal")
    server.api("goal", "PUT", json={"goal": 100})
    expect(page.locator("#title")).to_have_text("Deals till 100 deal goal")
    shows(page, 100)


def test_mute_survives_a_reload(open_page, server):
    page = connected(open_page(server))
    sound = page.locator("#sound")
    expect(sound).to_have_attribute("aria-pressed", "true")
    expect(sound).to_have_text("ON")
    sound.click()
    expect(sound).to_have_attribute("aria-pressed", "false")
    expect(sound).to_have_text("OFF")
    server.push()
    shows(page, 19)
    assert page.evaluate("theButton.horns") == 0
    page.reload()
    expect(page.locator("#sound")).to_have_text("OFF")
    page.locator("#sound").click()
    connected(page)
    server.push()
    shows(page, 18)
    assert page.evaluate("theButton.horns") == 1


@pytest.mark.parametrize(("query", "text"), [("sound=off", "OFF"), ("sound=on", "ON")])
def test_query_parameter_sets_the_sound(open_page, shared, query, text):
    expect(open_page(shared, f"/?{query}").locator("#sound")).to_have_text(text)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_query_parameter_sets_the_theme(open_page, shared, theme):
    other = "light" if theme == "dark" else "dark"
    page = connected(open_page(shared, f"/?theme={theme}", color_scheme=other))
    luminance = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    dark = sum(map(int, re.findall(r"\d+", luminance)[:3])) < 380
    assert dark == (theme == "dark")


def test_page_shows_that_sound_is_blocked_and_the_toggle_unblocks_it(playwright, server):
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
    page = browser.new_page()
    page.goto(server.url)
    prompt = page.get_by_text("Turn on sound", exact=True)
    expect(prompt).to_be_visible()
    page.locator("#sound").click()
    expect(prompt).not_to_be_visible()
    expect(page.locator("#sound")).to_have_text("ON")
    browser.close()


def test_lost_connection_dims_the_last_count_and_shows_its_time(open_page, server):
    page = connected(open_page(server))
    old = connected(open_page(server, init="window.WebSocket = undefined;"))
    server.push()
    for each in (page, old):
        shows(each, 19)
        assert each.locator(".stale #count").count() == 0
    server.stop(signal.SIGKILL)
    for each in (page, old):
        expect(each.locator("#status")).to_have_attribute("data-state", "closed")
        expect(each.locator("#status")).to_have_attribute("data-transport", "")
        expect(each.locator(".stale #count")).to_have_text("19")
        assert re.search(r"\d\d:\d\d", each.text_content("#status"))
    server.environ["BUTTON_PORT"] = str(server.port)
    server.start()
    for each, transport in ((page, "websocket"), (old, "polling")):
        expect(each.locator("#status")).to_have_attribute("data-transport", transport)
        expect(each.locator(".stale #count")).to_have_count(0)
        shows(each, 19)
        assert each.evaluate("theButton.horns") == 1, "no horn on a reconnect"
    server.press()
    for each in (page, old):
        shows(each, 18)
        assert each.evaluate("theButton.horns") == 2


@pytest.mark.slow
def test_restored_database_with_a_lower_seq_is_shown(open_page, server):
    server.stop()
    fresh = server.database.read_bytes()
    server.environ["BUTTON_PORT"] = str(server.port)
    server.start()
    page = connected(open_page(server))
    server.press()
    shows(page, 19)
    server.stop()
    for leftover in server.folder.glob("button.db-*"):
        leftover.unlink()
    server.database.write_bytes(fresh)
    server.start()
    shows(page, 20)


def test_reduced_motion_is_respected(open_page, server):
    page = connected(open_page(server, reduced_motion="reduce"))
    server.push()
    shows(page, 19)
    assert greens(page)[:2] == [True, False]


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


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_no_violation(open_page, server, scheme):
    axe = (ROOT / "node_modules/axe-core/axe.min.js").read_text()
    for _ in range(3):
        server.press()
    server.api("undo")
    page = connected(open_page(server, color_scheme=scheme))
    shows(page, 18)
    for path in ("/", "/graph", "/admin/login", "/nowhere", "/admin", "/admin/log"):
        if path != "/":
            page.goto(server.url + path)
        if path == "/admin":
            page.fill("#password", PASSWORD)
            page.click("text=Sign in >> nth=-1")
            expect(page.locator("h1")).to_have_text("18 of 20 deals to go")
            page.click("button:has-text('Press')")
            expect(page.locator("#notice")).to_contain_text("Counted: 17 to go.")
            for chip in page.locator("summary").all():
                chip.click()
        page.evaluate(axe)
        found = page.evaluate("axe.run()")["violations"]
        assert [(path, each["id"], each["nodes"][0]["html"]) for each in found] == []


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
    expect(page.locator("#party")).to_have_count(0)


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


@pytest.mark.parametrize(
    "broken",
    [
        "HTMLCanvasElement.prototype.toDataURL = () => { throw new Error('icon'); };",
        "CanvasRenderingContext2D.prototype.arc = () => { throw new Error('ring'); };",
        "HTMLCanvasElement.prototype.getContext = () => { throw new Error('canvas'); };",
        "window.requestAnimationFrame = () => { throw new Error('frame'); };",
    ],
    ids=["icon", "ring", "canvas", "frame"],
)
def test_broken_decoration_stops_neither_number_nor_horn(open_page, start, broken):
    server = start(goal=2)
    page = connected(open_page(server, init=broken))
    server.push()
    shows(page, 1)
    expect(page.locator("#sentence")).to_have_text("1 deal to go.")
    server.push()
    shows(page, 0)
    expect(page.locator("#sentence")).to_have_text("Goal reached.")
    assert page.evaluate("theButton.horns") == 2


def test_all_sounds_share_one_audio_element(open_page, start):
    """WebKit unlocks only one element per click."""
    server = start(goal=2)
    counting = """
      window.players = new Set();
      HTMLMediaElement.prototype.play = function () {
        players.add(this);
        return Promise.resolve();
      };
    """
    page = connected(open_page(server, init=counting))
    page.locator("#sound").click()
    page.locator("#sound").click()
    server.push()
    server.push()
    shows(page, 0)
    assert page.evaluate("players.size") == 1


def test_large_goal_is_drawn_as_an_arc_with_ticks(open_page, start):
    server = start(goal=1000)
    server.api("count", "PUT", json={"count": 500})
    page = connected(open_page(server, reduced_motion="reduce"))
    shows(page, 500)
    right, left = 10, 29  # of 40 sectors, none with a tick at its centre
    until(lambda: greens(page, 40)[right], "the arc")
    assert greens(page, 40)[:20] == [True] * 20
    assert not greens(page, 40)[left]


def test_page_from_the_back_forward_cache_reconnects(open_page, server):
    page = connected(open_page(server, init="window.WebSocket = undefined;"))
    states = """() => {
      window.states = [];
      new MutationObserver(() => states.push(document.getElementById('status').getAttribute('data-state')))
        .observe(document.getElementById('status'), {attributes: true});
      window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}));
    }"""
    page.evaluate(states)
    page.wait_for_function("states.includes('closed')", timeout=2000)
    connected(page)
    server.push()
    shows(page, 19)


@pytest.mark.parametrize("path", ["/", "/graph"])
def test_menu_appears_on_pointer_movement_and_focus(open_page, server, path):
    page = connected(open_page(server, path))
    menu = page.locator("#menu")
    expect(menu).to_have_css("opacity", "0")
    page.mouse.move(100, 100)
    page.mouse.move(120, 120)
    expect(menu).to_have_css("opacity", "1")
    expect(menu).to_have_css("opacity", "0")
    page.locator("#menu a").first.focus()
    expect(menu).to_have_css("opacity", "1")
    assert menu.locator("a").all_text_contents() == ["Countdown", "Graph", "Admin"]
    page.locator("#share").press("Enter")
    expect(page.locator("#code img")).to_be_visible()
    until(lambda: page.evaluate("document.querySelector('#code img').naturalWidth"), "the QR code")
    page.keyboard.press("Escape")
    expect(page.locator("#code")).to_be_hidden()


def test_menu_toggles_full_screen(open_page, shared):
    page = connected(open_page(shared))
    page.locator("#full").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.fullscreenElement")
    page.keyboard.press("Enter")
    page.wait_for_function("!document.fullscreenElement")


def test_page_moves_slightly_every_minute(open_page, shared):
    page = open_page(shared)
    page.clock.install()
    page.reload()
    connected(page)
    foot = page.locator("#foot")
    expect(foot).to_have_css("transform", "none")
    page.clock.run_for(61_000)
    expect(foot).to_have_css("transform", "matrix(1, 0, 0, 1, 3, 0)")


def test_reduced_motion_disables_the_celebration(open_page, start):
    server = start(goal=1)
    page = connected(open_page(server, reduced_motion="reduce"))
    server.push()
    shows(page, 0)
    assert page.locator("#party").count() == 0


def test_idle_pointer_is_hidden(open_page, shared):
    page = connected(open_page(shared))
    page.mouse.move(100, 100)
    expect(page.locator("#sound")).to_have_css("cursor", "none")
    page.mouse.move(120, 100)
    expect(page.locator("#sound")).to_have_css("cursor", "pointer")


def test_tab_shows_the_count(open_page, server):
    page = connected(open_page(server))
    first = page.get_attribute("#icon", "href")
    assert first.startswith("data:image/png")
    server.push()
    shows(page, 19)
    assert page.get_attribute("#icon", "href") != first
    assert page.title().startswith("19 · ")


def test_page_stays_live_behind_a_proxy_that_drops_frames(open_page, server):
    """The page is live from the start and cancels the upgrade automatically."""
    states = """
      window.states = [];
      document.addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
        states.push(document.getElementById('status').getAttribute('data-state'));
      }).observe(document.getElementById('status'), {attributes: true}));
    """
    with contextlib.closing(Proxy(server, "blackhole")) as proxy:
        page = connected(open_page(proxy, init=states))
        server.push()
        shows(page, 19)
        until(lambda: proxy.cancelled_upgrades, "the upgrade to be cancelled")
        server.push()
        shows(page, 18)
        assert set(page.evaluate("states")) <= {"connecting", "connected"}
        assert page.evaluate("theButton.horns") == 2
        expect(page.locator("#status")).to_have_attribute("title", "Connected: polling")


def test_page_requests_a_wake_lock(open_page, server):
    counting = """
      window.requested = 0;
      navigator.wakeLock.request = () => { window.requested += 1; return Promise.reject(new Error('no')); };
    """
    page = connected(open_page(server, init=counting))
    assert page.evaluate("requested") == 1


def test_horn_can_be_muted_by_keyboard(open_page, server):
    page = connected(open_page(server))
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#sound")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Enter")
    expect(page.locator("#sound")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("path", ["/?theme=%", "/?sound=%E0%A4"])
def test_malformed_query_is_ignored(open_page, server, path):
    page = connected(open_page(server, path))
    shows(page, 20)


@pytest.mark.slow
def test_unsupported_browser_shows_the_count_and_reloads(chromium, server):
    server.press()
    page = chromium.new_context().new_page()
    page.add_init_script("window.XMLHttpRequest = undefined")
    page.goto(server.url)
    expect(page.locator("h1")).to_have_text("19 of 20 deals to go")
    assert "too old" in page.text_content("p")
    server.press()
    expect(page.locator("h1")).to_have_text("18 of 20 deals to go")
    page.context.close()


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


def test_newer_server_reloads_the_page_once(open_page, server):
    loads = "sessionStorage.loads = Number(sessionStorage.loads || 0) + 1;"
    newer = """
      const parse = JSON.parse;
      JSON.parse = (text, ...more) => {
        const data = parse(text, ...more);
        if (window.later && data[0] === 'info') data[1].version = '9.9.9';
        return data;
      };
    """
    page = connected(open_page(server, init=loads + newer))
    expect(page.locator("#facts")).to_contain_text("today")
    page.evaluate("window.later = true")
    with page.expect_event("load"):
        server.restart()
    connected(page)
    expect(page.locator("#facts")).to_contain_text("today")
    assert page.evaluate("sessionStorage.loads") == "2"


def test_debug_parameter_shows_the_delays(open_page, server):
    page = connected(open_page(server, "/?debug"))
    server.push()
    shows(page, 19)
    expect(page.locator(".debug")).to_have_text(re.compile(r"round trip \d+ ms · count after \d+ ms"))


@pytest.mark.parametrize(("path", "max_scripts"), [("/", 25_000), ("/graph", 28_500)])
def test_pages_stay_within_their_size_limits(shared, path, max_scripts):
    """The first paint needs at most 14 kB.

    Socket.IO accounts for 14.8 kB of the scripts.
    """
    sizes = {}
    html = requests.get(shared.url + path, stream=True, timeout=DEADLINE)
    sizes["html"] = len(html.raw.read(decode_content=False))
    text = requests.get(shared.url + path, timeout=DEADLINE).text
    for link in re.findall(r'(?:src|href)="(/static/[^"]+\.(?:js|css)\?[^"]+)"', text):
        response = requests.get(shared.url + link, stream=True, timeout=DEADLINE)
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        sizes[link] = len(response.raw.read(decode_content=False))
    scripts = sum(size for name, size in sizes.items() if ".js" in name)
    assert scripts <= max_scripts
    assert len([name for name in sizes if ".js" in name]) == 3
    assert sum(sizes.values()) - scripts <= 14_000
