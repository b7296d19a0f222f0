"""The public pages over plain HTTP: what they say, what they carry, what they refuse."""

import gzip
import hashlib
import math
import re
import socket

import pytest
import requests
from server import DEADLINE, ROOT


def get(server, path="/", **more):
    return requests.get(server.url + path, timeout=DEADLINE, **more)


def raw(server, head):
    """Send a request as it is written; returns the status line and the rest."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(head)
        answer = b""
        while more := connection.recv(65536):
            answer += more
    return answer.decode("latin-1")


PAGES = ["/", "/admin/login", "/api/count", "/healthz", "/nowhere", "/static/nothing.js", "/favicon.ico"]


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_carries_the_security_headers(shared, path):
    headers = get(shared, path).headers
    policy = headers["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    host = f"127.0.0.1:{shared.port}"
    assert f"connect-src 'self' ws://{host} wss://{host};" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "Referrer-Policy" in headers


@pytest.mark.parametrize("host", ["", "a b", "evil\tx", "x" * 256, "a/b", "a;b", "a'b", "a,b"])
def test_a_host_that_is_none_is_refused(shared, host):
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert raw(shared, request.encode()).startswith("HTTP/1.1 400 ")


def test_only_http_1_0_may_leave_out_the_host(shared):
    assert raw(shared, b"GET /healthz HTTP/1.0\r\n\r\n").startswith("HTTP/1.1 200 ")
    assert raw(shared, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").startswith("HTTP/1.1 400 ")


def test_without_javascript_the_page_holds_the_number_and_looks_again(server):
    server.press()
    page = get(server).text
    noscript = " ".join(re.findall(r"(?s)<noscript>(.*?)</noscript>", page))
    assert '<meta http-equiv="refresh"' in noscript
    assert re.search(r"<b>19</b>\s+of 20 deals to go", noscript)
    assert "Deals till 20 deal goal" in page
    made = re.search(r'class="made" r="([0-9.]+)" stroke-dasharray="([0-9.]+) ', noscript)
    assert float(made[2]) / (2 * math.pi * float(made[1])) == pytest.approx(1 / 20, abs=1e-4)


def test_the_title_is_the_settings_and_its_goal_is_replaced(start):
    server = start(title="<b>{goal}</b> to go, {x}", goal=7)
    assert "&lt;b&gt;7&lt;/b&gt; to go, {x}" in get(server).text


def test_pages_are_compressed_for_those_who_can_read_it(shared):
    plain = get(shared, headers={"Accept-Encoding": "identity"})
    zipped = get(shared, headers={"Accept-Encoding": "gzip"}, stream=True)
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.raw.read(decode_content=False)) == plain.content


def test_static_files_are_cached_for_ever_by_their_content(shared):
    links = re.findall(r'(?:src|href)="(/static/[^"]+)"', get(shared).text)
    assert len(links) > 4
    for link in links:
        answer = get(shared, link)
        assert "immutable" in answer.headers["Cache-Control"]
        again = get(shared, link, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
        assert "immutable" not in get(shared, link.split("?")[0]).headers["Cache-Control"]


def test_sounds_can_be_fetched_in_parts(shared):
    answer = get(shared, "/static/sound/horn.mp3", headers={"Range": "bytes=0-99"})
    assert (answer.status_code, len(answer.content)) == (206, 100)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/favicon.ico", "image"),
        ("/apple-touch-icon.png", "image/png"),
        ("/apple-touch-icon-precomposed.png", "image/png"),
    ],
)
def test_icons_are_where_browsers_look(shared, path, kind):
    answer = get(shared, path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize("path", ["/static/sound/make_horn.py", "/static/../app.py", "/static/%2e%2e/app.py"])
def test_only_what_is_meant_to_be_served_is(shared, path):
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert raw(shared, request.encode()).startswith("HTTP/1.1 404 ")


def test_no_page_has_inline_script_or_style(shared):
    for path in ("/", "/admin/login", "/nowhere"):
        page = get(shared, path).text
        assert not re.search(r"<script(?![^>]*src=)", page)
        assert "<style" not in page
        assert not re.search(r"\s(style|on\w+)=", page)


def test_get_changes_nothing(shared):
    before = shared.count()
    for path in (
        "/",
        "/admin/press",
        "/admin/reset",
        "/api/press",
        "/api/reset",
        "/admin/logout",
        "/metrics",
    ):
        get(shared, path)
    assert shared.count() == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/static/button.css"])
def test_wrong_methods_are_405(shared, method, path):
    assert requests.request(method, shared.url + path, timeout=DEADLINE).status_code == 405


def test_health_is_well_and_tells_no_path(shared):
    answer = shared.health()
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert str(shared.folder) not in answer.text


def test_metrics_are_what_prometheus_reads(server):
    server.press()
    answer = get(server, "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "button_count 19.0" in answer.text
    assert 'button_changes_total{kind="press",source="api"} 1.0' in answer.text


def test_the_vendored_script_is_the_one_from_the_package():
    script = (ROOT / "static/vendor/socket.io-4.8.4.min.js").read_bytes()
    known = "d5d79a35039e860b32bdef4795528b05c2f788d4b2d9dacc913120e2878f7b3f"
    assert hashlib.sha256(script).hexdigest() == known


def test_the_horn_is_the_one_that_its_script_makes():
    import importlib.util

    where = ROOT / "static/sound"
    spec = importlib.util.spec_from_file_location("make_horn", where / "make_horn.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, horn in (("horn", module.samples(module.SECONDS)), ("long", module.long_samples())):
        assert (where / f"{name}.wav").read_bytes().endswith(horn.tobytes())
    assert (where / "horn.mp3").stat().st_size < 100_000 > (where / "horn.wav").stat().st_size
