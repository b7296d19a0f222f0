"""The horn in Chromium."""

import pytest
from chromium import ARGUMENTS, connected, shows
from playwright.sync_api import expect


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


def test_horn_can_be_muted_by_keyboard(open_page, server):
    page = connected(open_page(server))
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#sound")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Enter")
    expect(page.locator("#sound")).to_have_attribute("aria-pressed", "true")
