"""Engine.IO 4 long polling and WebSocket upgrade on raw sockets."""

import json
import threading
import time

import pytest
from raw_client import Wire
from server import TOKEN, until


def test_open_packet_contains_the_documented_values(wire):
    _, body = wire.ask("GET", "/socket.io/?EIO=4&transport=polling")
    assert json.loads(body[1:]) | {"sid": ""} == {
        "sid": "",
        "upgrades": ["websocket"],
        "pingInterval": 10_000,
        "pingTimeout": 10_000,
        "maxPayload": 16_384,
    }


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("GET", "EIO=4"),
        ("GET", "EIO=4&transport=carrier-pigeon"),
        ("GET", "transport=polling"),
        ("GET", "EIO=3&transport=polling"),
        ("GET", "EIO=4&transport=websocket"),
        ("POST", "EIO=4&transport=polling"),
        ("PUT", "EIO=4&transport=polling"),
        ("GET", "EIO=4&transport=polling&sid=nobody"),
        ("POST", "EIO=4&transport=polling&sid=nobody"),
        ("GET", "EIO=4&transport=polling&j=0"),
        ("GET", "EIO=4&transport=polling&" + "a=b&" * 50),
    ],
)
def test_invalid_query_or_session_gets_400(wire, method, query):
    body = b"40" if method == "POST" else None
    assert wire.ask(method, f"/socket.io/?{query}", body=body)[0] == 400


@pytest.mark.parametrize(
    "body", [b"", b"6", b"0", b"2", b"5", b"abc", b"\xff", b"40\x1e", b"x" * 16_385, b"9", b"4\x1e6"]
)
def test_invalid_payload_gets_400_or_413_and_closes_the_session(wire, body):
    """Previously, a payload of one byte, `6`, leaked a greenlet and a descriptor."""
    wire.open_polling()
    assert wire.post(body)[0] in (400, 413)
    assert wire.poll()[0] == 400


def test_more_than_16_packets_in_a_post_are_all_processed(server):
    with Wire(server) as wire, Wire(server) as other:
        wire.open_polling()
        wire.post('40{"token":"' + TOKEN + '"}')
        other.path = wire.path
        presses = "\x1e".join(f'42{number}["press"]' for number in range(40))
        assert other.post(presses)[0] == 200
        until(lambda: wire.poll()[1] and server.count()["seq"] == 40, "forty presses")


def test_second_poll_closes_the_session(wire, shared):
    wire.open_polling()
    wire.request("GET", wire.path)
    time.sleep(0.1)  # the poll waits on the server, which nothing shows
    with Wire(shared) as second:
        assert second.ask("GET", wire.path)[0] == 400
    assert wire.read_response() == (200, b"1")
    assert wire.poll()[0] == 400


def test_aborted_poll_closes_the_session(shared):
    with Wire(shared) as wire, Wire(shared) as second:
        wire.open_polling()
        wire.request("GET", wire.path)
        time.sleep(0.1)  # the poll waits on the server, which nothing shows
        wire.socket.close()
        until(lambda: second.ask("GET", wire.path)[0] == 400, "the session to close")


def test_close_packet_ends_a_polling_session(wire, shared):
    wire.open_polling().join()
    wire.request("GET", wire.path)
    with Wire(shared) as second:
        assert second.ask("POST", wire.path, b"1")[0] == 200
        assert wire.read_response()[0] == 200
        assert second.ask("GET", wire.path)[0] == 400


def test_upgrade_releases_the_poll_and_closes_polling(server):
    with Wire(server) as polling, Wire(server) as websocket:
        polling.open_polling().join()
        polling.request("GET", polling.path)
        websocket.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={polling.sid}")
        websocket.say("2probe")
        assert websocket.text() == "3probe"
        released = polling.read_response()
        if b"info" in released[1]:  # sent before the noop
            released = polling.poll()
        assert released == (200, b"6"), "the waiting poll is released"
        websocket.say("5")
        server.press()
        assert '"press"' in websocket.text()
        assert polling.poll()[0] == 400
        assert polling.post("3")[0] == 400
        websocket.say("3")
        server.press()
        assert '"seq":2' in websocket.text()


@pytest.mark.parametrize("frame", ["3probe", "2", "40", "5x"])
def test_failed_upgrade_does_not_affect_polling(server, frame):
    with Wire(server) as polling, Wire(server) as websocket:
        polling.open_polling().join()
        websocket.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={polling.sid}")
        websocket.say(frame)
        assert websocket.close_code() == 1002
        server.press()
        assert polling.poll_for(b'"press"')


@pytest.mark.slow
def test_upgrade_without_frames_is_cancelled_and_polling_continues(server):
    """Some proxies pass on the 101 response but no frames. The client continues to poll."""
    with Wire(server) as polling, Wire(server) as websocket:
        polling.open_polling().join()
        websocket.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={polling.sid}")
        websocket.say("2probe")
        assert websocket.text() == "3probe"  # dropped by the proxy
        polls, received = 0, b""
        timer = threading.Timer(1.0, server.press)
        timer.start()
        while b'"press"' not in received:
            received += polling.poll()[1]
            polls += 1
        assert polls <= 8
        assert websocket.ended() == b"", "the upgrade is cancelled"
        server.press()
        until(lambda: b'"seq":2' in polling.poll()[1], "the next press")


def test_chunked_post_is_accepted(wire):
    wire.open_polling()
    wire.request("POST", wire.path, headers=["Transfer-Encoding: chunked"])
    wire.send(b"2\r\n40\r\n0\r\n\r\n")
    assert wire.read_response() == (200, b"ok")
    assert wire.poll()[1].startswith(b"40{")


def test_ping_on_a_probe_does_not_affect_polling(server):
    with Wire(server) as polling, Wire(server) as websocket:
        polling.open_polling().join()
        polling.request("GET", polling.path)
        websocket.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={polling.sid}")
        websocket.say(b"?", opcode=9)
        assert websocket.read_frame() == (10, b"?")
        server.press()
        assert b'"press"' in polling.read_response()[1] or polling.poll_for(b'"press"')


def test_frames_after_a_failed_probe_are_ignored(server):
    with Wire(server) as polling, Wire(server) as websocket:
        polling.open_polling().join()
        websocket.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={polling.sid}")
        websocket.send(websocket.frame("bad") + websocket.frame("1"))
        websocket.ended()
        server.press()
        assert polling.poll_for(b'"press"')


def test_aborted_poll_with_connection_close_closes_the_session(shared):
    with Wire(shared) as wire, Wire(shared) as second:
        wire.open_polling()
        wire.request("GET", wire.path, headers=["Connection: close"])
        time.sleep(0.1)  # the poll waits on the server, which nothing shows
        wire.socket.close()
        until(lambda: second.ask("GET", wire.path)[0] == 400, "the session to close")
