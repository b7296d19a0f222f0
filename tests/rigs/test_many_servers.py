"""Four servers on one PostgreSQL, behind nginx and HAProxy configured as in deploy/."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from client_swarm import ClientSwarm
from proxy import Deployed, listens
from server import DEADLINE, ROOT, TOKEN, Server, until

SCREENS = 500  # behind each proxy
PRESSES = 30  # on each server

pytestmark = pytest.mark.slow


@pytest.fixture
def servers(tmp_path, postgres):
    url = postgres.new()
    servers = []
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        servers.append(Server(folder, database=url, feed="off", trusted_proxies=1, log="warning"))
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def proxies(tmp_path, servers):
    """Ports of nginx and HAProxy."""
    running = [Deployed(name, tmp_path, servers) for name in ("nginx", "haproxy")]
    yield [proxy.port for proxy in running]
    for proxy in running:
        proxy.close()


@pytest.fixture
def crowds(proxies):
    crowds = [ClientSwarm(port, SCREENS) for port in proxies]
    yield crowds
    for crowd in crowds:
        crowd.close()


def test_1000_screens_on_four_servers_show_the_same_count(servers, crowds):
    screens = [server.health().json()["clients"]["screens"] for server in servers]
    assert sum(screens) == SCREENS * len(crowds)
    assert min(screens) > SCREENS // 10, "the screens of one network are spread over the servers"
    with ThreadPoolExecutor(len(servers)) as pool:
        for pressed in [pool.submit(press, server, PRESSES) for server in servers]:
            pressed.result()
    assert_all_show(crowds, servers, len(servers) * PRESSES)
    assert [crowd.ask().returned for crowd in crowds] == [0, 0]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_screens_of_a_stopped_server_reconnect_to_another(servers, crowds, how):
    press(servers[0], 3)
    screens = servers[3].health().json()["clients"]["screens"]
    servers[3].stop(how)
    until(lambda: sum(crowd.ask().returned for crowd in crowds) >= screens, "the disconnected screens")
    press(servers[0], 1)
    assert_all_show(crowds, servers[:3], 4)
    assert max(crowd.ask().longest for crowd in crowds) < DEADLINE


def test_rolling_restart_under_load_loses_no_press(servers, crowds):
    stop, pressed = threading.Event(), []

    def keep_pressing():
        while not stop.wait(0.02):
            pressed.append(servers[0].press()["seq"])

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(keep_pressing)
        try:
            for server in servers[1:]:
                server.restart()
        finally:
            stop.set()
        done.result()
    assert_all_show(crowds, servers, len(pressed))
    assert sum(crowd.ask().returned for crowd in crowds) > SCREENS


def test_procfile_runs_four_servers_with_honcho(tmp_path, postgres):
    """Start the servers as in docs/scaling.md, with a separate folder for the spools."""
    # Below the ephemeral ports, any of which can be in use.
    port = next(port for port in range(18001, 30000, 10) if not any(listens(port + n) for n in range(4)))
    for name in ("app.py", "Procfile"):
        (tmp_path / name).symlink_to(ROOT / name)
    settings = {"DATABASE": postgres.new(), "HARDWARE": "none", "FEED": "off", "API_TOKEN": TOKEN}
    environ = os.environ | {f"BUTTON_{name}": value for name, value in settings.items()}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    command = ["honcho", "start", "--concurrency", "web=4", "--port", str(port)]
    honcho = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL)
    try:
        urls = [f"http://127.0.0.1:{port + number}/api/" for number in range(4)]
        until(lambda: all(listens(port + number) for number in range(4)), "four servers")
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for url in urls:
            assert requests.post(url + "press", headers=headers, timeout=DEADLINE).status_code == 201
        for url in urls:
            until(
                lambda url=url: requests.get(url + "count", timeout=DEADLINE).json()["seq"] == 4, "the count"
            )
    finally:
        honcho.terminate()
        honcho.wait(DEADLINE)


def press(server, times):
    for _ in range(times):
        server.press()


def assert_all_show(crowds, servers, seq):
    """Check that all screens show `seq`, none went backwards, and no event is missing."""
    for crowd in crowds:
        until(lambda crowd=crowd: crowd.all_at(seq), f"all screens to show {seq}")
        assert crowd.ask().wrong == []
    histories = [server.history() for server in servers]
    assert [event["seq"] for event in histories[0]] == list(range(1, seq + 1))
    assert all(history == histories[0] for history in histories)
