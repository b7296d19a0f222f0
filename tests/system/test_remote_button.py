"""A remote button that delivers each press exactly once."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
from disk import fill, mounted
from proxy import Proxy
from remote_button import RemoteButton
from server import DEADLINE, TOKEN, Server, until


def test_remote_presses_are_recorded_by_the_server(server, remote, watch):
    screen = watch(server)
    button = remote(server.url)
    button.push()
    button.push()
    assert screen.wait_for(2)["count"] == 18
    until(lambda: button.waiting() == 0, "an empty spool")
    assert button.stop() == 0


def test_queued_presses_survive_a_server_outage_and_sigkill(server, remote):
    url, port = server.url, server.port
    button = remote(url)
    server.stop()
    button.push()
    button.push()
    until(lambda: button.waiting() == 2, "two queued presses")
    button.stop(signal.SIGKILL)
    server.environ["BUTTON_PORT"] = str(port)
    server.start()
    button.start()
    until(lambda: server.count()["seq"] == 2, "the presses")
    until(lambda: button.waiting() == 0, "an empty spool")


def test_press_with_a_lost_response_counts_once(server, remote):
    proxy = Proxy(server, "strip")
    button = remote(proxy.url)
    button.push()
    until(lambda: server.count()["seq"] == 1 and button.waiting() == 0, "the first press")
    proxy.mode = "deaf"
    button.push()
    until(lambda: server.count()["seq"] == 2, "the press")
    proxy.mode = "strip"
    until(lambda: button.waiting() == 0, "the response")
    assert server.count()["seq"] == 2
    proxy.close()


@pytest.mark.parametrize(
    ("url", "token", "wrong"),
    [("nonsense", TOKEN, "--server"), ("ftp://a", TOKEN, "--server"), ("http://a", None, "BUTTON_API_TOKEN")],
)
def test_missing_or_invalid_setting_is_named(tmp_path, url, token, wrong):
    with pytest.raises(AssertionError, match=f"{re.escape(wrong)}: expected"):
        RemoteButton(tmp_path / "remote", url, api_token=token)


def test_press_with_a_wrong_token_stays_queued_and_is_logged(server, remote):
    button = remote(server.url, api_token="wrong")
    button.push()
    until(lambda: any("rejects BUTTON_API_TOKEN" in line for line in button.log), "the log line")
    assert button.waiting() == 1
    assert server.count()["seq"] == 0


def test_queued_presses_follow_the_database_to_another_address(tmp_path, server):
    button = RemoteButton(tmp_path / "remote", server.url, site="Paris")
    until(lambda: any("Presses go to" in line for line in button.log), "the remote button to start")
    button.push()
    until(lambda: server.count()["seq"] == 1, "the press")
    server.stop()
    button.push()
    until(lambda: button.waiting() == 1, "one queued press")
    button.stop()
    server.environ["BUTTON_PORT"] = "0"
    server.start()  # on another port
    moved = RemoteButton(tmp_path / "remote", server.url + "/", site="Paris")
    until(lambda: moved.waiting() == 0, "the press")
    assert [event["source"] for event in server.history()] == ["api@Paris", "api@Paris"]
    moved.stop()


def test_queued_presses_are_not_delivered_to_another_database(tmp_path, server):
    button = RemoteButton(tmp_path / "remote", server.url)
    button.push()
    until(lambda: server.count()["seq"] == 1, "the press")
    server.stop()
    button.push()
    until(lambda: button.waiting() == 1, "one queued press")
    button.stop()
    folder = tmp_path / "another"
    folder.mkdir()
    another = Server(folder)
    moved = RemoteButton(tmp_path / "remote", another.url)
    until(lambda: any("belong to another server" in line for line in moved.log), "the log line")
    assert (another.count()["seq"], moved.waiting()) == (0, 1)
    moved.stop()
    another.stop()


def test_remote_button_with_a_full_disk_delivers_from_memory(tmp_path, server):
    folder, button = mounted(tmp_path, "2m"), None
    try:
        fifo = tmp_path / "fifo"
        button = RemoteButton(folder, server.url, simulated_pin=fifo)
        button.fifo = fifo
        until(lambda: any("Presses go to" in line for line in button.log), "the remote button to start")
        fill(folder)
        for seq in range(1, 6):
            button.push()
            until(lambda seq=seq: server.count()["seq"] == seq, "the press")
        until(lambda: any("in memory only" in line for line in button.log), "the log line")
    finally:
        if button is not None:
            button.stop(signal.SIGKILL)
        subprocess.run(["umount", "-l", folder], check=False)


def test_response_body_delimited_by_connection_close_is_read(tmp_path):
    """The press must not be repeated if the body arrives in a separate packet."""
    paths, listener = [], socket.create_server(("127.0.0.1", 0))
    body = json.dumps({"count": 19, "goal": 20, "seq": 1, "cause": "press", "at": 1.0}).encode()

    def serve():
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                with peer:
                    path = peer.recv(65536).split(b" ")[1]
                    peer.sendall(b"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n")
                    time.sleep(0.2)  # so that the body is a separate packet
                    peer.sendall(b'{"id": "0123"}' if path == b"/healthz" else body)
                    paths.append(path)

    thread = threading.Thread(target=serve)
    thread.start()
    button = RemoteButton(tmp_path / "remote", f"http://127.0.0.1:{listener.getsockname()[1]}")
    button.push()
    until(lambda: paths.count(b"/api/press") == 1 and button.waiting() == 0, "the press")
    button.stop()
    listener.shutdown(socket.SHUT_RDWR)
    thread.join(DEADLINE)
    listener.close()


def test_password_in_server_url_is_rejected_and_not_printed(tmp_path):
    with pytest.raises(AssertionError) as error:
        RemoteButton(tmp_path / "remote", "http://user:secret-word@127.0.0.1:8000")
    assert "--server: expected" in str(error.value)
    assert "secret-word" not in str(error.value)


LOGIN_REQUIRED = "511 Network Authentication Required"


@pytest.mark.parametrize(
    "status",
    ["200 OK", *(pytest.param(each, marks=pytest.mark.slow) for each in ("302 Found", LOGIN_REQUIRED))],
)
def test_press_stays_queued_behind_a_captive_portal(server, remote, status):
    """A captive portal responds in place of all servers until the user logs in."""
    login = b"<html>Welcome to the hotel</html>"
    head = f"HTTP/1.1 {status}\r\nLocation: http://portal.example/\r\nContent-Length: {len(login)}\r\n\r\n"
    port = server.port
    server.stop()
    portal = Portal(port, head.encode() + login)
    button = remote(f"http://127.0.0.1:{port}")
    button.push()
    until(lambda: any("presses are queued" in line for line in button.log), "the log line")
    assert button.waiting() == 1
    portal.close()
    server.environ["BUTTON_PORT"] = str(port)
    server.start()
    until(lambda: server.count()["seq"] == 1 and button.waiting() == 0, "the press")


class Portal:
    """A captive portal that sends the same response to each request."""

    def __init__(self, port, response):
        self._response = response
        self._listener = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                with peer, contextlib.suppress(OSError):
                    peer.recv(65536)
                    peer.sendall(self._response)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE)
        self._listener.close()


@pytest.mark.slow
def test_presses_that_cannot_be_deleted_from_the_spool_count_once(tmp_path, server):
    """SQLite cannot delete rows on a full disk, since it writes deletions to its log."""
    folder, button = mounted(tmp_path, "2m"), None
    port = server.port
    try:
        fifo = tmp_path / "fifo"
        button = RemoteButton(folder, server.url, simulated_pin=fifo)
        button.fifo = fifo
        button.push()
        until(lambda: server.count()["seq"] == 1 and button.waiting() == 0, "the first press")
        server.stop()
        button.push()
        button.push()
        until(lambda: button.waiting() == 2, "two queued presses")
        fill(folder)
        server.environ["BUTTON_PORT"] = str(port)
        server.start()
        until(lambda: server.count()["seq"] == 3, "the presses")
        until(lambda: any("Delivery failed" in line and "full" in line for line in button.log), "the report")
        (folder / "ballast").unlink()
        until(lambda: button.waiting() == 0, "an empty spool")
        assert server.count()["seq"] == 3
    finally:
        if button is not None:
            button.stop(signal.SIGKILL)
        subprocess.run(["umount", "-l", folder], check=False)
