"""The admin page in Chromium, with and without JavaScript, and in the engine of 2011."""

import re

import pytest
import requests
from chromium import connected, shows
from phantomjs import Phantom
from playwright.sync_api import expect
from server import PASSWORD, until


@pytest.fixture
def admin_page(open_page, server):
    """The admin page of the test's server, signed in and connected."""
    return connected(sign_in(open_page(server, "/admin")))


def sign_in(page, password=PASSWORD):
    page.fill("#password", password)
    page.click("button.main")
    return page


def press(page):
    page.click("button:has-text('Press')")


def heading(page, text):
    expect(page.locator("h1")).to_have_text(text)


def notice(page, text):
    expect(page.locator("#notice")).to_contain_text(text)


def test_each_form_acts_in_place_and_is_reported(admin_page, server):
    page = admin_page
    page.evaluate("window.unchanged = true")
    press(page)
    heading(page, "19 of 20 deals to go")
    notice(page, "Counted: 19 to go.")
    page.locator("#notice button").click()
    notice(page, "Undone: 20 to go.")
    expect(page.locator("#notice button")).to_have_count(0)
    page.fill("#wanted", "30")
    page.keyboard.press("Enter")
    notice(page, "Goal set to 30: 30 to go.")
    page.fill("#set-count", "7")
    page.click("text=Set count")
    notice(page, "Count set to 7: 7 to go.")
    page.fill("#set-count", "31")
    page.click("text=Set count")
    notice(page, "count: expected a whole number from 0 to 30.")
    assert page.input_value("#set-count") == "31"
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click("button:has-text('Reset')")
    heading(page, "7 of 30 deals to go")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("button:has-text('Reset')")
    notice(page, "Reset: 30 to go.")
    assert page.evaluate("window.unchanged"), "the page was not loaded again"
    assert [event["kind"] for event in server.history()] == ["press", "undo", "goal", "set", "reset"]
    page.click("text=Sign out")
    expect(page).to_have_url(server.url + "/admin/login")
    expect(page.locator("#notice")).to_have_text("Signed out.")


def test_page_follows_changes_from_elsewhere(admin_page, server):
    page = admin_page
    press(page)
    notice(page, "Counted")
    server.push()
    heading(page, "18 of 20 deals to go")
    shows(page, 18)
    expect(page.locator("#ring")).to_have_attribute("aria-label", "18 of 20 deals to go")
    expect(page.locator("#sentence")).to_have_text("18 deals to go.")
    expect(page.locator(".changes li")).to_have_count(2)
    expect(page.locator("#notice")).to_have_text(re.compile(r"^\s*$"))
    server.api("goal", "PUT", json={"goal": 25})
    expect(page.locator("#title")).to_have_text("Deals till 25 deal goal")
    expect(page.locator("#wanted")).to_have_value("25")
    assert page.title().startswith("23 · Admin · ")


def test_focus_input_and_open_details_survive_a_change(admin_page, server):
    page = admin_page
    page.locator("summary", has_text="Database").click()
    page.fill("#wanted", "30")
    server.press()
    shows(page, 19)
    expect(page.locator(".changes li")).to_have_count(1)
    assert page.evaluate("document.activeElement.id") == "wanted"
    assert page.input_value("#wanted") == "30"
    expect(page.get_by_text("Changes recorded: 1.")).to_be_visible()


def test_buttons_are_disabled_while_the_server_is_unreachable(admin_page, server):
    page = admin_page
    press(page)
    notice(page, "Counted")
    server.stop()
    expect(page.locator("#status")).to_have_text(re.compile(r"Reconnecting · as of \d\d:\d\d"))
    expect(page.locator(".stale #count")).to_have_text("19")
    buttons = page.locator("button[type=submit]")
    assert buttons.count() >= 6
    for button in buttons.all():
        expect(button).to_be_disabled()
    server.environ["BUTTON_PORT"] = str(server.port)
    server.start()
    connected(page)
    press(page)
    notice(page, "Counted: 18 to go.")


def test_press_with_an_ended_session_says_so_in_place(open_page, start):
    server = start(admin_password=None)
    password = next(line.split()[-1] for line in server.log if "Admin password:" in line)
    page = connected(sign_in(open_page(server, "/admin"), password))
    page.context.clear_cookies(name=f"button_session_{server.port}")
    press(page)
    notice(page, "Not counted, please sign in again.")
    assert page.url == server.url + "/admin"
    assert server.count()["seq"] == 0
    page.click("#notice a")
    sign_in(page, password)
    press(connected(page))
    notice(page, "Counted: 19 to go.")


def test_ended_session_is_noticed_with_the_next_change(admin_page, server):
    admin_page.context.clear_cookies(name=f"button_session_{server.port}")
    server.press()
    notice(admin_page, "Please sign in again.")
    shows(admin_page, 19)


def test_server_that_does_not_respond_is_reported(admin_page):
    admin_page.route("**/admin/press", lambda route: route.abort())
    press(admin_page)
    notice(admin_page, "The server does not respond. Check the count before you try again.")


def test_double_click_counts_once(admin_page, server):
    admin_page.dblclick("button:has-text('Press')")
    notice(admin_page, "Counted: 19 to go.")
    assert server.count()["seq"] == 1


def test_names_from_the_history_stay_text(admin_page, server):
    server.api("press", json={"site": "Berlin"})
    expect(admin_page.locator(".changes li .by")).to_have_text("API · Berlin")
    assert "innerHTML" not in admin_page.evaluate("fetch(document.scripts[2].src).then(r => r.text())")


def test_older_changes_are_shown_and_stay_while_the_count_changes(admin_page, server):
    page = admin_page
    for _ in range(23):
        server.press()
    page.click("text=Show older")
    connected(page)
    expect(page.locator(".changes li")).to_have_count(3)
    server.press()
    expect(page.locator("#admin")).to_have_attribute("data-seq", "24")
    expect(page.locator(".changes li")).to_have_count(3)
    press(page)
    notice(page, "Counted")
    expect(page.locator("#history-title")).to_have_text("History")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_works_without_javascript(open_page, server, scheme):
    page = sign_in(open_page(server, "/admin", java_script_enabled=False, color_scheme=scheme))
    press(page)
    heading(page, "19 of 20 deals to go")
    notice(page, "Counted: 19 to go.")
    expect(page.locator(".dial .wheel")).to_be_visible()
    expect(page.locator("#status")).to_be_hidden()  # it would show "Connecting" forever
    page.locator("#notice button").click()
    notice(page, "Undone: 20 to go.")
    page.fill("#wanted", "30")
    page.click("text=Set goal")
    notice(page, "Goal set to 30: 30 to go.")
    page.reload()
    expect(page.locator("#notice")).to_have_text(re.compile(r"^\s*$"))
    page.locator("summary", has_text="Screens").click()
    expect(page.get_by_text("Admin pages are not counted.")).to_be_visible()
    page.click("text=Last 100 log lines")
    expect(page.locator(".log")).to_contain_text("goal by admin")
    page.click("text=Sign out")
    expect(page.locator("#notice")).to_have_text("Signed out.")


def test_page_works_without_a_canvas(open_page, server):
    page = sign_in(open_page(server, "/admin", init="delete HTMLCanvasElement.prototype.getContext;"))
    press(page)
    notice(page, "Counted: 19 to go.")
    shows(page, 19)
    assert (
        page.evaluate("getComputedStyle(document.getElementById('count')).backgroundColor")
        != "rgba(0, 0, 0, 0)"
    )


def test_engine_of_2011_follows_the_count(server):
    form = requests.Session()
    token = re.search(r'csrf_token" value="([^"]+)"', form.get(server.url + "/admin/login").text)[1]
    form.post(server.url + "/admin/login", data={"password": PASSWORD, "csrf_token": token})
    name = f"button_session_{server.port}"
    phantom = Phantom(server.url + "/admin", cookie=(name, form.cookies[name]))
    phantom.shows(count="20", state="connected")
    server.press()
    phantom.shows(count="19", label="19 of 20 deals to go", green=lambda pixels: pixels > 100)
    until(lambda: server.count()["seq"] == 1, "the press")
    assert phantom.errors == []
    phantom.close()
    form.close()
