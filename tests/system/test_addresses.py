"""Addresses of the server, with IPv4 and IPv6."""

import socket
from types import SimpleNamespace

import pytest
import requests
from server import DEADLINE, PASSWORD, Screen, until

CANNOT = "BUTTON_HOST, BUTTON_PORT: cannot listen on "


@pytest.fixture
def everywhere(start):
    """A server on all addresses."""
    return start(host="0.0.0.0")


def at(server, host):
    return f"http://{host}:{server.port}"


def reached(server, host):
    """Return the server as seen by a client that connects to `host`."""
    return SimpleNamespace(url=at(server, host))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_default_address_serves_ipv4_and_ipv6(everywhere, host):
    assert everywhere.url == f"http://0.0.0.0:{everywhere.port}"
    url = at(everywhere, host)
    page = requests.get(url, timeout=DEADLINE)
    policy = page.headers["Content-Security-Policy"]
    assert f"ws://{host}:{everywhere.port}" in policy
    headers = {"Authorization": "Bearer a-token-for-tests"}
    assert requests.post(url + "/api/press", headers=headers, timeout=DEADLINE).json()["seq"] == 1


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]])
def test_screens_of_both_families_get_the_same_press(everywhere, transports):
    screens = []
    for host in ("127.0.0.1", "[::1]"):
        # websocket-client always sends the header.
        headers = {"Origin": at(everywhere, host)} if transports == ["polling"] else None
        screens.append(Screen(reached(everywhere, host), transports, headers=headers))
    everywhere.push()
    assert [screen.wait_for(1)["count"] for screen in screens] == [19, 19]
    assert everywhere.health().json()["clients"]["screens"] == 2
    for screen in screens:
        screen.close()


def test_page_of_the_ipv4_address_is_a_foreign_origin_for_ipv6(everywhere):
    response = requests.get(
        at(everywhere, "[::1]") + "/socket.io/?EIO=4&transport=polling",
        headers={"Origin": at(everywhere, "127.0.0.1")},
        timeout=DEADLINE,
    )
    assert response.status_code == 403


def test_guesses_over_ipv6_do_not_slow_logins_over_ipv4(everywhere, visit):
    guesser, admin = visit(reached(everywhere, "[::1]")), visit(everywhere)
    statuses = {guesser.sign_in("a guess").status_code for _ in range(7)}
    assert 429 in statuses
    assert admin.sign_in(PASSWORD).status_code == 302


def test_restart_serves_both_families_at_the_same_port(everywhere):
    port = everywhere.port
    everywhere.restart()
    assert everywhere.port == port
    assert requests.get(at(everywhere, "[::1]") + "/api/count", timeout=DEADLINE).ok
    assert everywhere.stop() == 0
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as probe:
            assert probe.connect_ex((host, port)) != 0


def test_stop_closes_the_connections_of_both_families(everywhere):
    screen = Screen(reached(everywhere, "[::1]"), ["websocket"])
    screen.wait_for(0)
    assert everywhere.stop() == 0
    until(lambda: not screen.client.connected, "the end of the session")
    screen.close()


def test_taken_ipv6_port_is_one_line_and_exit_status_1(start):
    with socket.socket(socket.AF_INET6) as other:
        other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        other.bind(("::", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AssertionError, match=f"{CANNOT}:: port {port}: Address already in use"):
            start(host="0.0.0.0", port=port)


def test_kernel_without_ipv6_serves_ipv4(start, tmp_path):
    """The server runs in a network namespace without IPv6."""
    script = 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up; exec "$@"'
    server = start(prefix=["unshare", "--net", "sh", "-euc", script, "sh"], host="0.0.0.0")
    assert "Serving on http://0.0.0.0:" in server.log[-1]


def test_one_address_serves_only_that_address(start):
    server = start(host="127.0.0.1")
    with socket.socket(socket.AF_INET6) as probe:
        assert probe.connect_ex(("::1", server.port)) != 0
    addresses = next(line for line in server.log if "Countdown" in line)
    assert f"http://127.0.0.1:{server.port}/" in addresses
    assert "localhost" not in addresses
