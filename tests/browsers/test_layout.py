"""Layout of every page on every screen, with the default autoplay policy.

No text overlaps other text or is off screen. If BUTTON_PICTURES is set to a folder, the tests also write
screenshots to it.
"""

import os
from pathlib import Path

import pytest
from chromium import ARGUMENTS, connected, shows
from layout import PROBLEMS, SCREENS
from playwright.sync_api import expect
from server import PASSWORD, until

PICTURES = os.environ.get("BUTTON_PICTURES")
#: Screens for `make test`.
FEW_SCREENS = [(320, 240), (390, 844), (1920, 1080)]
screens_and_schemes = pytest.mark.parametrize(
    ("screens", "scheme"),
    [
        (FEW_SCREENS, "light"),
        pytest.param(SCREENS, "light", marks=pytest.mark.slow),
        pytest.param(SCREENS, "dark", marks=pytest.mark.slow),
    ],
    ids=["few", "light", "dark"],
)
LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitaene"


@pytest.fixture(scope="module")
def phone(playwright):
    """Chromium that blocks sound until a click, as on a phone or a TV."""
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture
def visit(phone):
    contexts = []

    def visit(server, path="/", scheme="light"):
        contexts.append(phone.new_context(color_scheme=scheme, reduced_motion="reduce"))
        page = contexts[-1].new_page()
        page.goto(server.url + path)
        return page

    yield visit
    for context in contexts:
        context.close()


def check(page, name, screens, scrolls=lambda width, height: False):
    """Assert that the page has no layout problems on any screen."""
    problems = {}
    for width, height in screens:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        if found := page.evaluate(PROBLEMS, scrolls(width, height)):
            problems[f"{name} {width}x{height}"] = found
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"{name}-{width}x{height}.png")
    assert problems == {}


def is_narrow(width, height):
    """Return whether the graph page is a scrolling column."""
    return width < 760 or height > width or height < 500


def first_run(server, goal):
    pass


def some_presses(server, goal):
    for _ in range(min(7, goal - 1)):
        server.api("press", json={"site": "Berlin"})


def goal_reached(server, goal):
    server.api("count", "PUT", json={"count": 1 if goal > 1 else 0})
    if goal > 1:
        server.press()


@screens_and_schemes
@pytest.mark.parametrize("prepare", [first_run, some_presses, goal_reached])
def test_countdown_fits_every_screen(visit, server, screens, scheme, prepare):
    prepare(server, 20)
    page = connected(visit(server, scheme=scheme))
    expect(page.locator("#sound")).to_have_text("Turn on sound")
    expect(page.locator("#facts")).to_contain_text("today")
    check(page, f"countdown-{prepare.__name__}-{scheme}", screens)
    server.stop()
    expect(page.locator("#status")).to_have_attribute("data-state", "closed")
    check(page, f"countdown-{prepare.__name__}-offline-{scheme}", screens)


@pytest.mark.slow
@pytest.mark.parametrize("goal", [1, 7, 50, 365, 1000])
def test_countdown_fits_every_screen_with_any_goal(visit, start, goal):
    server = start(goal=goal)
    server.api("count", "PUT", json={"count": goal - goal // 3})
    page = connected(visit(server))
    shows(page, goal - goal // 3)
    check(page, f"goal-{goal}", SCREENS)


@pytest.mark.parametrize("screens", [FEW_SCREENS[:2], pytest.param(SCREENS, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "title", [LONG_WORD, "Many words about the goal that we have set for this year. " * 3]
)
def test_long_titles_fit(visit, start, title, screens):
    server = start(title=title, noun="Vertragsunterzeichnung,Vertragsunterzeichnungen")
    page = connected(visit(server))
    expect(page.locator("#facts")).to_contain_text("today")
    check(page, f"title-{len(title)}", screens)


@pytest.mark.parametrize("screens", [FEW_SCREENS, pytest.param(SCREENS, marks=pytest.mark.slow)])
def test_press_message_fits(visit, server, screens):
    page = connected(visit(server))
    # Keep the message visible. A fake clock would also fake the frames that `check` waits for.
    page.evaluate("window.setTimeout = (set => (f, ms) => ms === 5000 ? 0 : set(f, ms))(window.setTimeout)")
    server.api("press", json={"site": "An office with a rather long name"[:32]})
    shows(page, 19)
    expect(page.locator("#moment")).to_contain_text("+1 · ")
    check(page, "press", screens)
    expect(page.locator("#moment")).to_contain_text("+1 · ")


@screens_and_schemes
@pytest.mark.parametrize("series", [0, 1, 16])
def test_graph_fits_every_screen(visit, publish, server, screens, scheme, series):
    some_presses(server, 20)
    publisher = publish(server) if series else None
    for number in range(series):
        for value in range(5):
            publisher.send_json(
                {"x": 1763760000000 + 1000 * value, "y": number + value / 3, "series": f"Line {number}"}
            )
    until(lambda: server.health().json()["feed"]["messages"] == 5 * series, "the values")
    page = connected(visit(server, "/graph", scheme))
    until(lambda: page.text_content("#today-sum") == "7 deals", "the presses")
    expect(page.locator("#legend li")).to_have_count(series)
    check(page, f"graph-{series}-{scheme}", screens, is_narrow)


@screens_and_schemes
def test_admin_pages_fit_every_screen(visit, server, screens, scheme):
    some_presses(server, 20)
    page = visit(server, "/admin", scheme)
    check(page, f"login-{scheme}", screens, lambda width, height: True)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    shows(connected(page), 13)
    check(page, f"admin-{scheme}", screens, lambda width, height: True)
    server.api("press", json={"site": "An office with a rather long name"[:32]})
    page.click("button:has-text('Press')")
    expect(page.locator("#notice")).to_contain_text("Counted: 11 to go.")
    for chip in page.locator("summary").all():
        chip.click()
    check(page, f"admin-open-{scheme}", screens, lambda width, height: True)
    page.goto(server.url + "/admin/log")
    check(page, f"log-{scheme}", screens, lambda width, height: True)


@pytest.mark.parametrize("screens", [FEW_SCREENS, pytest.param(SCREENS, marks=pytest.mark.slow)])
def test_admin_page_fits_with_long_names_and_errors(visit, start, screens):
    noun = "Vertragsunterzeichnung,Vertragsunterzeichnungen"
    server = start(goal=1000, title=LONG_WORD, noun=noun, admin_password=None)
    password = next(line.split()[-1] for line in server.log if "Admin password:" in line)
    some_presses(server, 1000)
    server.api("undo")
    page = visit(server, "/admin")
    page.fill("#password", password)
    page.keyboard.press("Enter")
    shows(connected(page), 994)
    page.fill("#wanted", "1001")
    page.click("text=Set goal")
    expect(page.locator("#notice")).to_contain_text("goal: expected a whole number from 1 to 1000.")
    page.click("text=Change the password")
    check(page, "admin-long", screens, lambda width, height: True)
