"""Fixtures for servers, databases, Socket.IO clients and browsers."""

import signal
import subprocess

import hypothesis
import pytest
import zmq
from chromium import ARGUMENTS, AUTOPLAY
from forward_proxy import ForwardProxy
from graph import Graph, endpoint_of
from playwright.sync_api import sync_playwright
from postgres import Postgres
from process import calm
from raw_client import Wire
from receiver import Receiver
from remote_button import RemoteButton
from server import DEADLINE, ROOT, TRANSPORTS, Screen, Server
from tested import record_target
from visitor import Visitor

#: The last commit of version 1.1.0.
OLD_COMMIT = "19cf5ffb67b4d8636965e6a1fcef4c620d16dcf0"

# Use the same examples in every run so that failures are reproducible.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")


def pytest_sessionfinish(session, exitstatus):
    if exitstatus == pytest.ExitCode.OK:
        record_target()


@pytest.fixture
def start(tmp_path):
    """Function that starts a server with settings. Servers are killed after the test."""
    servers = []

    def start(**settings):
        servers.append(Server(tmp_path, **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.stop(signal.SIGKILL)


@pytest.fixture
def server(start):
    """A server for one test."""
    return start()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A server shared by the tests of a module that do not depend on its state."""
    server = Server(tmp_path_factory.mktemp("shared"))
    yield server
    server.stop()


@pytest.fixture
def watch():
    """Function that opens a screen on a transport. Screens are closed after the test."""
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
    """Chromium with the options of a kiosk, which allow sound before a click."""
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*ARGUMENTS, AUTOPLAY])
    yield browser
    browser.close()


@pytest.fixture
def open_page(chromium):
    """Function that opens a page in a new profile. A script error fails the test."""
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
    """A PostgreSQL server shared by all tests. Each test uses a new database."""
    postgres = Postgres()
    yield postgres
    postgres.close()


@pytest.fixture
def publish():
    """Function that connects a publisher to the feed. It is closed after the test."""
    context, publishers = zmq.Context(), []

    def publish(server):
        publisher = context.socket(zmq.XPUB)  # like PUB, but receives subscriptions
        publisher.setsockopt(zmq.LINGER, 0)
        publisher.setsockopt(zmq.IPV6, "[" in endpoint_of(server))
        publisher.connect(endpoint_of(server))
        assert publisher.poll(DEADLINE * 1000) and publisher.recv() == b"\x01"
        publishers.append(publisher)
        return publisher

    yield publish
    for publisher in publishers:
        publisher.close()
    context.term()


@pytest.fixture
def watch_graph():
    graphs = []

    def watch_graph(*arguments):
        graphs.append(Graph(*arguments))
        return graphs[-1]

    yield watch_graph
    for graph in graphs:
        graph.close()


@pytest.fixture
def own_postgres():
    """A PostgreSQL server for one test, which can stop it or close its connections."""
    postgres = Postgres()
    yield postgres
    postgres.close()


@pytest.fixture
def visit():
    visitors = []

    def visit(server, **more):
        visitors.append(Visitor(server, **more))
        return visitors[-1]

    yield visit
    for visitor in visitors:
        visitor.close()


@pytest.fixture
def remote(tmp_path):
    buttons = []

    def remote(url, **settings):
        buttons.append(RemoteButton(tmp_path / "remote", url, **settings))
        return buttons[-1]

    yield remote
    for button in buttons:
        button.stop()


@pytest.fixture(scope="session")
def old_program(tmp_path_factory):
    """Path of the app.py of version 1.1.0, extracted from the Git history."""
    folder = tmp_path_factory.mktemp("old")
    archive = subprocess.run(["git", "archive", OLD_COMMIT], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    return folder / "app.py"


@pytest.fixture
def wire(shared):
    """A raw connection to the shared server. The server must work after the test."""
    with Wire(shared) as wire:
        yield wire
    assert shared.count()
    assert calm(shared), "\n".join(shared.log[-20:])


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def second_receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def forward_proxy():
    """Function that starts a proxy for outgoing requests."""
    proxies = []

    def forward_proxy(**options):
        proxies.append(ForwardProxy(**options))
        return proxies[-1]

    yield forward_proxy
    for proxy in proxies:
        proxy.close()
