"""Screenshots of the real pages, written to docs/screenshots."""

import base64
import io
import itertools
import re
import subprocess
import sys

import office_data
import pytest
import requests
from graph import endpoint_of
from phantomjs import Phantom
from PIL import Image
from playwright.sync_api import expect
from server import PASSWORD, ROOT, SUPPORT, Server, until

PICTURES = ROOT / "docs/screenshots"
KIOSK = ["--no-sandbox", "--disable-background-networking", "--autoplay-policy=no-user-gesture-required"]
SIZES = {"": (1920, 1080), "-phone": (390, 844), "-dark": (1920, 1080), "-4k": (3840, 2160)}


@pytest.fixture(scope="module")
def browser(playwright):
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=KIOSK)
    yield browser
    browser.close()


def view(browser, kind, zone=None):
    width, height = SIZES[kind]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=2 if kind == "-phone" else 1,
        color_scheme="dark" if kind == "-dark" else "light",
        reduced_motion="reduce",
        timezone_id=zone,
    )
    return context.new_page()


def shoot(page, name, **options):
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.jpg", type="jpeg", quality=88, **options)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SIZES)
def test_countdown_screenshots(browser, server, kind):
    for _ in range(7):
        server.push()
    page = view(browser, kind)
    page.goto(server.url)
    expect(page.locator("#count")).to_have_text("13")
    expect(page.locator("#status")).to_have_attribute("data-transport", "websocket")
    until(lambda: "7 today" in page.text_content("#facts"), "the facts")
    shoot(page, "countdown" + kind)
    page.context.close()


@pytest.mark.slow
@pytest.mark.parametrize(("path", "name"), [("/", "countdown"), ("/graph", "graph")])
def test_goal_and_offline_screenshots(browser, server, path, name):
    for _ in range(20):
        server.press()
    page = view(browser, "")
    page.goto(server.url + path)
    expect(page.locator("#count")).to_have_text("0")
    expect(page.locator("#status")).to_have_attribute("data-transport", "websocket")
    shoot(page, f"{name}-goal")
    server.stop()
    expect(page.locator("#status")).to_have_attribute("data-state", "closed")
    shoot(page, f"{name}-offline")
    page.context.close()


@pytest.mark.slow
def test_celebration_screenshot(browser, start):
    server = start()
    for _ in range(19):
        server.press()
    context = browser.new_context(viewport={"width": 1920, "height": 1080})
    page = context.new_page()
    page.goto(server.url)
    expect(page.locator("#status")).to_have_attribute("data-state", "connected")
    server.press()
    expect(page.locator("#count")).to_have_text("0")
    page.wait_for_timeout(2200)
    shoot(page, "countdown-party")
    context.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "name"),
    [("/", "countdown"), ("/graph", "graph"), ("/admin/login", "login"), ("/admin", "admin")],
)
def test_noscript_screenshots(browser, server, publish, path, name):
    server.press()
    publisher = publish(server)
    publisher.send_json({"y": 2.5, "series": "Coffee"})
    publisher.send_json({"y": 21.25, "series": "Temperature"})
    until(lambda: server.health().json()["feed"]["messages"] == 2, "the values")
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.goto(server.url + path)
    if path == "/admin":
        page.fill("#password", PASSWORD)
        page.click("button.main")
        expect(page.locator("h1")).to_have_text("19 of 20 deals to go")
        expect(page.locator("#status")).to_be_hidden()  # it would show "Connecting" forever
    shoot(page, f"{name}-noscript")
    context.close()


@pytest.fixture
def sine(server):
    """The original producer, publishing to the server."""
    process = subprocess.Popen([sys.executable, SUPPORT / "producer.py", endpoint_of(server)])
    yield
    process.kill()
    process.wait()


def press_and_wait_for_a_full_graph(server):
    for _ in range(7):
        server.press()
    until(lambda: server.health().json()["feed"]["messages"] > 105, "the samples")


@pytest.mark.slow
@pytest.mark.parametrize("kind", SIZES)
def test_graph_screenshots(browser, tmp_path, start, publish, kind):
    zone = office_data.afternoon()
    office_data.record_deals(tmp_path / "button.db")
    server = start(environ={"TZ": zone})
    number = office_data.publish_values(publish(server))
    until(lambda: server.health().json()["feed"]["messages"] == number, "the samples")
    page = view(browser, kind, zone)
    page.goto(server.url + "/graph")
    until(lambda: page.text_content("#today-sum").endswith(" deals"), "the presses")
    until(lambda: page.text_content("#past-sum").startswith("fastest"), "the rounds")
    until(lambda: page.locator("#legend li").count() == 3, "the series")
    expect(page.locator("#status")).to_have_attribute("data-transport", "websocket")
    shoot(page, "graph" + kind, full_page=kind == "-phone")
    page.context.close()


@pytest.mark.slow
@pytest.mark.parametrize(("path", "name"), [("/", "countdown-2011"), ("/graph", "graph-2011")])
def test_screenshots_in_the_engine_from_2011(server, sine, path, name):
    press_and_wait_for_a_full_graph(server)
    phantom = Phantom(server.url + path)
    phantom.shows(count="13", state="connected", green=lambda number: number > 500)
    if path == "/graph":
        phantom.shows(blue=lambda number: number > 1000)
    else:
        sizes = []  # number of states at each poll; constant for a second if the ring is at rest
        until(lambda: sizes.append(len(phantom.states)) or sizes[-200:-199] == sizes[-1:], "the ring at rest")
    save_picture(phantom, name)


@pytest.mark.slow
def test_admin_screenshots_in_the_engine_from_2011(server):
    server.press()
    form = requests.Session()
    token = re.search(r'csrf_token" value="([^"]+)"', form.get(server.url + "/admin/login").text)[1]
    form.post(server.url + "/admin/login", data={"password": PASSWORD, "csrf_token": token})
    name = f"button_session_{server.port}"
    cookie = (name, form.cookies[name])
    for path, name in (("/admin", "admin-2011"), ("/admin/login", "login-2011")):
        phantom = Phantom(server.url + path, cookie=cookie if path == "/admin" else ())
        until(lambda phantom=phantom: phantom.states, "the page")
        if path == "/admin":
            phantom.shows(count="19", state="connected", green=lambda number: number > 100)
        save_picture(phantom, name)
        assert phantom.errors == []


def save_picture(phantom, name):
    """Save a screenshot taken by PhantomJS."""
    with Image.open(phantom.screenshot()) as picture:
        picture.convert("RGB").save(PICTURES / f"{name}.jpg", quality=88)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SIZES)
def test_admin_screenshots(browser, tmp_path, kind):
    server = Server(tmp_path, admin_password=None)
    password = next(line.split()[-1] for line in server.log if "Admin password:" in line)
    try:
        server.api("count", "PUT", json={"count": 1})
        for site in ("Oslo", "Berlin"):
            server.api("press", json={"site": site})
        for _ in range(3):
            server.push()
        server.api("undo")
        server.api("goal", "PUT", json={"goal": 25})
        page = view(browser, kind)
        page.goto(server.url + "/admin")
        shoot(page, "login" + kind)
        page.fill("#password", password)
        page.click("button.main")
        expect(page.locator("#status")).to_have_attribute("data-transport", "websocket")
        page.click("button:has-text('Press')")
        expect(page.locator("#notice")).to_contain_text("Counted: 22 to go.")
        page.mouse.move(0, 0)
        shoot(page, "admin" + kind, full_page=True)
        if not kind:
            server.api("goal", "PUT", json={"goal": 2})
            expect(page.locator("h1")).to_have_text("0 of 2 deals to go")
            shoot(page, "admin-goal")
            server.stop()
            expect(page.locator("#status")).to_have_attribute("data-state", "closed")
            shoot(page, "admin-offline")
        page.context.close()
    finally:
        server.stop()


@pytest.mark.slow
def test_animation_of_two_presses(browser, server):
    """Write the README's animation from the frames that Chromium painted."""
    for _ in range(6):
        server.press()
    page = browser.new_context(viewport={"width": 960, "height": 540}).new_page()
    page.goto(server.url)
    expect(page.locator("#count")).to_have_text("14")
    page.wait_for_timeout(2500)  # the ring is at rest
    frames = []
    screen = page.context.new_cdp_session(page)

    def painted(frame):
        frames.append((frame["metadata"]["timestamp"], base64.b64decode(frame["data"])))
        screen.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    screen.on("Page.screencastFrame", painted)
    screen.send("Page.startScreencast", {"format": "png"})
    for count in (13, 12):
        page.wait_for_timeout(700)
        server.press()
        expect(page.locator("#count")).to_have_text(str(count))
        page.wait_for_timeout(1800)
    screen.send("Page.stopScreencast")
    page.context.close()
    pictures = dict(sorted(frames))  # by time, in seconds
    assert len(pictures) > 10
    times = [round(1000 * at) for at in pictures]
    durations = [max(1, after - at) for at, after in itertools.pairwise(times)] + [1000]
    first, *rest = [Image.open(io.BytesIO(data)).convert("RGB") for data in pictures.values()]
    file = PICTURES / "press.webp"
    first.save(file, save_all=True, append_images=rest, duration=durations, loop=0, quality=75, method=4)
    assert file.stat().st_size < 1_500_000
