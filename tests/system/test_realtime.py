"""Delivery of every change to every screen on each transport."""

import json
import signal
import subprocess
import threading
import time
from functools import partial

import pytest
import requests
from server import DEADLINE, SUPPORT, TOKEN, TRANSPORTS, Screen, until

ALL = list(TRANSPORTS)


def seqs(screen):
    return [count["seq"] for count in screen.counts]


@pytest.mark.parametrize("transport", ALL)
def test_screen_receives_the_state_on_connect(shared, watch, transport):
    screen = watch(shared, transport)
    until(lambda: screen.infos, "info")
    first = screen.counts[0]
    assert first == shared.count() | {"cause": "connect"}
    assert set(screen.infos[0]) == {"version", "screens", "pressed_at", "today", "week", "site"}


def test_21_presses_reach_every_transport_in_order(server, watch):
    screens = [watch(server, transport) for transport in ALL]
    for screen in screens:
        screen.wait_for(0)
    for seq in range(1, 22):
        server.push()
        for screen in screens:
            screen.wait_for(seq)  # since a late screen skips to the newest count
    for screen in screens:
        counts = screen.counts[1:]
        assert [count["seq"] for count in counts] == list(range(1, 22))
        assert [count["count"] for count in counts] == [*range(19, -1, -1), 20]
        assert {count["cause"] for count in counts} == {"press"}
    assert screens[2].transport == "websocket"
    before = server.count()
    server.restart()
    assert server.count() == before
    assert watch(server).wait_for(21)["count"] == 20


def test_idle_server_publishes_immediately(server, watch):
    """A callback from another thread would be delayed until something wakes the loop."""
    screens = [watch(server, transport) for transport in ALL]
    for screen in screens:
        screen.wait_for(0)
    time.sleep(1.5)  # idle
    server.push()
    for screen in screens:
        until(lambda screen=screen: screen.counts[-1]["seq"] == 1, "the press", deadline=1.5)


def test_every_change_reaches_every_screen(server, watch):
    screens = [watch(server, transport) for transport in ALL]
    set_goal = partial(server.api, "goal", "PUT", json={"goal": 5})
    reset, undo = partial(server.api, "reset"), partial(server.api, "undo")
    for seq, change in enumerate((server.press, set_goal, reset, undo), 1):
        change()
        for screen in screens:
            screen.wait_for(seq)
    for screen in screens:
        changes = [(count["cause"], count["count"], count["goal"]) for count in screen.counts if count["seq"]]
        assert changes == [("press", 19, 20), ("goal", 4, 5), ("reset", 5, 5), ("undo", 4, 5)]


def test_screens_that_connect_during_a_burst_get_the_state_then_newer_ones(server, watch):
    stop = threading.Event()

    def burst():
        while not stop.is_set():
            server.press()

    threads = [threading.Thread(target=burst) for _ in range(3)]
    for thread in threads:
        thread.start()
    screens = [watch(server, ALL[index % 3]) for index in range(12)]
    stop.set()
    for thread in threads:
        thread.join()
    last = server.count()["seq"]
    for screen in screens:
        screen.wait_for(last)
        assert screen.counts[0]["cause"] == "connect"
        assert seqs(screen) == sorted(set(seqs(screen)))


def test_info_counts_screens_and_presses(server, watch):
    server.press()
    screen = watch(server)
    info = until(lambda: screen.infos, "info")[0]
    assert (info["screens"], info["today"], info["week"]) == (1, 1, 1)
    assert info["pressed_at"] == server.count()["at"]


def test_foreign_origin_gets_403_on_both_transports(shared):
    for transport, more in (
        ("polling", {}),
        ("websocket", {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}),
    ):
        response = requests.get(
            f"{shared.url}/socket.io/?EIO=4&transport={transport}",
            headers={"Origin": "https://evil.example", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
            | more,
            timeout=DEADLINE,
        )
        assert response.status_code == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [("same", 200), ("https://crm.example", 200), ("https://other.example", 403), ("null", 403)],
)
def test_same_origin_and_allowed_origins_may_connect(start, origin, status):
    server = start(allowed_origins="https://crm.example")
    origin = server.url if origin == "same" else origin
    address = f"{server.url}/socket.io/?EIO=4&transport=polling"
    response = requests.get(address, headers={"Origin": origin}, timeout=DEADLINE)
    assert response.status_code == status
    assert (response.headers.get("Access-Control-Allow-Origin") == origin) == (status == 200)


def test_socketio_press_requires_the_token(shared, watch):
    rejected = watch(shared).press()
    assert rejected["ok"] is False
    assert rejected["error"]["code"] == "unauthorized"
    before = shared.count()["seq"]
    response = watch(shared, auth={"token": "a-token-for-tests"}).press({"key": "once"})
    assert response == {"ok": True} | shared.count()
    repeated = watch(shared, auth={"token": "a-token-for-tests"}).press({"key": "once"})
    assert repeated == response
    assert shared.count()["seq"] == before + 1


def test_wrong_token_is_rejected_on_connect(shared):
    with pytest.raises(Exception, match=r"unauthorized|namespaces failed"):
        Screen(shared, ["websocket"], auth={"token": "wrong"})


@pytest.mark.parametrize("data", [{"key": ""}, {"key": "x" * 65}, {"key": 7}, "text", [1], {"key": "ä"}])
def test_press_with_an_invalid_key_is_rejected(shared, watch, data):
    before = shared.count()
    response = watch(shared, auth={"token": "a-token-for-tests"}).press(data)
    assert response["error"]["code"] == "invalid_key"
    assert shared.count() == before


def test_unknown_event_closes_only_that_client(shared, watch):
    good, bad = watch(shared), watch(shared)
    bad.client.emit("launch", {"missiles": True})
    until(lambda: not bad.client.connected, "the disconnect")
    shared.press()
    good.wait_for(shared.count()["seq"])
    assert good.client.connected


def test_sigterm_closes_clients_and_exits_in_time(server, watch):
    screens = [watch(server, transport) for transport in ALL]
    for screen in screens:
        screen.wait_for(0)
    server.press()
    assert server.stop(signal.SIGTERM) == 0
    assert not [line for line in server.log if "took too long" in line]
    for screen in screens:
        until(lambda screen=screen: not screen.client.connected, "the disconnect")
        assert screen.counts[-1]["seq"] == 1


@pytest.mark.parametrize("times", [12, pytest.param(50, marks=pytest.mark.slow)])
def test_sigkill_during_a_burst_loses_no_published_change(server, watch, times):
    for turn in range(times):
        screen = watch(server, ALL[turn % 3])
        recorded = []

        def burst(recorded=recorded):
            try:
                while True:
                    recorded.append(server.press()["seq"])
            except (requests.RequestException, AssertionError):
                pass

        threads = [threading.Thread(target=burst) for _ in range(4)]
        for thread in threads:
            thread.start()
        until(lambda recorded=recorded, turn=turn: len(recorded) > 10 + turn, "presses")
        server.stop(signal.SIGKILL)
        for thread in threads:
            thread.join()
        server.restart()
        events = server.history()
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert len(events) >= max(seqs(screen) + recorded)


@pytest.mark.parametrize("name", TRANSPORTS)
def test_javascript_client_receives_counts_and_presses(server, name):
    command = ["node", SUPPORT / "client.js", server.url, TOKEN, *TRANSPORTS[name]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=True)
    received = [json.loads(line) for line in done.stdout.splitlines()]
    counts = [data["count"] for what, data in received if what == "count"]
    responses = [data["seq"] for what, data in received if what == "result" and data["ok"]]
    assert (counts, responses) == ([20, 19, 18], [1, 2, 2])
    assert received[-1] == ["transport", "polling" if name == "polling" else "websocket"]


def test_javascript_client_receives_the_reason_of_a_rejection(server):
    command = ["node", SUPPORT / "client.js", server.url, "wrong", "websocket"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert done.stdout == '["error","unauthorized"]\n'
