"""Takes the pictures in docs/screenshots, of the real pages in the real browser, so that they never lie."""

import subprocess
import sys

import pytest
from engines import Phantom
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from running import ROOT, Server, until
from test_feed import endpoint_of

PICTURES = ROOT / "docs/screenshots"
KIOSK = ["--no-sandbox", "--disable-background-networking", "--autoplay-policy=no-user-gesture-required"]
SIZES = {"": (1920, 1080), "-phone": (390, 844), "-dark": (1920, 1080), "-4k": (3840, 2160)}


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=KIOSK)
        yield browser
        browser.close()


def view(browser, kind):
    width, height = SIZES[kind]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=2 if kind == "-phone" else 1,
        color_scheme="dark" if kind == "-dark" else "light",
        reduced_motion="reduce",
    )
    return context.new_page()


def shoot(page, name, **options):
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.jpg", type="jpeg", quality=88, **options)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SIZES)
def test_the_countdown(browser, server, kind):
    for _ in range(7):
        server.push()
    page = view(browser, kind)
    page.goto(server.url)
    expect(page.locator("#count")).to_have_text("13")
    until(lambda: "7 today" in page.text_content("#facts"), "the facts")
    shoot(page, "countdown" + kind)
    page.context.close()


@pytest.mark.slow
def test_the_countdown_at_the_goal_and_offline(browser, start):
    server = start(goal=20)
    for _ in range(20):
        server.press()
    page = view(browser, "")
    page.goto(server.url)
    expect(page.locator("#count")).to_have_text("0")
    shoot(page, "countdown-goal")
    server.stop()
    expect(page.locator("#status")).to_have_attribute("data-state", "closed")
    shoot(page, "countdown-offline")
    page.context.close()


@pytest.mark.slow
def test_the_countdown_without_javascript(browser, server):
    server.press()
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.goto(server.url)
    shoot(page, "countdown-noscript")
    context.close()


@pytest.fixture
def sine(server):
    """The original's producer, at work for the server."""
    process = subprocess.Popen([sys.executable, ROOT / "tests/producer.py", endpoint_of(server)])
    yield
    process.kill()
    process.wait()


def press_and_wait_for_a_full_graph(server):
    for _ in range(7):
        server.press()
    until(lambda: server.health().json()["feed"]["messages"] > 105, "the sine")


@pytest.mark.slow
@pytest.mark.parametrize("kind", SIZES)
def test_the_graph(browser, server, sine, kind):
    press_and_wait_for_a_full_graph(server)
    page = view(browser, kind)
    page.goto(server.url + "/graph")
    until(lambda: page.text_content("#today-sum") == "7 presses", "the presses")
    until(lambda: page.locator("#legend li").count() == 1, "the sine")
    shoot(page, "graph" + kind, full_page=kind == "-phone")
    page.context.close()


@pytest.mark.slow
@pytest.mark.parametrize(("path", "name"), [("/", "countdown-2011"), ("/graph", "graph-2011")])
def test_the_engine_of_2011(server, sine, path, name):
    press_and_wait_for_a_full_graph(server)
    phantom = Phantom(server.url + path)
    phantom.shows(count="13", state="connected", green=lambda number: number > 500)
    if path == "/graph":
        phantom.shows(blue=lambda number: number > 1000)
    with Image.open(phantom.picture()) as picture:
        picture.convert("RGB").save(PICTURES / f"{name}.jpg", quality=88)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["", "-phone", "-dark"])
def test_the_admin_page(browser, tmp_path, kind):
    server = Server(tmp_path, admin_password=None)
    password = next(line.split()[-1] for line in server.log if "Admin password:" in line)
    try:
        for _ in range(3):
            server.push()
        server.api("undo")
        server.api("goal", "PUT", json={"goal": 25})
        page = view(browser, kind)
        page.goto(server.url + "/admin")
        shoot(page, "login" + kind)
        page.fill("#password", password)
        page.click("button.main")
        expect(page.locator("h1")).to_have_text("23 of 25 deals to go")
        shoot(page, "admin" + kind, full_page=True)
        page.context.close()
    finally:
        server.stop()
