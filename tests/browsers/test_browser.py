"""The pages in a real Chromium: number, ring, horn, words, and what they do when the road is lost."""

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
    """The colour in the middle of a wedge of the ring, once it has come to rest."""
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


def test_before_the_first_count_there_is_a_frown(open_page, server):
    page = open_page(server, init=FROZEN)
    assert page.text_content("#count") == ":("
    expect(page.locator("#status")).to_have_attribute("data-state", "connecting")
    expect(page.locator("#status")).to_have_attribute("data-transport", "")


def test_a_press_changes_number_ring_and_words_on_both_transports(open_page, server):
    modern = connected(open_page(server))
    old = connected(open_page(server, init="window.WebSocket = undefined;"))
    expect(modern.locator("#status")).to_have_attribute("data-transport", "websocket")
    expect(modern.locator("#status")).to_have_text("Live")
    expect(modern.locator("#status")).to_have_attribute("title", "Connected: websocket")
    expect(old.locator("#status")).to_have_attribute("data-transport", "polling")
    for _ in range(3):
        server.push()
    for page in (modern, old):
        shows(page, 17)
        expect(page.locator("#ring")).to_have_attribute("aria-label", "17 of 20 deals to go")
        expect(page.locator("#sentence")).to_have_text("17 deals to go.")
        until(lambda page=page: greens(page) == [True] * 3 + [False] * 17, "the ring", deadline=5)
        assert page.evaluate("theButton.horns") == 3
        assert page.title().startswith("17 · ")


def test_the_round_ends_at_nothing_and_the_next_begins(open_page, start):
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


def test_the_horn_sounds_for_presses_alone(open_page, server):
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


def test_the_heading_follows_the_goal(open_page, server):
    page = connected(open_page(server))
    expect(page.locator("#title")).to_have_text("Deals till 20 deal goal")
    server.api("goal", "PUT", json={"goal": 100})
    expect(page.locator("#title")).to_have_text("Deals till 100 deal goal")
    shows(page, 100)


def test_a_muted_screen_stays_muted_over_a_reload(open_page, server):
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
def test_a_kiosk_can_set_the_sound_by_its_address(open_page, shared, query, text):
    expect(open_page(shared, f"/?{query}").locator("#sound")).to_have_text(text)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_kiosk_can_set_the_theme_by_its_address(open_page, shared, theme):
    other = "light" if theme == "dark" else "dark"
    page = connected(open_page(shared, f"/?theme={theme}", color_scheme=other))
    luminance = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    dark = sum(map(int, re.findall(r"\d+", luminance)[:3])) < 380
    assert dark == (theme == "dark")


def test_a_browser_that_refuses_sound_says_so_and_the_toggle_mends_it(playwright, server):
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
    page = browser.new_page()
    page.goto(server.url)
    note = page.get_by_text("Turn on sound", exact=True)
    expect(note).to_be_visible()
    page.locator("#sound").click()
    expect(note).not_to_be_visible()
    expect(page.locator("#sound")).to_have_text("ON")
    browser.close()


def test_a_lost_server_leaves_the_last_number_dimmed_with_its_time(open_page, server):
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
        expect(each.locator("#status")).to_have_attribute("data-transport", transport, timeout=15_000)
        expect(each.locator(".stale #count")).to_have_count(0)
        shows(each, 19)
        assert each.evaluate("theButton.horns") == 1, "a reconnect sounds nothing"
    server.press()
    for each in (page, old):
        shows(each, 18)
        assert each.evaluate("theButton.horns") == 2


def test_a_restored_database_is_shown_though_its_seq_is_lower(open_page, server):
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


def test_reduced_motion_is_kept(open_page, server):
    page = connected(open_page(server, reduced_motion="reduce"))
    server.push()
    shows(page, 19)
    assert greens(page)[:2] == [True, False]


@pytest.mark.parametrize(("width", "height"), [(390, 844), (844, 390), (1280, 720), (1920, 1080), (320, 568)])
def test_the_ring_fills_the_screen_and_nothing_overlaps(open_page, shared, width, height):
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


def test_the_admin_flow_in_a_browser(open_page, server):
    page = open_page(server, "/admin")
    page.fill("#password", PASSWORD)
    page.click("text=Sign in >> nth=-1")
    page.click("button:has-text('Press')")
    expect(page.locator("h1")).to_have_text("19 of 20 deals to go")
    ring = page.locator("#wheel .made")
    drawn = ring.get_attribute("stroke-dasharray")
    server.push()
    expect(page.locator("h1")).to_have_text("18 of 20 deals to go")
    assert ring.get_attribute("stroke-dasharray") != drawn
    expect(page.locator("#changes tr")).to_have_count(3)
    page.click("button:has-text('Undo')")
    expect(page.locator("h1")).to_have_text("19 of 20 deals to go")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click("button:has-text('Reset')")
    expect(page.locator("h1")).to_have_text("19 of 20 deals to go")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("button:has-text('Reset')")
    expect(page.locator("h1")).to_have_text("20 of 20 deals to go")
    server.api("goal", "PUT", json={"goal": 25})
    expect(page.locator("h1")).to_have_text("25 of 25 deals to go")
    expect(page.locator("#title")).to_have_text("Deals till 25 deal goal")
    expect(page.locator("#sentence")).to_have_text("25 deals to go.")
    page.click("text=Sign out")
    expect(page).to_have_url(server.url + "/admin/login")


def test_the_admin_page_keeps_focus_and_typing_and_says_when_it_is_stale(open_page, server):
    page = open_page(server, "/admin")
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    connected(page)
    page.fill("#wanted", "30")
    server.press()
    shows(page, 19)
    expect(page.locator("#changes tr")).to_have_count(2)
    assert page.evaluate("document.activeElement.id") == "wanted"
    assert page.input_value("#wanted") == "30"
    page.focus("button:has-text('Reset')")
    server.press()
    shows(page, 18)
    expect(page.locator("#changes tr")).to_have_count(3)
    assert page.evaluate("document.activeElement.textContent") == "Reset"
    assert page.title().startswith("18 · Admin · ")
    server.stop()
    expect(page.locator("#status")).to_have_text(re.compile(r"Reconnecting · as of \d\d:\d\d"))
    expect(page.locator(".stale #count")).to_have_text("18")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, server, scheme):
    axe = (ROOT / "node_modules/axe-core/axe.min.js").read_text()
    for _ in range(3):
        server.press()
    server.api("undo")
    page = connected(open_page(server, color_scheme=scheme))
    shows(page, 18)
    for path in ("/", "/graph", "/admin/login", "/nowhere", "/admin"):
        if path != "/":
            page.goto(server.url + path)
        if path == "/admin":
            page.fill("#password", PASSWORD)
            page.click("text=Sign in >> nth=-1")
            expect(page.locator("h1")).to_have_text("18 of 20 deals to go")
        page.evaluate(axe)
        found = page.evaluate("axe.run()")["violations"]
        assert [(path, each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_the_goal_is_celebrated_and_the_party_ends_by_itself(open_page, start):
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


def test_who_wants_no_motion_gets_no_party(open_page, start):
    server = start(goal=1)
    page = connected(open_page(server, reduced_motion="reduce"))
    server.push()
    shows(page, 0)
    assert page.locator("#party").count() == 0


def test_the_pointer_hides_while_nobody_moves_it(open_page, shared):
    page = connected(open_page(shared))
    page.mouse.move(100, 100)
    expect(page.locator("#sound")).to_have_css("cursor", "none")
    page.mouse.move(120, 100)
    expect(page.locator("#sound")).to_have_css("cursor", "pointer")


def test_the_tab_shows_the_number(open_page, server):
    page = connected(open_page(server))
    first = page.get_attribute("#icon", "href")
    assert first.startswith("data:image/png")
    server.push()
    shows(page, 19)
    assert page.get_attribute("#icon", "href") != first
    assert page.title().startswith("19 · ")


def test_a_proxy_that_swallows_frames_costs_the_page_nothing(open_page, server):
    """It is right from the first moment on, and gives WebSocket up by itself."""
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
        until(lambda: proxy.given_up, "the watchdog")
        server.push()
        shows(page, 18)
        assert set(page.evaluate("states")) <= {"connecting", "connected"}
        assert page.evaluate("theButton.horns") == 2
        expect(page.locator("#status")).to_have_attribute("title", "Connected: polling")


def test_the_screen_stays_on_where_the_browser_lets_a_page_say_so(open_page, server):
    count = """
      window.asked = 0;
      navigator.wakeLock.request = () => { window.asked += 1; return Promise.reject(new Error('no')); };
    """
    page = connected(open_page(server, init=count))
    assert page.evaluate("asked") == 1


def test_the_horn_is_muted_by_keyboard(open_page, server):
    page = connected(open_page(server))
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#sound")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Enter")
    expect(page.locator("#sound")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("path", ["/?theme=%", "/?sound=%E0%A4"])
def test_a_query_that_cannot_be_read_harms_nothing(open_page, server, path):
    page = connected(open_page(server, path))
    shows(page, 20)


def test_an_engine_too_old_for_the_page_shows_the_number_and_looks_again(chromium, server):
    server.press()
    page = chromium.new_context().new_page()
    page.add_init_script("window.XMLHttpRequest = undefined")
    page.goto(server.url)
    expect(page.locator("h1")).to_have_text("19 of 20 deals to go")
    assert "too old" in page.text_content("p")
    server.press()
    expect(page.locator("h1")).to_have_text("18 of 20 deals to go", timeout=20_000)
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
    """Relative luminance (WCAG 2.2)."""
    parts = [
        value / 255 / 12.92 if value <= 10 else ((value / 255 + 0.055) / 1.055) ** 2.4
        for value in (red, green, blue)
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize(
    ("path", "scheme", "goal"),
    [("/", "light", 20), ("/graph", "dark", 20), ("/", "dark", 1), ("/graph", "light", 1)],
)
def test_the_number_stands_out_by_seven_to_one_wherever_it_lies(open_page, start, path, scheme, goal):
    """AAA of WCAG 2.2, even that of small text; on the blue cap, and on the gold one at the goal."""
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


def test_a_press_is_among_the_facts_at_once(open_page, server):
    """`info` comes every ten seconds at most."""
    server.press()
    page = connected(open_page(server))
    facts = page.locator("#facts")
    expect(facts).to_contain_text("1 today · 1 this week · last ")
    server.press()
    shows(page, 18)
    assert "2 today · 2 this week · last " in facts.text_content()


def test_a_newer_server_has_the_page_loaded_anew_once(open_page, server):
    loads = "sessionStorage.loads = Number(sessionStorage.loads || 0) + 1;"
    other = """
      const parse = JSON.parse;
      JSON.parse = (text, ...more) => {
        const data = parse(text, ...more);
        if (window.later && data[0] === 'info') data[1].version = '9.9.9';
        return data;
      };
    """
    page = connected(open_page(server, init=loads + other))
    expect(page.locator("#facts")).to_contain_text("today")
    page.evaluate("window.later = true")
    with page.expect_event("load"):
        server.restart()
    connected(page)
    expect(page.locator("#facts")).to_contain_text("today")
    assert page.evaluate("sessionStorage.loads") == "2"


def test_debug_shows_the_delays(open_page, server):
    page = connected(open_page(server, "/?debug"))
    server.push()
    shows(page, 19)
    expect(page.locator(".debug")).to_have_text(re.compile(r"round trip \d+ ms · count after \d+ ms"))


@pytest.mark.parametrize(("path", "most"), [("/", 22_000), ("/graph", 26_000)])
def test_the_pages_are_light(shared, path, most):
    """The first paint takes 14 kB at most; of the scripts, three, Socket.IO's own is 14.8 kB."""
    sizes = {}
    html = requests.get(shared.url + path, stream=True, timeout=DEADLINE)
    sizes["html"] = len(html.raw.read(decode_content=False))
    text = requests.get(shared.url + path, timeout=DEADLINE).text
    for found in re.findall(r'(?:src|href)="(/static/[^"]+\.(?:js|css)\?[^"]+)"', text):
        answer = requests.get(shared.url + found, stream=True, timeout=DEADLINE)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        sizes[found] = len(answer.raw.read(decode_content=False))
    scripts = sum(size for name, size in sizes.items() if ".js" in name)
    assert scripts <= most
    assert len([name for name in sizes if ".js" in name]) == 3
    assert sum(sizes.values()) - scripts <= 14_000
