"""Connections of the pages in Chromium, lost and restored."""

import contextlib
import re
import signal

import pytest
from chromium import connected, shows
from playwright.sync_api import expect
from proxy import Proxy
from server import until


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
        expect(each.locator("#status")).to_have_attribute("data-transport", transport, timeout=15_000)
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


@pytest.mark.slow
def test_unsupported_browser_shows_the_count_and_reloads(chromium, server):
    server.press()
    page = chromium.new_context().new_page()
    page.add_init_script("window.XMLHttpRequest = undefined")
    page.goto(server.url)
    expect(page.locator("h1")).to_have_text("19 of 20 deals to go")
    assert "too old" in page.text_content("p")
    server.press()
    expect(page.locator("h1")).to_have_text("18 of 20 deals to go", timeout=20_000)
    page.context.close()


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
