"""Fixtures: a server for one test, one that many tests share, and screens that watch them."""

import hypothesis
import pytest
from running import TRANSPORTS, Screen, Server

# The same examples each time: a test that fails here fails everywhere.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")


@pytest.fixture
def start(tmp_path):
    """Starts servers, with settings; they end with the test."""
    servers = []

    def start(**settings):
        servers.append(Server(tmp_path, **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


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
