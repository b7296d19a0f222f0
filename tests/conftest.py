"""Fixtures: a server for one test, one that many tests share, screens and browsers that watch them."""

import signal

import hypothesis
import pytest
from browsers import ARGUMENTS, PLAY
from playwright.sync_api import sync_playwright
from postgres import Postgres
from running import TRANSPORTS, Screen, Server

# The same examples each time: a test that fails here fails everywhere.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")


@pytest.fixture
def start(tmp_path):
    """Starts servers, with settings; they end with the test, without a stop that takes its time."""
    servers = []

    def start(**settings):
        servers.append(Server(tmp_path, **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.stop(signal.SIGKILL)


@pytest.fixture
def server(start):
    """A server of this test's own."""
    return start()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A server that the tests of a module share: for what changes nothing, or does not mind."""
    server = Server(tmp_path_factory.mktemp("shared"))
    yield server
    server.stop()


@pytest.fixture
def watch():
    """Opens screens by the name of their transport; they close with the test."""
    screens = []

    def watch(server, name="websocket", **arguments):
        screens.append(Screen(server, TRANSPORTS[name], **arguments))
        return screens[-1]

    yield watch
    for screen in screens:
        screen.close()


@pytest.fixture(scope="session")
def playwright():
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright):
    """Chromium as a kiosk starts it: sound without a click."""
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*ARGUMENTS, PLAY])
    yield browser
    browser.close()


@pytest.fixture
def open_page(chromium):
    """Opens pages, each in a browser profile of its own; a script error fails the test."""
    contexts, errors = [], []

    def open_page(server, path="/", init=None, **options):
        context = chromium.new_context(**({"viewport": {"width": 1280, "height": 720}} | options))
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if init:
            page.add_init_script(init)
        page.goto(server.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL that the tests share, each with a database of its own."""
    postgres = Postgres()
    yield postgres
    postgres.close()
