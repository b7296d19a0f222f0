"""Hostile requests, a blocked log, shutdown under load and a full disk."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import requests
from disk import fill, mounted
from raw_client import KEY, Wire
from server import DEADLINE, PASSWORD, ROOT, SUPPORT, TOKEN, Server, until
from visitor import Visitor

from realtime.http_headers import MAX_HEAD_SIZE
from storage import SqliteDatabase

# --- headers and bodies ---


@pytest.mark.parametrize(
    "lines",
    [
        b"A: " + b"a" * MAX_HEAD_SIZE + b"\r\n",
        b"A: bcdefgh\r\n" * 2000,
        b"".join(b"X-%d: %b\r\n" % (number, b"y" * 300) for number in range(60)),
    ],
)
def test_headers_over_16_kib_get_431(shared, lines):
    with Wire(shared) as wire:
        wire.send(b"GET /api/count HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
        assert wire.read_response()[0] == 431
    with Wire(shared) as wire:
        wire.send(b"GET /api/count HTTP/1.1\r\nHost: x\r\n" + lines[: MAX_HEAD_SIZE + 4096])
        assert wire.read_response()[0] == 431, "before the headers are complete"


@pytest.mark.parametrize(
    ("lines", "body", "status", "code", "message"),
    [
        (b"A: " + b"a" * MAX_HEAD_SIZE, b"", 431, "request_header_fields_too_large", "head too large"),
        (b"Host: y", b"", 400, "bad_request", "duplicate Host"),
        (b"Transfer-Encoding: chunked", b"x\r\n", 400, "bad_request", "malformed chunk size"),
    ],
)
def test_malformed_api_request_gets_the_error_shape_of_the_api(shared, lines, body, status, code, message):
    with Wire(shared) as wire:
        wire.send(b"POST /api/press?now HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n\r\n" + body)
        response = wire.read_response()
    assert response[0] == status
    error = json.loads(response[-1])["error"]
    assert error["code"] == code
    assert message in error["message"]


def test_malformed_page_request_gets_plain_text(shared):
    with Wire(shared) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
        assert wire.read_response()[-1] == b"duplicate Host\n"


def test_pipelined_requests_get_responses_after_a_half_close(shared):
    before = shared.count()["seq"]
    head = f"POST /api/press HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    with Wire(shared) as wire:
        wire.send((head + "Content-Length: 0\r\n\r\n") * 5)
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.ended().count(b"HTTP/1.1 201 ") == 5
    assert shared.count()["seq"] == before + 5


@pytest.mark.parametrize(
    "path", ["/api/count", "/", "/socket.io/?EIO=4&transport=polling", "/healthz", "/nowhere"]
)
def test_response_to_head_has_no_body(shared, path):
    with Wire(shared) as wire:
        wire.request("HEAD", path)
        wire.request("GET", "/api/count")
        wire.request("GET", "/api/count", headers=["Connection: close"])
        responses = wire.ended().split(b"HTTP/1.1 ")
        assert len(responses) == 4
        assert responses[1].endswith(b"\r\n\r\n")


def test_body_after_100_continue_is_not_parsed_as_a_request(shared):
    """The body, sent after 100 Continue, looks like a request."""
    body = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    with Wire(shared) as wire:
        head = f"POST /api/press HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        head += "Expect: 100-continue\r\n"
        wire.send(f"{head}Content-Length: {len(body)}\r\n\r\n")
        assert wire.take(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(body)
        assert wire.read_response()[0] == 201
        assert wire.ask("GET", "/api/count")[0] == 200, "one response for each request"
    with Wire(shared) as wire:
        wire.send(head.replace("HTTP/1.1", "HTTP/1.0") + "Content-Length: 1\r\n\r\n")
        wire.send("x")
        assert wire.read_response()[0] == 201, "HTTP/1.0 has no 100 Continue"


def test_connection_reset_during_connect_leaves_no_session(server):
    for _ in range(30):
        with Wire(server) as wire:
            wire.open_websocket()
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            wire.say("40")
    until(lambda: not any(server.health().json()["clients"].values()), "all sessions to close")
    assert server.press()


def test_frames_after_an_invalid_fragment_are_ignored(shared):
    with Wire(shared) as wire:
        wire.open_websocket()
        wire.send(wire.frame(b"4\xff", fin=False) + wire.frame(b"a", opcode=0) + wire.frame("40"))
        assert wire.close_code() == 1007
        wire.ended()
    assert not [line for line in shared.log if "Traceback" in line]


# --- hostile header values ---

HOSTILE_HEADERS = {
    "a cookie that is not UTF-8": b"Cookie: other=\xff\xfe; button_session=abc\xff",
    "a cookie of another application": b'Cookie: a="\xe9"; b=\xc3\x28',
    "many cookies": b"Cookie: " + b"; ".join(b"a%d=%d" % (n, n) for n in range(1000)),
    "a date out of range": b"If-Modified-Since: Mon, 01 Jan 99999 00:00:00 GMT",
    "a zone out of range": b"If-Modified-Since: Mon, 01 Jan 2000 00:00:00 +99999999999999",
    "another date out of range": b"If-Unmodified-Since: Fri, 99 Foo 0000 99:99:99 -9999",
    "a range with a date": b"Range: bytes=0-1\r\nIf-Range: Mon, 01 Jan 2000 00:00:00 +99999999999999",
    "a range without numbers": b"Range: bytes=\xb2-\xb3",
    "a huge range": b"Range: bytes=" + b"9" * 400 + b"-",
    "many ranges": b"Range: bytes=" + b",".join([b"0-1"] * 500),
    "an invalid encoding": b"Accept-Encoding: gzip;q=\xff, \xb2;q=1e999",
    "an invalid quality": b"Accept-Encoding: gzip;q=nan",
    "an invalid media type": b"Content-Type: multipart/form-data; boundary=\xff\xfe",
    "an invalid charset": b"Content-Type: application/json; charset=\xff",
    "an encoded parameter": b"Content-Type: text/html; filename*=UTF-9''%ff%fe",
    "invalid credentials": b"Authorization: Basic \xff\xff",
    "an invalid token": b"Authorization: Bearer \xff\xf0\x9f",
    "an invalid key": b"Idempotency-Key: \xff\xfe",
    "an invalid ETag": b'If-None-Match: W/"\xff", \xff',
    "an invalid Forwarded": b"X-Forwarded-For: \xff\xfe, ::\r\nForwarded: for=\xff",
}
PATHS = (
    "/", "/graph", "/admin", "/admin/login", "/api/count", "/api/history", "/static/button.css", "/healthz",
    "/socket.io/?EIO=4&transport=polling", "/%ff%fe", "/api/history?after=%ff&limit=\xe9", "//x/%00",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_HEADERS)
def test_hostile_header_never_gets_a_5xx_response(shared, name):
    with Wire(shared) as wire:
        for path in PATHS:
            for method, body in ((b"GET", b""), (b"POST", b"a=b")):
                wire.send(
                    b"%b %b HTTP/1.1\r\nHost: x\r\n%b\r\nContent-Length: %d\r\n\r\n%b"
                    % (method, path.encode("latin-1"), HOSTILE_HEADERS[name], len(body), body)
                )
                assert wire.read_response()[0] < 500, (path, method)
    assert not [line for line in shared.log if "Traceback" in line]


def test_screen_connects_despite_cookies_of_another_application(shared):
    with Wire(shared) as wire:
        wire.request(
            "GET",
            "/socket.io/?EIO=4&transport=websocket",
            headers=["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                     f"Sec-WebSocket-Key: {KEY}", "Cookie: other=X"],
        )  # fmt: skip
        assert wire.read_response()[0] == 101
    with Wire(shared) as wire:
        head = (
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
        )
        wire.send(head.encode() + b"Cookie: other=\xff\xfe; b=\xe9\r\n\r\n")
        assert wire.read_response()[0] == 101
        wire.enter()


def test_polling_fast_path_checks_host_and_origin(shared):
    """The fast path does not parse requests, but must still reject foreign origins."""
    for lines in ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example",
                  "Origin: x", "Origin: null"):  # fmt: skip
        with Wire(shared) as wire:
            wire.open_polling()
            assert wire.post("40")[0] == 200
            assert wire.ask("GET", wire.path, headers=[lines])[0] == 403
            assert wire.ask("POST", wire.path, b"3", headers=[lines])[0] == 403
            assert wire.poll()[0] == 200, "the session continues"
    with Wire(shared) as wire:
        wire.open_polling().join()
        wire.send(f"POST {wire.path} HTTP/1.1\r\nHost: a_b\r\nContent-Length: 1\r\n\r\n3")
        assert wire.read_response()[0] == 400, "an invalid Host"


# --- log ---


@pytest.mark.slow
def test_unread_log_pipe_does_not_block_the_server(tmp_path):
    """Lines that do not fit into the pipe's 64 KiB are dropped and reported later."""
    reading, writing = os.pipe()
    process, url = launch(tmp_path, stderr=writing)
    os.close(writing)
    with requests.Session() as program:
        program.headers["Authorization"] = f"Bearer {TOKEN}"
        for _ in range(2500):  # a line of 70 bytes each
            assert program.post(url + "/api/press", timeout=5).status_code == 201
    lines = []
    with open(reading) as pipe:
        reader = threading.Thread(target=lambda: lines.extend(pipe), daemon=True)
        reader.start()
        until(lambda: any(re.match(r"\d+ log lines were dropped", line) for line in lines), "the report")
        process.terminate()
        assert process.wait(DEADLINE) == 0
        reader.join(DEADLINE)


def launch(folder, how="", **options):
    """Start a server without capturing standard error; return its process and URL."""
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BUTTON_")}
    environ |= {"BUTTON_HOST": "127.0.0.1", "BUTTON_PORT": str(port), "BUTTON_FEED": "off",
                "BUTTON_API_TOKEN": TOKEN, "BUTTON_HARDWARE": "none"}  # fmt: skip
    command = ["sh", "-c", f'exec "$0" "$1" {how}', sys.executable, ROOT / "app.py"]
    process = subprocess.Popen(command, env=environ, cwd=folder, **options)
    url = f"http://127.0.0.1:{port}"
    until(lambda: responds(url), "the server to respond")
    return process, url


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def responds(url):
    with contextlib.suppress(requests.RequestException):
        return requests.get(url + "/api/count", timeout=2).ok


@pytest.mark.parametrize("how", ["2>&-", "2>/dev/full", "0<&- 1>&- 2>&-"])
def test_server_runs_without_a_standard_error(tmp_path, how):
    """The database must not get descriptor 2, or log lines would be written into it."""
    process, url = launch(tmp_path, how)
    for _ in range(3):
        assert requests.post(url + "/api/press", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5).ok
    process.terminate()
    assert process.wait(DEADLINE) == 0
    assert (tmp_path / "button.db").read_bytes().startswith(b"SQLite format 3\0")


# --- shutdown and crashes ---


def test_sigterm_during_a_feed_message_shuts_down_gracefully(start):
    """SIGTERM arrives while a message of 400,000 frames is still being read."""
    server = start()
    publish = """
import sys, time, zmq
publisher = zmq.Context().socket(zmq.PUB)
publisher.connect(sys.argv[1])
for _ in range(40):
    publisher.send_json({"y": 1})
    time.sleep(0.05)
publisher.send_multipart([b"x"] * 400_000)
print("sent", flush=True)
time.sleep(60)
"""
    endpoint = re.search(r"Feed listens at (\S+)", "\n".join(server.log))[1]
    attack = subprocess.Popen([sys.executable, "-c", publish, endpoint], stdout=subprocess.PIPE, text=True)
    try:
        assert attack.stdout.readline() == "sent\n"
        assert server.health().json()["feed"]["messages"] > 0
        time.sleep(1)  # no metric shows how much of the message has been read
        server.press()
        assert server.stop() == 0
    finally:
        attack.kill()
        attack.wait(DEADLINE)
        attack.stdout.close()


def test_sigterm_during_a_hanging_fsync_exits_in_time(start, tmp_path):
    """The process must not wait 30 s for the fsync of an unacknowledged press."""
    library, hang = tmp_path / "hang.so", tmp_path / "hang"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, SUPPORT / "hangsync.c"], check=True)
    server = start(environ={"LD_PRELOAD": str(library), "HANG": str(hang)})
    server.press()
    hang.touch()
    presses = threading.Thread(target=try_to_press, args=(server,), daemon=True)
    presses.start()
    until(lambda: server.health().status_code == 503, "the failure in /healthz")
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 5.5


def try_to_press(server):
    with contextlib.suppress(requests.RequestException):
        server.api("press")


def test_service_crash_is_reported_and_fatal_only_if_critical():
    program = """
from gevent import monkey; monkey.patch_all()
import gevent, sys
from integrations.process import Services
def crash(): raise RuntimeError("the LED burnt out")
services = Services()
services.add("LED", (crash,), lambda timeout: 1 / 0, critical=sys.argv[1] == "critical")
stopped = []
services.add("store", (), stopped.append)
services.start()
gevent.sleep(0.1)
print(services.status()["warnings"])
services.stop(1.0)
print(len(stopped))
"""
    run = [sys.executable, "-c", program]
    done = subprocess.run([*run, "optional"], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    assert done.stdout == "['LED crashed: RuntimeError: the LED burnt out']\n1\n", done.stderr
    done = subprocess.run([*run, "critical"], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    assert (done.returncode, done.stdout) == (70, "")


def test_led_failure_does_not_stop_the_server(tmp_path):
    variant = SUPPORT / "faulty_app.py"
    server = Server(tmp_path, program=variant, environ={"VARIANT": "light breaks"}, led_pin=12)
    until(lambda: server.press() and "burnt out" in "\n".join(server.log), "the LED failure in the log")
    seq = server.press()["seq"]
    assert server.press()["seq"] == seq + 1
    assert server.stop() == 0


@pytest.mark.parametrize("limit", [128, 256])
def test_low_descriptor_limit_prints_one_line(tmp_path, limit):
    done = subprocess.run(
        ["sh", "-c", f'ulimit -n {limit}; exec "$0" "$1"', sys.executable, ROOT / "app.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.fullmatch(rf"ulimit -n: expected more than 256 descriptors, got {limit}; .*\n", done.stderr)


# --- health ---


def test_health_reports_a_full_disk_before_a_press(tmp_path):
    folder, server = mounted(tmp_path, "4m"), None
    try:
        server = Server(folder, simulated_pin=tmp_path / "pin")
        assert server.health().status_code == 200
        fill(folder)
        until(lambda: server.health().status_code == 503, "the failure in /healthz", deadline=30)
        (folder / "ballast").unlink()
        until(lambda: server.health().status_code == 200, "the recovery", deadline=30)
        assert server.press()["seq"] == 1
    finally:
        if server is not None:
            server.stop(signal.SIGKILL)
        subprocess.run(["umount", "-l", folder], check=False)


def test_moved_database_file_is_suspect(tmp_path):
    folder = mounted(tmp_path, "4m")
    try:
        database = SqliteDatabase(folder / "button.db", goal=20)
        assert not database.is_suspect()
        (folder / "button.db").rename(folder / "moved.db")
        assert database.is_suspect()
        (folder / "moved.db").rename(folder / "button.db")
        assert not database.is_suspect()
        database.close()
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


# --- login and connects under load ---


def test_password_guessing_from_many_addresses_keeps_login_open(server):
    attack = subprocess.Popen(
        [
            sys.executable,
            SUPPORT / "attacks.py",
            "12 guessers with changing addresses",
            str(server.port),
            "20",
        ]
    )
    try:
        until(lambda: requests.get(server.url + "/metrics", timeout=DEADLINE).ok, "the metrics")
        for _ in range(5):
            admin = Visitor(server)
            assert admin.sign_in(PASSWORD).status_code == 302
            admin.close()
    finally:
        attack.kill()
        attack.wait(DEADLINE)


def test_connecting_screens_share_one_query_for_totals(start):
    """Previously, each client that connected after a press caused a query."""
    server = start()
    server.press()
    wires = []
    for _ in range(50):
        wires.append(Wire(server).open_websocket())
        wires[-1].say("40")
    for wire in wires:
        while '"info"' not in (text := wire.text(info=True)):
            pass
        assert '"today":1' in text
        wire.socket.close()
    assert server.press()["count"] == 18
