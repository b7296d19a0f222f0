"""From the store to every screen: the right count, in order, at once, on each transport."""

import json
import signal
import subprocess
import threading

import pytest
import requests
from server import DEADLINE, SUPPORT, TOKEN, TRANSPORTS, Screen, until

ALL = list(TRANSPORTS)


def seqs(screen):
    return [count["seq"] for count in screen.counts]


@pytest.mark.parametrize("transport", ALL)
def test_a_screen_is_told_the_state_when_it_connects(shared, watch, transport):
    screen = watch(shared, transport)
    until(lambda: screen.infos, "info")
    first = screen.counts[0]
    assert first == shared.count() | {"cause": "connect"}
    assert set(screen.infos[0]) == {"version", "screens", "pressed_at", "today", "week", "site"}


def test_twenty_one_presses_reach_every_transport_in_order(server, watch):
    screens = [watch(server, transport) for transport in ALL]
    for screen in screens:
        screen.wait_for(0)
    for _ in range(21):
        server.push()
    for screen in screens:
        screen.wait_for(21)
        told = screen.counts[1:]
        assert [count["seq"] for count in told] == list(range(1, 22))
        assert [count["count"] for count in told] == [*range(19, -1, -1), 20]
        assert {count["cause"] for count in told} == {"press"}
    assert screens[2].transport == "websocket"
    before = server.count()
    server.restart()
    assert server.count() == before
    assert watch(server).wait_for(21)["count"] == 20


def test_an_idle_server_announces_at_once(server, watch):
    """A callback from a foreign thread would wait here until something else wakes the loop."""
    screens = [watch(server, transport) for transport in ALL]
    for screen in screens:
        screen.wait_for(0)
    threading.Event().wait(1.5)
    server.push()
    for screen in screens:
        until(lambda screen=screen: screen.counts[-1]["seq"] == 1, "the press", deadline=1.5)


def test_every_change_reaches_every_screen(server, watch):
    screens = [watch(server, transport) for transport in ALL]
    server.press()
    server.api("goal", "PUT", json={"goal": 5})
    server.api("reset")
    server.api("undo")
    for screen in screens:
        screen.wait_for(4)
        told = [(count["cause"], count["count"], count["goal"]) for count in screen.counts if count["seq"]]
        assert told == [("press", 19, 20), ("goal", 4, 5), ("reset", 5, 5), ("undo", 4, 5)]


def test_screens_that_come_during_a_burst_are_told_the_state_first_and_then_only_what_is_newer(server, watch):
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


def test_a_foreign_origin_is_refused_on_both_transports(shared):
    for transport, more in (
        ("polling", {}),
        ("websocket", {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}),
    ):
        answer = requests.get(
            f"{shared.url}/socket.io/?EIO=4&transport={transport}",
            headers={"Origin": "https://evil.example", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
            | more,
            timeout=DEADLINE,
        )
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [("same", 200), ("https://crm.example", 200), ("https://other.example", 403), ("null", 403)],
)
def test_the_same_origin_may_connect_and_another_that_is_named(start, origin, status):
    server = start(allowed_origins="https://crm.example")
    origin = server.url if origin == "same" else origin
    address = f"{server.url}/socket.io/?EIO=4&transport=polling"
    answer = requests.get(address, headers={"Origin": origin}, timeout=DEADLINE)
    assert answer.status_code == status
    assert (answer.headers.get("Access-Control-Allow-Origin") == origin) == (status == 200)


def test_a_press_over_socketio_wants_the_token(shared, watch):
    refused = watch(shared).press()
    assert refused["ok"] is False
    assert refused["error"]["code"] == "unauthorized"
    before = shared.count()["seq"]
    answer = watch(shared, auth={"token": "a-token-for-tests"}).press({"key": "once"})
    assert answer == {"ok": True} | shared.count()
    again = watch(shared, auth={"token": "a-token-for-tests"}).press({"key": "once"})
    assert again == answer
    assert shared.count()["seq"] == before + 1


def test_a_wrong_token_is_refused_at_connect(shared):
    with pytest.raises(Exception, match=r"unauthorized|namespaces failed"):
        Screen(shared, ["websocket"], auth={"token": "wrong"})


@pytest.mark.parametrize("data", [{"key": ""}, {"key": "x" * 65}, {"key": 7}, "text", [1], {"key": "ä"}])
def test_a_press_with_a_bad_key_is_refused(shared, watch, data):
    before = shared.count()
    answer = watch(shared, auth={"token": "a-token-for-tests"}).press(data)
    assert answer["error"]["code"] == "invalid_key"
    assert shared.count() == before


def test_an_unknown_event_closes_that_client_alone(shared, watch):
    good, bad = watch(shared), watch(shared)
    bad.client.emit("launch", {"missiles": True})
    until(lambda: not bad.client.connected, "the close")
    shared.press()
    good.wait_for(shared.count()["seq"])
    assert good.client.connected


def test_sigterm_closes_clients_and_exits_in_time(server, watch):
    screens = [watch(server, transport) for transport in ALL]
    for screen in screens:
        screen.wait_for(0)
    server.press()
    assert server.stop(signal.SIGTERM) == 0
    for screen in screens:
        until(lambda screen=screen: not screen.client.connected, "the close")
        assert screen.counts[-1]["seq"] == 1


@pytest.mark.parametrize("times", [12, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_nine_in_a_burst_loses_nothing_that_was_announced(server, watch, times):
    for turn in range(times):
        screen = watch(server, ALL[turn % 3])
        answered = []

        def burst(answered=answered):
            try:
                while True:
                    answered.append(server.press()["seq"])
            except (requests.RequestException, AssertionError):
                pass

        threads = [threading.Thread(target=burst) for _ in range(4)]
        for thread in threads:
            thread.start()
        until(lambda answered=answered, turn=turn: len(answered) > 10 + turn, "presses")
        server.stop(signal.SIGKILL)
        for thread in threads:
            thread.join()
        server.restart()
        events = server.history()
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert len(events) >= max(seqs(screen) + answered)


@pytest.mark.parametrize("name", TRANSPORTS)
def test_the_javascript_library_watches_and_presses(server, name):
    command = ["node", SUPPORT / "client.js", server.url, TOKEN, *TRANSPORTS[name]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=True)
    heard = [json.loads(line) for line in done.stdout.splitlines()]
    counts = [count["count"] for what, count in heard if what == "count"]
    answers = [answer["seq"] for what, answer in heard if what == "answer" and answer["ok"]]
    assert (counts, answers) == ([20, 19, 18], [1, 2, 2])
    assert heard[-1] == ["transport", "polling" if name == "polling" else "websocket"]


def test_the_javascript_library_hears_why_it_is_refused(server):
    command = ["node", SUPPORT / "client.js", server.url, "wrong", "websocket"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert done.stdout == '["error","unauthorized"]\n'
