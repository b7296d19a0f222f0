"""Settings for sites, horns, frames, origins and time zones."""

import base64
import contextlib
import datetime
import sqlite3
import time

import pytest
import requests
import websocket
from server import DEADLINE, PASSWORD, TOKEN, Screen, Server, until

from web import HornError, load_horn


@pytest.mark.slow
def test_source_of_presses_and_admin_changes_contains_the_site(tmp_path):
    server = Server(tmp_path, site="Berlin")
    screen = Screen(server, ["websocket"])
    server.push()
    server.api("press", "POST", json={"site": "Paris"})
    until(lambda: any(info["site"] == "Paris" for info in screen.infos), "an info event")
    visitor = requests.Session()
    page = visitor.get(f"{server.url}/admin/login", timeout=DEADLINE).text
    token = page.split('csrf_token" value="')[1].split('"')[0]
    visitor.post(
        f"{server.url}/admin/login", data={"password": PASSWORD, "csrf_token": token}, timeout=DEADLINE
    )
    page = visitor.get(f"{server.url}/admin", timeout=DEADLINE).text
    token = page.split('csrf_token" value="')[1].split('"')[0]
    visitor.post(f"{server.url}/admin/count", data={"count": "3", "csrf_token": token}, timeout=DEADLINE)
    assert [event["source"] for event in server.history()] == ["button@Berlin", "api@Paris", "admin@Berlin"]
    backup = visitor.get(f"{server.url}/admin/backup", timeout=DEADLINE)
    assert backup.content.startswith(b"SQLite format 3\0")
    visitor.close()
    screen.close()
    server.stop()


@pytest.mark.slow
def test_custom_horn_replaces_the_short_one(tmp_path):
    (tmp_path / "horn.ogg").write_bytes(b"OggS" + bytes(100))
    server = Server(tmp_path, horn=tmp_path / "horn.ogg", noun="sign-up,sign-ups")
    page = requests.get(server.url, timeout=DEADLINE).text
    url = page.split('data-horn-mp3="')[1].split('"')[0]
    response = requests.get(server.url + url, timeout=DEADLINE)
    assert (response.headers["Content-Type"], response.content[:4]) == ("audio/ogg", b"OggS")
    assert "20 of 20 sign-ups to go" in page
    server.stop()
    for body, reason in (
        (b"MZ", "not an mp3, wav or ogg file"),
        (b"ID3" + bytes(2_000_000), "larger than 2 MB"),
    ):
        (tmp_path / "horn.ogg").write_bytes(body)
        with pytest.raises(AssertionError, match=f"BUTTON_HORN: .* cannot be played: {reason}"):
            Server(tmp_path, horn=tmp_path / "horn.ogg")


def test_only_public_pages_may_be_framed(open_site):
    site = open_site(frame_ancestors="https://home.example")
    framed, closed = (site.get(path).headers for path in ("/", "/admin/login"))
    assert "frame-ancestors https://home.example" in framed["Content-Security-Policy"]
    assert "X-Frame-Options" not in framed
    assert "frame-ancestors 'none'" in closed["Content-Security-Policy"]
    assert closed["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("origin", ["null", "file://", "capacitor://localhost"])
def test_configured_origin_without_a_host_is_allowed(tmp_path, origin):
    server = Server(tmp_path, allowed_origins=origin)
    poll = f"{server.url}/socket.io/?EIO=4&transport=polling"
    assert requests.get(poll, headers={"Origin": origin}, timeout=DEADLINE).status_code == 200
    same = {"Origin": server.url.replace("http", "ws")}
    assert requests.get(poll, headers=same, timeout=DEADLINE).status_code == 200
    url = f"{server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
    for allowed in (origin, same["Origin"]):
        with contextlib.closing(websocket.create_connection(url, origin=allowed, timeout=DEADLINE)) as device:
            assert device.recv().startswith("0{")
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        websocket.create_connection(url, origin="https://evil.example", timeout=DEADLINE)
    for _ in range(3):
        assert (
            requests.get(poll, headers={"Origin": "https://evil.example"}, timeout=DEADLINE).status_code
            == 403
        )
    server.stop()  # the log is complete afterwards
    rejected = [line for line in server.log if "BUTTON_ALLOWED_ORIGINS=https://evil.example" in line]
    assert len(rejected) == 1


def test_today_uses_the_server_time_zone_and_ignores_future_presses(tmp_path):
    server = Server(tmp_path, environ={"TZ": "Etc/GMT-14"})
    server.press()
    server.stop()
    now = time.time()
    with contextlib.closing(sqlite3.connect(server.database)) as db, db:  # from a clock that was ahead
        columns = "seq, at, kind, source, count, goal, below"
        row = (2, now + 3 * 86400, "press", "api", 18, 20, 1)
        db.execute(f"INSERT INTO event ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    server.start()
    today = requests.get(f"{server.url}/api/today", timeout=DEADLINE).json()
    there = datetime.datetime.fromtimestamp(now, datetime.timezone(datetime.timedelta(hours=14)))
    assert sum(today["hours"]) == 1
    assert today["date"] in {
        there.date().isoformat(),
        (there + datetime.timedelta(hours=1)).date().isoformat(),
    }
    screen = Screen(server, ["websocket"])
    until(lambda: screen.infos, "an info event")
    assert screen.infos[0]["today"] == 1
    screen.close()
    server.stop()


def test_info_is_sent_after_each_correction(start, watch):
    server = start(feed="off")
    first = watch(server)
    until(lambda: first.infos, "the first info")
    second = watch(server)
    until(lambda: second.infos and second.infos[0]["screens"] == 2, "the info of the second screen")
    corrections = (
        ("count", "PUT", {"count": 5}), ("reset", "POST", None), ("goal", "PUT", {"goal": 30}),
        ("undo", "POST", None),
    )  # fmt: skip
    for number, (path, method, body) in enumerate(corrections):
        server.api(path, method, json=body)
        until(lambda number=number: len(first.infos) >= 2 + number, "the info after a correction")


@pytest.mark.slow
def test_info_reaches_clients_that_joined_in_between(start, watch):
    server = start(feed="off")
    first = watch(server)
    until(lambda: first.infos, "the first info")
    third = watch(server)
    until(lambda: third.infos and third.infos[0]["screens"] == 2, "the info of the second screen")
    third.close()
    until(lambda: first.infos[-1]["screens"] == 1, "the number of screens", deadline=30)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain"]
)
def test_site_of_a_press_is_read_from_any_content_type(site, content_type):
    response = site.api("press", data='{"site": "Rome"}', headers={"Content-Type": content_type})
    assert response.status_code == 201
    assert site.history()[-1]["source"] == "api@Rome"


def test_basic_authentication_accepts_any_user(site):
    credentials = base64.b64encode(b"\xff\xe9:" + TOKEN.encode()).decode()
    response = site.api("press", token=None, headers={"Authorization": f"Basic {credentials}"})
    assert response.status_code == 201


def test_forwarded_port_is_part_of_the_origin(start):
    server = start(trusted_proxies=1)
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "button.example", "X-Forwarded-Port": "8443"}
    poll = f"{server.url}/socket.io/?EIO=4&transport=polling"
    for port, status in ((8443, 200), (8444, 403)):
        origin = {"Origin": f"https://button.example:{port}"}
        assert requests.get(poll, headers=headers | origin, timeout=DEADLINE).status_code == status


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"ID3", "audio/mpeg"),
        (b"\xff\xfa\x90\x00", "audio/mpeg"),
        (b"\xff\xe3\x90\x00", "audio/mpeg"),
        (b"RIFF\x00\x00\x00\x00WAVE", "audio/wav"),
        (b"OggS", "audio/ogg"),
        (b"RIFF\x00\x00\x00\x00AVI ", None),
        (b"RIFF", None),
        (b"\xff\xff", None),
        (b"", None),
    ],
)
def test_horn_is_recognized_by_its_first_bytes(tmp_path, body, media_type):
    path = tmp_path / "horn"
    path.write_bytes(body)
    if media_type is None:
        with pytest.raises(HornError, match="not an mp3, wav or ogg file"):
            load_horn(path)
    else:
        assert load_horn(path).type == media_type


def test_startup_removes_the_copy_left_by_an_interrupted_download(server):
    left = server.folder / ".button.db.download-x"
    left.mkdir()
    (left / "button.db").write_bytes(b"half a copy")
    server.restart()
    assert not left.exists()
