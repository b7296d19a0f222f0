"""Helpers for tests with a real Chromium."""

from playwright.sync_api import expect

ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-quic", "--no-first-run"]
AUTOPLAY = "--autoplay-policy=no-user-gesture-required"


def connected(page):
    expect(page.locator("#status")).to_have_attribute("data-state", "connected")
    return page


def shows(page, number):
    expect(page.locator("#count")).to_have_text(str(number))
