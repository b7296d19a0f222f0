"""What all pages share, in Chromium: font, theme, menu, accessibility, size."""

import re

import pytest
import requests
from chromium import connected, shows
from playwright.sync_api import expect
from server import DEADLINE, PASSWORD, ROOT, until


@pytest.mark.parametrize("path", ["/", "/graph", "/admin/login"])
def test_pages_use_the_bundled_font(open_page, shared, path):
    page = open_page(shared, path)
    until(
        lambda: page.evaluate("Array.from(document.fonts).map(font => font.status)") == ["loaded"], "the font"
    )
    assert page.evaluate("document.fonts.check('700 20px Inter')")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_query_parameter_sets_the_theme(open_page, shared, theme):
    other = "light" if theme == "dark" else "dark"
    page = connected(open_page(shared, f"/?theme={theme}", color_scheme=other))
    luminance = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    dark = sum(map(int, re.findall(r"\d+", luminance)[:3])) < 380
    assert dark == (theme == "dark")


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


@pytest.mark.parametrize("path", ["/", "/graph"])
def test_menu_appears_on_pointer_movement_and_focus(open_page, server, path):
    page = connected(open_page(server, path))
    menu = page.locator("#menu")
    expect(menu).to_have_css("opacity", "0")
    page.mouse.move(100, 100)
    page.mouse.move(120, 120)
    expect(menu).to_have_css("opacity", "1")
    expect(menu).to_have_css("opacity", "0", timeout=10_000)
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


def test_idle_pointer_is_hidden(open_page, shared):
    page = connected(open_page(shared))
    page.mouse.move(100, 100)
    expect(page.locator("#sound")).to_have_css("cursor", "none")
    page.mouse.move(120, 100)
    expect(page.locator("#sound")).to_have_css("cursor", "pointer")


def test_page_requests_a_wake_lock(open_page, server):
    counting = """
      window.requested = 0;
      navigator.wakeLock.request = () => { window.requested += 1; return Promise.reject(new Error('no')); };
    """
    page = connected(open_page(server, init=counting))
    assert page.evaluate("requested") == 1


@pytest.mark.parametrize("path", ["/?theme=%", "/?sound=%E0%A4"])
def test_malformed_query_is_ignored(open_page, server, path):
    page = connected(open_page(server, path))
    shows(page, 20)


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
