"""The engine by its wire: RFC 6455, Engine.IO 4, Socket.IO 5, and every fault that the stock stack has."""

import json
import random
import signal
import socket
import threading
from pathlib import Path

import pytest
from running import TOKEN, until
from wire import KEY, Wire


def descriptors(server):
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def memory(server):
    with open(f"/proc/{server.process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def calm(server):
    """The log has no traceback and no error."""
    return not [
        line for line in server.log if "Traceback" in line or " ERROR " in line or " CRITICAL " in line
    ]


@pytest.fixture
def wire(shared):
    """A connection to a server that survives it."""
    with Wire(shared) as wire:
        yield wire
    assert shared.count()
    assert calm(shared), "\n".join(shared.log[-20:])


# --- RFC 6455: the handshake --------------------------------------------------------------------


def test_the_handshake_is_answered_with_the_key_of_the_rfc(wire):
    wire.upgrade(headers=["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"])
    assert wire.head.startswith("HTTP/1.1 101 ")
    assert "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=" in wire.head
    assert "Extensions" not in wire.head, "compression is declined"


HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.mark.parametrize(
    "change",
    [
        {"Sec-WebSocket-Key": None},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": "!" * 24},
        {"Sec-WebSocket-Version": "8"},
        {"Sec-WebSocket-Version": None},
        {"Connection": "keep-alive"},
        {"Upgrade": "h2c"},
        {"Upgrade": None},
        # hixie-76, as in Safari 5
        {"Sec-WebSocket-Key": None, "Sec-WebSocket-Version": None,
         "Sec-WebSocket-Key1": "4 @1  46546xW%0l 1 5", "Sec-WebSocket-Key2": "12998 5 Y3 1  .P00"},
    ],
    ids=str,
)  # fmt: skip
def test_a_malformed_handshake_gets_a_400(wire, change):
    headers = [f"{name}: {value}" for name, value in (HANDSHAKE | change).items() if value is not None]
    status, _ = wire.ask("GET", "/socket.io/?EIO=4&transport=websocket", headers=headers)
    assert status == 400


# --- RFC 6455: frames ---------------------------------------------------------------------------


def test_the_handshake_may_offer_more_than_is_taken(wire):
    wire.request(
        "GET", "/socket.io/?EIO=4&transport=websocket",
        headers=["Upgrade: h2c, WebSocket", "Connection: keep-alive,\tUpgrade", "Sec-WebSocket-Version: 13",
                 f"Sec-WebSocket-Key: {KEY}"],
    )  # fmt: skip
    assert wire.answer()[0] == 101


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 6, 7])
def test_frames_may_come_in_any_pieces(wire, cut):
    wire.open_websocket()
    data = wire.frame("40")
    wire.send(data[:cut])
    threading.Event().wait(0.05)
    wire.send(data[cut:])
    assert wire.text().startswith("40{")


def test_many_frames_may_come_in_one_piece(wire):
    wire.open_websocket()
    wire.send(wire.frame("40") + wire.frame("3") * 5 + wire.frame(b"hi", opcode=9))
    heard = {wire.hear()[0] for _ in range(4)}
    assert heard == {1, 10}


def test_a_message_in_fragments_with_a_ping_between_is_one(wire):
    wire.open_websocket()
    wire.send(
        wire.frame("4", fin=False)
        + wire.frame(b"ping", opcode=9)
        + wire.frame("0", opcode=0, fin=False)
        + wire.frame("", opcode=0)
    )
    assert wire.hear() == (10, b"ping")
    assert wire.text().startswith("40{")


def test_a_ping_is_answered_with_its_payload(wire):
    wire.open_websocket()
    for payload in (b"", b"x" * 125):
        wire.say(payload, opcode=9)
        assert wire.hear() == (10, payload)


def test_an_unasked_pong_is_passed_over(wire):
    wire.open_websocket()
    wire.say(b"?", opcode=10)
    wire.say("40")
    assert wire.text().startswith("40{")


@pytest.mark.parametrize(
    ("payload", "code"), [(b"", 1000), (b"\x03\xe8", 1000), (b"\x03\xe9bye", 1001), (b"\x0f\xa0", 4000)]
)
def test_a_close_is_answered_and_the_connection_ended(wire, payload, code):
    wire.open_websocket()
    wire.say(payload, opcode=8)
    assert wire.hear() == (8, code.to_bytes(2, "big")), "nothing comes before it"
    assert wire.ended() == b""


BAD_FRAMES = {
    "not masked": (dict(payload="40", mask=False), 1002),
    "a reserved bit": (dict(payload="40", rsv=4), 1002),
    "a reserved opcode": (dict(payload="40", opcode=3), 1002),
    "a reserved control opcode": (dict(payload="", opcode=11), 1002),
    "a fragmented ping": (dict(payload="", opcode=9, fin=False), 1002),
    "a long ping": (dict(payload="x" * 126, opcode=9), 1002),
    "a continuation of nothing": (dict(payload="40", opcode=0), 1002),
    "no UTF-8": (dict(payload=b"4\xff\xfe"), 1007),
    "no UTF-8, long": (dict(payload=b"4" + b"\xff" * 200), 1007),
    "a close of one byte": (dict(payload=b"\x03", opcode=8), 1002),
    "a close with a code that is none": (dict(payload=b"\x00\x00", opcode=8), 1002),
    "a close with a reserved code": (dict(payload=b"\x03\xed", opcode=8), 1002),
    "a close with a bad reason": (dict(payload=b"\x03\xe8\xff", opcode=8), 1007),
    "too long": (dict(payload="4" * 16_385), 1009),
    "much too long, by its head": (dict(payload="", length=10**9), 1009),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_ends_the_client_with_its_code(wire, name):
    frame, code = BAD_FRAMES[name]
    wire.open_websocket()
    wire.say(**frame)
    assert wire.close_code() == code


@pytest.mark.parametrize(("cut", "length"), [(1, 10**8), (5, 10**8), (9, 10**8), (14, 10**8), (3, 16_385)])
def test_every_frame_that_announces_too_much_is_refused_by_its_head(wire, cut, length):
    wire.open_websocket()
    wire.say("", opcode=9)
    head = wire.frame("", length=length)
    wire.send(head[:cut])
    assert wire.hear() == (10, b"")
    wire.send(head[cut:])
    assert wire.close_code() == 1009


def test_a_fragmented_message_is_bounded_as_a_whole(wire):
    wire.open_websocket()
    wire.say("4" * 9000, fin=False)
    wire.say("4" * 9000, opcode=0)
    assert wire.close_code() == 1009


def test_a_new_message_within_another_is_refused(wire):
    wire.open_websocket()
    wire.say("4", fin=False)
    wire.say("40")
    assert wire.close_code() == 1002


def test_a_packet_of_the_longest_size_is_taken(server):
    with Wire(server) as wire:
        wire.open_websocket()
        wire.say('40{"token":"' + TOKEN + '"}')
        until(lambda: '"info"' in wire.text(info=True), "info")
        key = json.dumps({"key": "k", "more": ""})
        text = f'421["press",{key}]'
        wire.say(text.replace('""', '"' + "x" * (16_384 - len(text)) + '"'))
        until(lambda: wire.text().startswith("431["), "the answer")


# --- Engine.IO 4 --------------------------------------------------------------------------------


def test_the_open_packet_says_what_the_contract_says(wire):
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
def test_requests_that_make_no_sense_get_a_400(wire, method, query):
    body = b"40" if method == "POST" else None
    assert wire.ask(method, f"/socket.io/?{query}", body=body)[0] == 400


@pytest.mark.parametrize(
    "body", [b"", b"6", b"0", b"2", b"5", b"abc", b"\xff", b"40\x1e", b"x" * 16_385, b"9", b"4\x1e6"]
)
def test_a_bad_payload_is_a_400_or_413_and_ends_the_client(wire, body):
    """Findings 3.2: one polled byte, `6`, leaked a greenlet and a descriptor for ever."""
    wire.open_polling()
    assert wire.post(body)[0] in (400, 413)
    assert wire.poll()[0] == 400


def test_more_than_sixteen_packets_in_a_post_are_all_taken(server):
    with Wire(server) as wire, Wire(server) as other:
        wire.open_polling()
        wire.post('40{"token":"' + TOKEN + '"}')
        other.path = wire.path
        presses = "\x1e".join(f'42{number}["press"]' for number in range(40))
        assert other.post(presses)[0] == 200
        until(lambda: wire.poll()[1] and server.count()["seq"] == 40, "forty presses")


def test_a_second_poll_ends_the_client(wire, shared):
    wire.open_polling()
    wire.request("GET", wire.path)
    threading.Event().wait(0.1)
    with Wire(shared) as second:
        assert second.ask("GET", wire.path)[0] == 400
    assert wire.answer() == (200, b"1")
    assert wire.poll()[0] == 400


def test_a_poll_given_up_ends_the_client(shared):
    with Wire(shared) as wire, Wire(shared) as second:
        wire.open_polling()
        wire.request("GET", wire.path)
        threading.Event().wait(0.1)
        wire.socket.close()
        until(lambda: second.ask("GET", wire.path)[0] == 400, "the end")


def test_a_polling_client_may_close(wire, shared):
    wire.open_polling().join()
    wire.request("GET", wire.path)
    with Wire(shared) as second:
        assert second.ask("POST", wire.path, b"1")[0] == 200
        assert wire.answer()[0] == 200
        assert second.ask("GET", wire.path)[0] == 400


def test_an_upgrade_goes_by_the_book_and_the_old_road_is_closed(server):
    with Wire(server) as polling, Wire(server) as websocket:
        polling.open_polling().join()
        polling.request("GET", polling.path)
        websocket.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={polling.sid}")
        websocket.say("2probe")
        assert websocket.text() == "3probe"
        released = polling.answer()
        if b"info" in released[1]:  # which came first
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
def test_an_upgrade_that_goes_wrong_leaves_the_poll_alone(server, frame):
    with Wire(server) as polling, Wire(server) as websocket:
        polling.open_polling().join()
        websocket.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={polling.sid}")
        websocket.say(frame)
        assert websocket.close_code() == 1002
        server.press()
        assert polling.poll_for(b'"press"')


def test_a_proxy_that_swallows_frames_loses_nothing_and_starts_no_storm(server):
    """Findings 3.3: the 101 passes, no frame ever does; the client goes on polling meanwhile."""
    with Wire(server) as polling, Wire(server) as swallowed:
        polling.open_polling().join()
        swallowed.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={polling.sid}")
        swallowed.say("2probe")
        assert swallowed.text() == "3probe"  # which the proxy keeps to itself
        polls, told = 0, b""
        stop = threading.Timer(1.0, server.press)
        stop.start()
        while b'"press"' not in told:
            told += polling.poll()[1]
            polls += 1
        assert polls <= 8
        assert swallowed.ended() == b"", "the upgrade is given up"
        server.press()
        until(lambda: b'"seq":2' in polling.poll()[1], "the next press")


def test_a_websocket_client_is_pinged_and_one_that_is_silent_is_ended(server):
    before = descriptors(server)
    with Wire(server) as wire:
        wire.socket.settimeout(40)
        wire.open_websocket()
        wire.say("40")
        heard = []
        while (first := wire.take(2)) and first[0] == 0x81:
            heard.append(wire.take(first[1]))
        assert heard.count(b"2") == 1
        assert heard[-1] == b"1"
        assert first == b"\x88\x02"
    until(lambda: descriptors(server) <= before, "the descriptor to be closed")


# --- Socket.IO 5 --------------------------------------------------------------------------------


def test_an_unknown_namespace_is_refused_in_the_protocols_words(wire):
    wire.open_websocket()
    wire.say("40/nowhere,")
    assert wire.text() == '44/nowhere,{"message":"Invalid namespace"}'


@pytest.mark.parametrize(
    "packet",
    [
        "4abc", "4", "49", "40abc", "40[1]", '40"text"', "42", "42{}", "42[]", "42[1]", '42[["x"],1]',
        '42["connect"]', '42["disconnect"]', "42abc", '42"x"', "43", "43[1]", "44", "45", "46", "4\x00",
        '451-["x",{"_placeholder":true,"num":0}]x', "42" + "[" * 5000, "42" + "9" * 200 + '["x"]',
        '42["unknown"]', '42/nowhere,["press"]', '42["*"]',
    ],
    ids=lambda packet: packet[:24],
)  # fmt: skip
def test_a_packet_that_makes_no_sense_ends_its_client_alone(shared, packet):
    with Wire(shared) as wire, Wire(shared) as polling, Wire(shared) as good:
        good.open_websocket().enter()
        wire.open_websocket().enter()
        wire.say(packet)
        assert wire.close_code() == 1000
        polling.open_polling().join()
        polling.post(packet)
        until(lambda: polling.poll()[0] == 400, "the end")
        shared.press()
        assert '"press"' in good.text()
    assert calm(shared), "\n".join(shared.log[-20:])


def test_an_event_before_the_connect_ends_the_client(shared):
    before = shared.count()
    with Wire(shared) as wire:
        wire.open_websocket()
        wire.say('421["press"]')
        assert wire.close_code() == 1000
    assert shared.count() == before


def test_a_namespace_may_be_left_and_entered_again(shared):
    with Wire(shared) as wire:
        wire.open_websocket().enter()
        wire.say("41")
        shared.press()
        wire.enter()
        shared.press()
        assert '"press"' in wire.text()


# --- the front ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.x\r\nHost: x\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/press HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /api/press HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /api/press HTTP/1.1\r\nHost: x\r\nContent-Length: 1_0\r\n\r\n0123456789",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST /api/press HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST /api/press HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rB: c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 17000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=lambda request_: repr(request_[:40]),
)
def test_a_request_that_is_none_gets_a_400_and_no_traceback(wire, request_):
    wire.send(request_)
    wire.socket.shutdown(1)
    answer = wire.ended()
    assert answer.split(b" ")[1][:1] == b"4" or answer == b""


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 1\r\nContent-Length: 9",
        "Content-Length: 1\r\nTransfer-Encoding : chunked",
        "Content-Length: 1\r\n\x00garbage",
        "Content-Length: 1\r\nA: b\x00c",
        "Content-Length: 1\r\nHost: y",
    ],
)
def test_a_pong_with_a_malformed_head_is_refused_as_any_other_request(wire, lines):
    wire.open_polling()
    wire.send(f"POST {wire.path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n3")
    assert wire.answer()[0] == 400


def test_a_head_of_unusual_but_good_lines_is_understood(wire):
    head = ["X-Empty:", "x!#$%&'*+.^_`|~-9:\ta: b \t", "accept: a", "Accept: b", "Cookie: \xff"]
    for ending in ("\r\n", "\n"):
        wire.send((ending.join(["GET /api/count HTTP/1.1", "host: x", *head]) + ending * 2).encode("latin-1"))
        assert wire.answer()[0] == 200


@pytest.mark.parametrize("target", ["http://x/api/count", "HTTPS://x:1/api/count?a"])
def test_the_target_may_be_a_whole_url(wire, target):
    wire.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
    status, body = wire.answer()
    assert (status, json.loads(body)["goal"]) == (200, 20)


def test_what_is_refused_is_counted_by_its_kind(server):
    with Wire(server) as wire:
        wire.ask("GET", "/socket.io/?EIO=3&transport=polling")
        text = wire.ask("GET", "/metrics")[1].decode()
    assert 'button_rejected_total{reason="request"} 1.0' in text


def test_one_client_more_than_there_is_room_for_is_told_to_come_later(start):
    server = start(max_clients=3)
    wires = [Wire(server).open_websocket() for _ in range(2)] + [Wire(server).open_polling()]
    with Wire(server) as wire:
        wire.request("GET", "/socket.io/?EIO=4&transport=polling", headers=["Connection: close"])
        answer = wire.ended()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After:" in answer
    with Wire(server) as wire:
        wire.upgrade()
        assert wire.head.startswith("HTTP/1.1 503 ")
    assert server.press()["count"] == 19
    for wire in wires:
        wire.socket.close()
    until(lambda: not server.health().json()["clients"]["websocket"], "room")
    with Wire(server) as wire:
        wire.open_websocket()


def test_a_body_that_never_comes_is_not_waited_for_however_long_it_says_to_be(server):
    wires = [Wire(server) for _ in range(4)]
    poll = wires[0].open_polling().path
    for wire, path in zip(wires, (poll, "/", "/admin/login", "/api/press"), strict=True):
        wire.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {10**17}\r\n\r\n")
    for wire in wires:
        assert wire.ended().count(b"\r\nConnection: close\r\n") == 1
        wire.socket.close()
    assert calm(server)


def test_a_malformed_chunked_body_changes_nothing(shared):
    head = (
        f"POST /api/press HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    ).encode()
    before = shared.count()["seq"]
    for body in (b"zz\r\n", b"\r\n", b";x\r\n", b"5\r\nab"):
        with Wire(shared) as wire:
            wire.send(head + body)
            wire.socket.shutdown(1)
            assert wire.ended().split(b" ")[1] == b"400"
    assert shared.count()["seq"] == before
    with Wire(shared) as wire:
        wire.send(head + b"0\r\n\r\n")
        assert wire.answer()[0] == 201


def test_slow_requests_are_cut_and_hold_nobody_up(server):
    """Findings 3.7: pywsgi waits for ever for the rest of a request."""
    before = descriptors(server)
    wires = [Wire(server) for _ in range(60)]
    for number, wire in enumerate(wires):
        if number % 3:
            wire.send(
                b"POST /api/press HTTP/1.1\r\nHost: x\r\n" + b"Content-Length: 10\r\n\r\n123" * (number % 2)
            )
    for asked_for in (b"Expect: 100-continue\r\n", b""):
        wires.append(Wire(server))
        wires[-1].send(b"POST /api/press HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n" + asked_for + b"\r\n")
    assert server.press()["count"] == 19
    for wire in wires:
        wire.ended()
        wire.socket.close()
    until(lambda: descriptors(server) <= before + 1, "the descriptors to be closed")
    assert calm(server), "\n".join(server.log)


def test_a_stalled_client_is_spared_the_old_counts_and_gets_the_newest(server):
    with Wire(server, receive_buffer=4096) as stalled, Wire(server) as healthy, Wire(server) as program:
        stalled.open_websocket().enter()
        healthy.open_websocket().enter()
        before = memory(server)
        for _ in range(1500):
            assert program.ask("POST", "/api/press", headers=[f"Authorization: Bearer {TOKEN}"])[0] == 201
        until(lambda: '"seq":1500,' in healthy.text(), "the newest on the healthy one")
        assert memory(server) - before < 8 * 2**20
        seqs = []
        while not seqs or seqs[-1] < 1500:
            text = stalled.text()
            if '"count",' in text:
                seqs.append(json.loads(text[2:])[1]["seq"])
        assert seqs == sorted(set(seqs))
        assert len(seqs) < 1200, "old counts were spared"
        server.press()
        assert '"seq":1501,' in stalled.text()


def test_order_is_kept_while_clients_stall_and_recover(server):
    with Wire(server, receive_buffer=4096) as slow:
        slow.open_websocket().enter()
        chance = random.Random(7)
        stop = threading.Event()

        def press():
            while not stop.is_set():
                server.press()

        thread = threading.Thread(target=press)
        thread.start()
        seqs = []
        while len(seqs) < 300:
            text = slow.text()
            if '"press"' in text:
                seqs.append(json.loads(text[2:])[1]["seq"])
            if chance.random() < 0.02:
                threading.Event().wait(0.2)
        stop.set()
        thread.join()
        assert seqs == sorted(set(seqs))


def test_ten_thousand_pieces_of_nonsense_leave_no_trace(server):
    chance = random.Random(3)
    with Wire(server) as wire:
        wire.open_websocket().enter()
        until(lambda: server.press()["seq"] > 20, "warmth")
    fuzz(server, chance, 500)
    until(lambda: not any(server.health().json()["clients"].values()), "calm")
    before, size, log = descriptors(server), memory(server), len(server.log)
    held = server.health().json()["connections"]["http"]
    fuzz(server, chance, 10_000)
    until(
        lambda: not any(server.health().json()["clients"].values()), "all clients to have ended", deadline=60
    )
    until(lambda: descriptors(server) <= before + 2, "the descriptors to be closed", deadline=60)
    assert server.health().json()["connections"]["http"] <= held + 2, "each has a greenlet"
    assert memory(server) - size < 5 * 2**20
    assert sum(len(line) for line in server.log[log:]) < 100_000
    assert calm(server), [line for line in server.log if "ERROR" in line or "Traceback" in line][:5]
    assert server.press()


def fuzz(server, chance, pieces):
    """Send so many pieces of nonsense, on connections of all kinds."""
    words = [b"4", b"40", b"42", b'["', b"press", b'"]', b"{", b"}", b"\x1e", b"2probe", b"3", b"5", b"6",
             b"\xff", b"/", b",", b"1-", b"9" * 30, b"null", b"b", b"=="]  # fmt: skip
    while pieces > 0:
        with Wire(server) as wire:
            kind = chance.randrange(4)
            try:
                if kind == 0:
                    wire.open_websocket()
                elif kind == 1:
                    wire.open_polling()
                for _ in range(chance.randrange(1, 20)):
                    pieces -= 1
                    junk = b"".join(chance.choice(words) for _ in range(chance.randrange(1, 6)))
                    if kind == 0:
                        opcode = chance.choice([0, 1, 1, 1, 1, 2, 3, 8, 9, 10])
                        wire.say(junk, opcode=opcode, fin=chance.random() < 0.8, mask=chance.random() < 0.97)
                    elif kind == 1:
                        assert wire.post(junk)[0] != 500
                    elif kind == 2:
                        query = bytes(chance.randrange(33, 126) for _ in range(chance.randrange(40)))
                        wire.send(b"GET /socket.io/?EIO=4&" + query + b" HTTP/1.1\r\nHost: x\r\n\r\n")
                        assert wire.answer()[0] != 500
                    else:
                        wire.send(
                            bytes(chance.randrange(256) for _ in range(chance.randrange(1, 200)))
                            + b"\r\n\r\n"
                        )
                        wire.socket.settimeout(0.05)
                        wire.buffer += wire.socket.recv(4096)
            except TimeoutError:
                assert kind == 3, "a hang"
            except (OSError, EOFError):
                continue


def test_a_client_that_never_takes_its_answers_ends_alone(server):
    with Wire(server) as wire, Wire(server) as other, Wire(server) as good:
        good.open_websocket().enter()
        wire.open_polling().post("40")
        other.path = wire.path
        until(lambda: other.post("\x1e".join(['420["press"]'] * 200))[0] != 200, "the end")
        server.press()
        assert '"press"' in good.text()
    assert calm(server), "\n".join(server.log)


def test_attachments_are_bounded(shared):
    with Wire(shared) as wire:
        wire.open_websocket().enter()
        wire.say('4511-["press"]')
        assert wire.close_code() == 1000
    with Wire(shared) as wire:
        wire.open_websocket().enter()
        wire.say('453-["press"]')
        for _ in range(3):
            wire.say(b"x" * 9000, opcode=2)
        assert wire.close_code() == 1000


def test_a_chunked_post_is_taken(wire):
    wire.open_polling()
    wire.request("POST", wire.path, headers=["Transfer-Encoding: chunked"])
    wire.send(b"2\r\n40\r\n0\r\n\r\n")
    assert wire.answer() == (200, b"ok")
    assert wire.poll()[1].startswith(b"40{")


def test_a_ping_on_a_probe_does_not_touch_the_poll(server):
    with Wire(server) as polling, Wire(server) as websocket:
        polling.open_polling().join()
        polling.request("GET", polling.path)
        websocket.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={polling.sid}")
        websocket.say(b"?", opcode=9)
        assert websocket.hear() == (10, b"?")
        server.press()
        assert b'"press"' in polling.answer()[1] or polling.poll_for(b'"press"')


def test_what_follows_a_failed_probe_is_not_the_clients(server):
    with Wire(server) as polling, Wire(server) as websocket:
        polling.open_polling().join()
        websocket.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={polling.sid}")
        websocket.send(websocket.frame("bad") + websocket.frame("1"))
        websocket.ended()
        server.press()
        assert polling.poll_for(b'"press"')


def test_a_poll_given_up_on_a_connection_that_closes_ends_the_client(shared):
    with Wire(shared) as wire, Wire(shared) as second:
        wire.open_polling()
        wire.request("GET", wire.path, headers=["Connection: close"])
        threading.Event().wait(0.1)
        wire.socket.close()
        until(lambda: second.ask("GET", wire.path)[0] == 400, "the end")


def test_resets_leave_no_traceback(server):
    for _ in range(20):
        for data in (
            b"garbage\r\n\r\n",
            b"POST /api/press HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
        ):
            with Wire(server) as wire:
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                wire.send(data)
    assert server.press()
    assert calm(server), "\n".join(server.log[-10:])


def test_connections_are_refused_before_descriptors_run_out(start):
    server = start(prefix=["sh", "-c", 'ulimit -n 600; exec "$@"', "sh"])
    wires = []
    for _ in range(700):
        wires.append(Wire(server))
        wires[-1].send(b"GET /api/count HTTP/1.1\r\nHost: x\r\n\r\n")
    refused = sum(wire.answer()[0] == 503 for wire in wires)
    assert refused >= 100
    for wire in wires:
        wire.socket.close()
    until(lambda: server.press(), "a press")
    assert calm(server), "\n".join(server.log[-10:])


def test_sigterm_with_a_thousand_clients_ends_in_time(start):
    server = start(log="warning")
    wires = [Wire(server).open_websocket() for _ in range(1000)]
    for wire in wires:
        wire.say("40")
    until(lambda: server.health().json()["clients"]["screens"] == 1000, "a thousand screens")
    assert server.stop(signal.SIGTERM) == 0
    for wire in wires:
        wire.ended()
        wire.socket.close()
