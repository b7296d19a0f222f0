"""The public pages over plain HTTP."""

import gzip
import hashlib
import io
import math
import re
import socket

import pytest
import segno
from server import DEADLINE, ROOT


def raw(server, request):
    """Send a request verbatim and return the whole response."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(request)
        response = b""
        while more := connection.recv(65536):
            response += more
    return response.decode("latin-1")


PAGES = ["/", "/admin/login", "/api/count", "/healthz", "/nowhere", "/static/nothing.js", "/favicon.ico"]


@pytest.mark.parametrize("path", PAGES)
def test_every_response_has_the_security_headers(shared_site, path):
    headers = shared_site.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    host = f"localhost:{shared_site.port}"
    assert f"connect-src 'self' ws://{host} wss://{host};" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "Referrer-Policy" in headers


@pytest.mark.parametrize("host", ["", "a b", "evil\tx", "x" * 256, "a/b", "a;b", "a'b", "a,b"])
def test_invalid_host_gets_400(shared, host):
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert raw(shared, request.encode()).startswith("HTTP/1.1 400 ")


def test_missing_host_is_accepted_only_in_http_1_0(shared):
    assert raw(shared, b"GET /healthz HTTP/1.0\r\n\r\n").startswith("HTTP/1.1 200 ")
    assert raw(shared, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").startswith("HTTP/1.1 400 ")


def test_page_without_javascript_shows_the_count_and_reloads(site):
    site.press()
    page = site.get().text
    noscript = " ".join(re.findall(r"(?s)<noscript>(.*?)</noscript>", page))
    assert '<meta http-equiv="refresh"' in noscript
    assert re.search(r"<b>19</b>\s+of 20 deals to go", noscript)
    assert "Deals till 20 deal goal" in page
    made = re.search(r'class="made" r="([0-9.]+)" stroke-dasharray="([0-9.]+) ', noscript)
    assert float(made[2]) / (2 * math.pi * float(made[1])) == pytest.approx(1 / 20, abs=1e-4)


def test_configured_title_is_escaped_and_shows_the_goal(open_site):
    site = open_site(title="<b>{goal}</b> to go, {x}", goal=7)
    assert "&lt;b&gt;7&lt;/b&gt; to go, {x}" in site.get().text


def test_pages_are_compressed_if_the_client_accepts_gzip(shared_site):
    plain = shared_site.get(headers={"Accept-Encoding": "identity"})
    zipped = shared_site.get(headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.data) == plain.data


def test_versioned_static_files_are_immutable(shared_site):
    links = re.findall(r'(?:src|href)="(/static/[^"]+)"', shared_site.get().text)
    assert len(links) > 4
    for link in links:
        response = shared_site.get(link)
        assert "immutable" in response.headers["Cache-Control"]
        cached = shared_site.get(link, headers={"If-None-Match": response.headers["ETag"]})
        assert cached.status_code == 304
        assert "immutable" not in shared_site.get(link.split("?")[0]).headers["Cache-Control"]


def test_font_is_small_versioned_and_immutable(shared_site):
    link = re.search(r'href="(/static/button.css[^"]+)"', shared_site.get().text)[1]
    font = re.search(r"url\(([^)]+)\)", shared_site.get(link).text)[1]
    response = shared_site.get("/static/" + font)
    assert response.headers["Content-Type"] == "font/woff2"
    assert "immutable" in response.headers["Cache-Control"]
    assert response.data.startswith(b"wOF2")
    assert len(response.data) < 25_000


def test_range_request_of_a_sound_gets_206(shared_site):
    response = shared_site.get("/static/sound/horn.mp3", headers={"Range": "bytes=0-99"})
    assert (response.status_code, len(response.data)) == (206, 100)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/favicon.ico", "image"),
        ("/apple-touch-icon.png", "image/png"),
        ("/apple-touch-icon-precomposed.png", "image/png"),
    ],
)
def test_icons_are_at_their_conventional_paths(shared_site, path, kind):
    response = shared_site.get(path)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize("path", ["/static/sound/make_horn.py", "/static/../app.py", "/static/%2e%2e/app.py"])
def test_private_files_get_404(shared, path):
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert raw(shared, request.encode()).startswith("HTTP/1.1 404 ")


def test_pages_have_no_inline_script_or_style(shared_site):
    for path in ("/", "/admin/login", "/nowhere"):
        page = shared_site.get(path).text
        assert not re.search(r"<script(?![^>]*src=)", page)
        assert "<style" not in page
        assert not re.search(r"\s(style|on\w+)=", page)


def test_qr_code_is_an_svg_with_the_page_address(shared_site):
    pictures = {
        query: shared_site.get("/qr.svg" + query, headers={"Host": host})
        for query, host in (
            ("", "wall.example"),
            ("?page=graph", "wall.example"),
            ("?page=x", "other.example"),
        )
    }
    for response in pictures.values():
        assert response.headers["Content-Type"].startswith("image/svg+xml")
        assert response.text.startswith("<svg ")
    assert len({response.text for response in pictures.values()}) == 3
    expected = io.BytesIO()
    segno.make("http://wall.example/graph").save(
        expected, kind="svg", light="#fff", omitsize=True, xmldecl=False
    )
    assert pictures["?page=graph"].data == expected.getvalue()


def test_get_changes_nothing(shared_site):
    before = shared_site.count()
    for path in (
        "/",
        "/admin/press",
        "/admin/reset",
        "/api/press",
        "/api/reset",
        "/admin/logout",
        "/metrics",
    ):
        shared_site.get(path)
    assert shared_site.count() == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/static/button.css"])
def test_unsupported_methods_get_405(shared_site, method, path):
    assert shared_site.request(method, path).status_code == 405


def test_health_report_is_ok_and_contains_no_path(shared):
    response = shared.health()
    assert response.status_code == 200
    assert response.json()["status"] == "ok"
    assert str(shared.folder) not in response.text


def test_metrics_are_in_the_prometheus_format(site):
    site.press()
    response = site.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "button_count 19.0" in response.text
    assert 'button_changes_total{kind="press",source="api"} 1.0' in response.text


def test_vendored_script_is_identical_to_the_package():
    script = (ROOT / "static/vendor/socket.io-4.8.4.min.js").read_bytes()
    expected = "d5d79a35039e860b32bdef4795528b05c2f788d4b2d9dacc913120e2878f7b3f"
    assert hashlib.sha256(script).hexdigest() == expected


@pytest.mark.slow
def test_horn_is_identical_to_the_output_of_its_script():
    import importlib.util

    where = ROOT / "static/sound"
    spec = importlib.util.spec_from_file_location("make_horn", where / "make_horn.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, horn in (("horn", module.samples(module.SECONDS)), ("long", module.long_samples())):
        assert (where / f"{name}.wav").read_bytes().endswith(horn.tobytes())
    assert (where / "horn.mp3").stat().st_size < 100_000 > (where / "horn.wav").stat().st_size
