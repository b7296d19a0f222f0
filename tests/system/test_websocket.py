"""RFC 6455 and stalled clients on raw sockets."""

import json
import random
import threading
import time

import pytest
from process import descriptors, memory
from raw_client import KEY, Wire
from server import TOKEN, until


def test_handshake_returns_the_accept_key_of_rfc_6455(wire):
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
def test_malformed_handshake_gets_400(wire, change):
    headers = [f"{name}: {value}" for name, value in (HANDSHAKE | change).items() if value is not None]
    status, _ = wire.ask("GET", "/socket.io/?EIO=4&transport=websocket", headers=headers)
    assert status == 400


def test_handshake_may_list_other_upgrades_and_options(wire):
    wire.request(
        "GET", "/socket.io/?EIO=4&transport=websocket",
        headers=["Upgrade: h2c, WebSocket", "Connection: keep-alive,\tUpgrade", "Sec-WebSocket-Version: 13",
                 f"Sec-WebSocket-Key: {KEY}"],
    )  # fmt: skip
    assert wire.read_response()[0] == 101


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 6, 7])
def test_frame_split_at_any_byte_is_parsed(wire, cut):
    wire.open_websocket()
    data = wire.frame("40")
    wire.send(data[:cut])
    time.sleep(0.05)  # so that the rest is another segment
    wire.send(data[cut:])
    assert wire.text().startswith("40{")


def test_several_frames_in_one_segment_are_parsed(wire):
    wire.open_websocket()
    wire.send(wire.frame("40") + wire.frame("3") * 5 + wire.frame(b"hi", opcode=9))
    opcodes = {wire.read_frame()[0] for _ in range(4)}
    assert opcodes == {1, 10}


def test_fragments_with_a_ping_in_between_are_one_message(wire):
    wire.open_websocket()
    wire.send(
        wire.frame("4", fin=False)
        + wire.frame(b"ping", opcode=9)
        + wire.frame("0", opcode=0, fin=False)
        + wire.frame("", opcode=0)
    )
    assert wire.read_frame() == (10, b"ping")
    assert wire.text().startswith("40{")


def test_pong_has_the_payload_of_the_ping(wire):
    wire.open_websocket()
    for payload in (b"", b"x" * 125):
        wire.say(payload, opcode=9)
        assert wire.read_frame() == (10, payload)


def test_unsolicited_pong_is_ignored(wire):
    wire.open_websocket()
    wire.say(b"?", opcode=10)
    wire.say("40")
    assert wire.text().startswith("40{")


@pytest.mark.parametrize(
    ("payload", "code"), [(b"", 1000), (b"\x03\xe8", 1000), (b"\x03\xe9bye", 1001), (b"\x0f\xa0", 4000)]
)
def test_close_frame_is_echoed_and_the_connection_closed(wire, payload, code):
    wire.open_websocket()
    wire.say(payload, opcode=8)
    assert wire.read_frame() == (8, code.to_bytes(2, "big")), "no frame comes before it"
    assert wire.ended() == b""


BAD_FRAMES = {
    "not masked": (dict(payload="40", mask=False), 1002),
    "a reserved bit": (dict(payload="40", rsv=4), 1002),
    "a reserved opcode": (dict(payload="40", opcode=3), 1002),
    "a reserved control opcode": (dict(payload="", opcode=11), 1002),
    "a fragmented ping": (dict(payload="", opcode=9, fin=False), 1002),
    "a long ping": (dict(payload="x" * 126, opcode=9), 1002),
    "a continuation of nothing": (dict(payload="40", opcode=0), 1002),
    "invalid UTF-8": (dict(payload=b"4\xff\xfe"), 1007),
    "long invalid UTF-8": (dict(payload=b"4" + b"\xff" * 200), 1007),
    "a close of one byte": (dict(payload=b"\x03", opcode=8), 1002),
    "a close with an invalid code": (dict(payload=b"\x00\x00", opcode=8), 1002),
    "a close with a reserved code": (dict(payload=b"\x03\xed", opcode=8), 1002),
    "a close with an invalid reason": (dict(payload=b"\x03\xe8\xff", opcode=8), 1007),
    "too long": (dict(payload="4" * 16_385), 1009),
    "much too long by its header": (dict(payload="", length=10**9), 1009),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_invalid_frame_closes_with_the_right_code(wire, name):
    frame, code = BAD_FRAMES[name]
    wire.open_websocket()
    wire.say(**frame)
    assert wire.close_code() == code


@pytest.mark.parametrize(("cut", "length"), [(1, 10**8), (5, 10**8), (9, 10**8), (14, 10**8), (3, 16_385)])
def test_oversized_frame_is_rejected_by_its_header(wire, cut, length):
    wire.open_websocket()
    wire.say("", opcode=9)
    header = wire.frame("", length=length)
    wire.send(header[:cut])
    assert wire.read_frame() == (10, b"")
    wire.send(header[cut:])
    assert wire.close_code() == 1009


def test_oversized_fragmented_message_is_rejected(wire):
    wire.open_websocket()
    wire.say("4" * 9000, fin=False)
    wire.say("4" * 9000, opcode=0)
    assert wire.close_code() == 1009


def test_new_message_within_a_fragmented_one_is_rejected(wire):
    wire.open_websocket()
    wire.say("4", fin=False)
    wire.say("40")
    assert wire.close_code() == 1002


def test_packet_of_the_maximum_size_is_accepted(server):
    with Wire(server) as wire:
        wire.open_websocket()
        wire.say('40{"token":"' + TOKEN + '"}')
        until(lambda: '"info"' in wire.text(info=True), "info")
        key = json.dumps({"key": "k", "more": ""})
        text = f'421["press",{key}]'
        wire.say(text.replace('""', '"' + "x" * (16_384 - len(text)) + '"'))
        until(lambda: wire.text().startswith("431["), "the acknowledgement")


@pytest.mark.slow
def test_silent_client_is_pinged_and_then_closed(server):
    before = descriptors(server)
    with Wire(server) as wire:
        wire.socket.settimeout(40)
        wire.open_websocket()
        wire.say("40")
        payloads = []
        while (first := wire.take(2)) and first[0] == 0x81:
            payloads.append(wire.take(first[1]))
        assert payloads.count(b"2") == 1
        assert payloads[-1] == b"1"
        assert first == b"\x88\x02"
    until(lambda: descriptors(server) <= before, "the descriptor to be closed")


def test_stalled_client_skips_old_counts_and_gets_the_newest(server):
    with Wire(server, receive_buffer=4096) as stalled, Wire(server) as healthy, Wire(server) as program:
        stalled.open_websocket().enter()
        healthy.open_websocket().enter()
        before = memory(server)
        for _ in range(1500):
            assert program.ask("POST", "/api/press", headers=[f"Authorization: Bearer {TOKEN}"])[0] == 201
        until(lambda: '"seq":1500,' in healthy.text(), "the newest count on the healthy client")
        assert memory(server) - before < 8 * 2**20
        seqs = []
        while not seqs or seqs[-1] < 1500:
            text = stalled.text()
            if '"count",' in text:
                seqs.append(json.loads(text[2:])[1]["seq"])
        assert seqs == sorted(set(seqs))
        assert len(seqs) < 1200, "old counts were skipped"
        server.press()
        assert '"seq":1501,' in stalled.text()


def test_counts_stay_in_order_while_a_client_stalls_and_recovers(server):
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
                time.sleep(0.2)  # reads slowly
        stop.set()
        thread.join()
        assert seqs == sorted(set(seqs))
