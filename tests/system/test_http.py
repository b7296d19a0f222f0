"""Malformed, slow and excessive HTTP requests on raw sockets."""

import json
import socket

import pytest
from process import calm, descriptors
from raw_client import Wire
from server import TOKEN, until


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
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n",
    ],
    ids=lambda request_: repr(request_[:40]),
)
def test_malformed_request_gets_400(wire, request_):
    wire.send(request_)
    wire.socket.shutdown(1)
    assert wire.ended().startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("lines", [b"A: " + b"a" * 17000 + b"\r\n", b"A: b\r\n" * 101])
def test_oversized_headers_get_431(wire, lines):
    wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
    wire.socket.shutdown(1)
    assert wire.ended().startswith(b"HTTP/1.1 431 ")


def test_long_target_is_looked_up(wire):
    wire.send(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    wire.socket.shutdown(1)
    assert wire.ended().startswith(b"HTTP/1.1 404 ")


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
def test_polled_pong_with_malformed_headers_gets_400(wire, lines):
    wire.open_polling()
    wire.send(f"POST {wire.path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n3")
    assert wire.read_response()[0] == 400


def test_unusual_but_valid_headers_are_accepted(wire):
    head = ["X-Empty:", "x!#$%&'*+.^_`|~-9:\ta: b \t", "accept: a", "Accept: b", "Cookie: \xff"]
    for eol in ("\r\n", "\n"):
        wire.send((eol.join(["GET /api/count HTTP/1.1", "host: x", *head]) + eol * 2).encode("latin-1"))
        assert wire.read_response()[0] == 200


@pytest.mark.parametrize("target", ["http://x/api/count", "HTTPS://x:1/api/count?a"])
def test_absolute_form_request_target_is_accepted(wire, target):
    wire.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
    status, body = wire.read_response()
    assert (status, json.loads(body)["goal"]) == (200, 20)


def test_rejected_request_is_counted_by_reason(server):
    with Wire(server) as wire:
        wire.ask("GET", "/socket.io/?EIO=3&transport=polling")
        text = wire.ask("GET", "/metrics")[1].decode()
    assert 'button_rejected_total{reason="request"} 1.0' in text


def test_response_does_not_wait_for_a_missing_body(server):
    wires = [Wire(server) for _ in range(4)]
    poll = wires[0].open_polling().path
    for wire, path in zip(wires, (poll, "/", "/admin/login", "/api/press"), strict=True):
        wire.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {10**17}\r\n\r\n")
    for wire in wires:
        assert wire.ended().count(b"\r\nConnection: close\r\n") == 1
        wire.socket.close()
    assert calm(server)


def test_malformed_chunked_body_gets_400_and_changes_nothing(shared):
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
        assert wire.read_response()[0] == 201


@pytest.mark.slow
def test_slow_requests_time_out_and_block_no_other_request(server):
    """By default, pywsgi waits forever for the rest of a request."""
    before = descriptors(server)
    wires = [Wire(server) for _ in range(60)]
    for number, wire in enumerate(wires):
        if number % 3:
            wire.send(
                b"POST /api/press HTTP/1.1\r\nHost: x\r\n" + b"Content-Length: 10\r\n\r\n123" * (number % 2)
            )
    for expect in (b"Expect: 100-continue\r\n", b""):
        wires.append(Wire(server))
        wires[-1].send(b"POST /api/press HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n" + expect + b"\r\n")
    assert server.press()["count"] == 19
    for wire in wires:
        wire.ended()
        wire.socket.close()
    until(lambda: descriptors(server) <= before + 1, "the descriptors to be closed")
    assert calm(server), "\n".join(server.log)


def test_client_that_reads_no_response_is_closed_alone(server):
    with Wire(server) as wire, Wire(server) as other, Wire(server) as good:
        good.open_websocket().enter()
        wire.open_polling().post("40")
        other.path = wire.path
        until(lambda: other.post("\x1e".join(['420["press"]'] * 200))[0] != 200, "the session to close")
        server.press()
        assert '"press"' in good.text()
    assert calm(server), "\n".join(server.log)


def test_connection_resets_log_no_traceback(server):
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


def test_connections_get_503_before_descriptors_run_out(start):
    server = start(prefix=["sh", "-c", 'ulimit -n 600; exec "$@"', "sh"])
    wires = []
    for _ in range(700):
        wires.append(Wire(server))
        wires[-1].send(b"GET /api/count HTTP/1.1\r\nHost: x\r\n\r\n")
    rejected = sum(wire.read_response()[0] == 503 for wire in wires)
    assert rejected >= 100
    for wire in wires:
        wire.socket.close()
    until(lambda: server.press(), "a successful press")
    assert calm(server), "\n".join(server.log[-10:])
