"""Socket.IO 5 on raw sockets, and leaks of resources."""

import random
import signal

import pytest
from process import calm, descriptors, memory
from raw_client import Wire
from server import until


def test_unknown_namespace_gets_a_connect_error(wire):
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
def test_invalid_packet_closes_only_its_client(shared, packet):
    with Wire(shared) as wire, Wire(shared) as polling, Wire(shared) as good:
        good.open_websocket().enter()
        wire.open_websocket().enter()
        wire.say(packet)
        assert wire.close_code() == 1000
        polling.open_polling().join()
        polling.post(packet)
        until(lambda: polling.poll()[0] == 400, "the session to close")
        shared.press()
        assert '"press"' in good.text()
    assert calm(shared), "\n".join(shared.log[-20:])


def test_event_before_connect_closes_the_client(shared):
    before = shared.count()
    with Wire(shared) as wire:
        wire.open_websocket()
        wire.say('421["press"]')
        assert wire.close_code() == 1000
    assert shared.count() == before


def test_namespace_can_be_left_and_joined_again(shared):
    with Wire(shared) as wire:
        wire.open_websocket().enter()
        wire.say("41")
        shared.press()
        wire.enter()
        shared.press()
        assert '"press"' in wire.text()


def test_clients_beyond_the_limit_get_503(start):
    server = start(max_clients=3)
    wires = [Wire(server).open_websocket() for _ in range(2)] + [Wire(server).open_polling()]
    with Wire(server) as wire:
        wire.request("GET", "/socket.io/?EIO=4&transport=polling", headers=["Connection: close"])
        response = wire.ended()
        assert response.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After:" in response
    with Wire(server) as wire:
        wire.upgrade()
        assert wire.head.startswith("HTTP/1.1 503 ")
    assert server.press()["count"] == 19
    for wire in wires:
        wire.socket.close()
    until(lambda: not server.health().json()["clients"]["websocket"], "the clients to disconnect")
    with Wire(server) as wire:
        wire.open_websocket()


@pytest.mark.slow
def test_10_000_random_packets_leak_nothing(server):
    chance = random.Random(3)
    with Wire(server) as wire:
        wire.open_websocket().enter()
        until(lambda: server.press()["seq"] > 20, "a warm server")
    fuzz(server, chance, 500)
    until(lambda: not any(server.health().json()["clients"].values()), "all clients to disconnect")
    before, size, log = descriptors(server), memory(server), len(server.log)
    connections = server.health().json()["connections"]["http"]
    fuzz(server, chance, 10_000)
    until(
        lambda: not any(server.health().json()["clients"].values()), "all clients to disconnect", deadline=60
    )
    until(lambda: descriptors(server) <= before + 2, "the descriptors to be closed", deadline=60)
    assert server.health().json()["connections"]["http"] <= connections + 2, "each connection has a greenlet"
    assert memory(server) - size < 5 * 2**20
    assert sum(len(line) for line in server.log[log:]) < 100_000
    assert calm(server), [line for line in server.log if "ERROR" in line or "Traceback" in line][:5]
    assert server.press()


def fuzz(server, chance, number):
    """Send random packets and requests on connections of all kinds."""
    words = [b"4", b"40", b"42", b'["', b"press", b'"]', b"{", b"}", b"\x1e", b"2probe", b"3", b"5", b"6",
             b"\xff", b"/", b",", b"1-", b"9" * 30, b"null", b"b", b"=="]  # fmt: skip
    while number > 0:
        with Wire(server) as wire:
            kind = chance.randrange(4)
            try:
                if kind == 0:
                    wire.open_websocket()
                elif kind == 1:
                    wire.open_polling()
                for _ in range(chance.randrange(1, 20)):
                    number -= 1
                    junk = b"".join(chance.choice(words) for _ in range(chance.randrange(1, 6)))
                    if kind == 0:
                        opcode = chance.choice([0, 1, 1, 1, 1, 2, 3, 8, 9, 10])
                        wire.say(junk, opcode=opcode, fin=chance.random() < 0.8, mask=chance.random() < 0.97)
                    elif kind == 1:
                        assert wire.post(junk)[0] != 500
                    elif kind == 2:
                        query = bytes(chance.randrange(33, 126) for _ in range(chance.randrange(40)))
                        wire.send(b"GET /socket.io/?EIO=4&" + query + b" HTTP/1.1\r\nHost: x\r\n\r\n")
                        assert wire.read_response()[0] != 500
                    else:
                        wire.send(
                            bytes(chance.randrange(256) for _ in range(chance.randrange(1, 200)))
                            + b"\r\n\r\n"
                        )
                        wire.socket.settimeout(0.05)
                        wire.buffer += wire.socket.recv(4096)
            except TimeoutError:
                assert kind == 3, "no response"
            except (OSError, EOFError):
                continue


def test_too_many_or_too_large_attachments_close_the_client(shared):
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


def test_sigterm_with_1000_clients_exits_in_time(start):
    server = start(log="warning")
    wires = [Wire(server).open_websocket() for _ in range(1000)]
    for wire in wires:
        wire.say("40")
    until(lambda: server.health().json()["clients"]["screens"] == 1000, "a thousand screens")
    assert server.stop(signal.SIGTERM) == 0
    assert not [line for line in server.log if "took too long" in line]
    for wire in wires:
        wire.ended()
        wire.socket.close()
