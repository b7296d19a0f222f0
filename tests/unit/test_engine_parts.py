"""Components of the engine that do not need sockets."""

import re
from types import SimpleNamespace

import gevent
import pytest
from server import DEADLINE

from realtime import RateLimit
from realtime.environ import LIMITS, EnvironStore
from realtime.frames import Fragments
from realtime.heartbeat import Schedule
from realtime.http_body import ChunkedDecoder
from realtime.http_headers import RequestError, RequestHead
from realtime.http_parser import RequestParser


@pytest.mark.parametrize(
    ("wire", "payload", "unused"),
    [
        (b"0\r\n\r\n", b"", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello", b""),
        (b"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\nGET /", b"hello!", b"GET /"),
        (b"A\n0123456789\n0\n\n", b"0123456789", b""),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_chunked_body_split_at_any_byte_is_decoded(wire, payload, unused, size):
    decoder, got = ChunkedDecoder(), b""
    at = 0
    while not decoder.complete:
        got += decoder.feed(wire[at : at + size])
        at += size
    assert got == payload
    assert decoder.unused + wire[at:] == unused


@pytest.mark.parametrize(
    "piece",
    [
        b"0\r\n" + b"a: b\r\n" * 5000,
        b"1;" + b"a" * 50_000,
        b"1\r\nx\r\n" * 10_000,
        b"x" * 5000,
        b"-1\r\n",
        b"1\r\nxy\r\n",
    ],
)
def test_malformed_or_mostly_framing_chunked_body_is_rejected(piece):
    decoder = ChunkedDecoder()
    with pytest.raises(RequestError):
        for at in range(0, len(piece), 4096):
            decoder.feed(piece[at : at + 4096])


def test_parsed_headers_keep_their_order_and_case():
    head = RequestHead(
        b"GET http://x/a?b HTTP/1.1\r\nHost: x\r\nX-A:  b \r\nx-a: c\r\nConnection: Close\r\n\r\n"
    )
    assert (head.method, head.target, head.version) == ("GET", "/a?b", "HTTP/1.1")
    assert head.headers == [("Host", "x"), ("X-A", "b"), ("x-a", "c"), ("Connection", "Close")]
    assert not head.keep_alive


def test_empty_fragments_are_not_stored():
    fragments = Fragments(2, 1000)
    for _ in range(10_000):
        assert fragments.add(b"", False) is None
    assert len(fragments) == 0
    assert fragments.add(b"x", True) == b"x"


def environ(**more):
    return {"REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", "SERVER_NAME": "x"} | more


def test_environ_store_keeps_only_bounded_headers():
    store = EnvironStore()
    store["a"] = environ(HTTP_COOKIE="c=1", HTTP_USER_AGENT="u" * 10_000, HTTP_X_OTHER="o" * 10_000)
    store.shrink("a")
    assert store["a"] == environ(HTTP_COOKIE="c=1")
    assert len(dict.__getitem__(store, "a")) <= sum(LIMITS.values()) + len(LIMITS)


def test_environ_store_keeps_what_an_application_adds():
    store = EnvironStore()
    store["a"] = environ()
    store.shrink("a")
    store["a"]["saved_session"] = {"user": 1}
    store["a"]["werkzeug.request"] = object()
    assert store["a"] == environ(saved_session={"user": 1})
    del store["a"]
    assert "a" not in store


def test_rate_limit_reports_the_number_of_suppressed_lines(caplog):
    import logging

    log = logging.getLogger("test.limit")
    log.addFilter(RateLimit(10))
    log.setLevel("INFO")
    for number in range(50):
        log.info("line %d", number)
    with gevent.Timeout(DEADLINE):
        while "more" not in caplog.text:
            gevent.sleep(0.05)
    assert 10 <= sum("line" in record.getMessage() for record in caplog.records) <= 20
    assert re.search(r"and (30|40) more", caplog.text)


@pytest.mark.parametrize(
    ("data", "target"),
    [
        (b"GET /api/count?x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "/api/count?x"),
        (b"GET /api/count HTTP/9\r\n\r\n", "/api/count"),
        (b"GET /api/count HTTP/1.1\r\nA: " + b"a" * 20_000, "/api/count"),
        (b"GET\r\n\r\n", ""),
        (b"a" * 20_000, ""),
    ],
)
def test_target_of_a_malformed_request_is_known(data, target):
    parser = RequestParser()
    parser.buffer = data
    with pytest.raises(RequestError):
        parser.read_head()
    assert parser.target == target


def test_sessions_are_due_in_order_and_none_is_early():
    sessions = [SimpleNamespace(closed=False) for _ in range(100)]
    schedule = Schedule(width=0.5)
    for number, session in enumerate(sessions):
        schedule.add(session, due=number / 10)
    taken = []
    for now in range(12):
        taken += [session for _, session in schedule.take(now)]
        assert taken == sessions[: len(taken)]
        assert (now - 1) * 10 <= len(taken) <= now * 10 + 1, "none is early, none is late by two widths"
    assert len(taken) == 100


def test_closed_sessions_are_not_due():
    open_session, closed = SimpleNamespace(closed=False), SimpleNamespace(closed=True)
    schedule = Schedule(width=0.5)
    for session in (closed, open_session):
        schedule.add(session, due=1.0)
    assert list(schedule.take(2.0)) == [(1.0, open_session)]
