"""Signed webhook delivery in order, without blocking presses."""

import base64
import contextlib
import json
import signal
import socket
import threading

import pytest
import standardwebhooks
from server import DEADLINE, Server, until

KEY = b"a shared secret, in bytes"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def test_every_change_is_posted_in_order_with_a_text(start, receiver):
    server = start(webhook=receiver.url)
    server.push()
    server.api("undo")
    server.api("goal", "PUT", json={"goal": 25})
    until(lambda: receiver.accepted == [1, 2, 3], "the deliveries")
    texts = [json.loads(body)["text"] for _, body in receiver.got]
    assert texts == ["A deal! 19 of 20 to go.", "Undone: 20 of 20 to go.", "A new goal: 25 of 25 to go."]
    sent = json.loads(receiver.got[0][1])
    for added in ("text", "type", "timestamp"):
        del sent[added]
    assert sent == server.history()[0]
    assert "webhook-signature" not in receiver.got[0][0]


def test_standardwebhooks_verifies_the_signature(start, receiver):
    start(webhook=receiver.url, webhook_secret=SECRET).press()
    until(lambda: receiver.accepted, "the delivery")
    headers, body = receiver.got[0]
    verifier = standardwebhooks.Webhook(SECRET)
    assert verifier.verify(body, headers)["type"] == "button.press"
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        verifier.verify(body.replace(b"press", b"reset"), headers)
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [500, pytest.param(302, marks=pytest.mark.slow)])
def test_failed_delivery_is_retried_before_later_events(start, receiver, status):
    receiver.status = status
    server = start(webhook=receiver.url)
    server.press()
    server.press()
    until(lambda: len(receiver.got) >= 2, "a second attempt")
    assert f"webhook: the receiver responded with {status}" in server.health().json()["warnings"]
    assert server.health().status_code == 200
    receiver.status = 200
    until(lambda: receiver.accepted == [1, 2], "the deliveries")
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 2
    until(lambda: not server.health().json()["warnings"], "the warning to clear")


def test_https_receiver_gets_each_change_once(start, receiver, tmp_path):
    certificate = receiver.use_tls(tmp_path)
    server = start(webhook=receiver.url, environ={"SSL_CERT_FILE": str(certificate)})
    server.press()
    server.press()
    until(lambda: receiver.accepted == [1, 2], "the deliveries")
    assert server.health().json()["webhook"]["warnings"] == []


def test_https_delivery_uses_the_proxy(start, receiver, forward_proxy, tmp_path):
    certificate = receiver.use_tls(tmp_path)
    proxy = forward_proxy(credentials="the user:p@ss")
    environ = {"SSL_CERT_FILE": str(certificate), "NO_PROXY": "example.com"}
    environ["HTTPS_PROXY"] = f"http://the%20user:p%40ss@127.0.0.1:{proxy.port}"
    server = start(webhook=receiver.url, environ=environ)
    server.press()
    until(lambda: receiver.accepted == [1], "the delivery")
    assert proxy.requests == [("CONNECT", f"127.0.0.1:{receiver.server.server_port}")]
    assert "Proxy-Authorization" not in receiver.got[0][0]
    assert "p%40ss" not in "\n".join(server.log)


def test_failing_receiver_does_not_delay_the_others(start, receiver, second_receiver):
    receiver.status = 500
    server = start(webhook=f"{receiver.url}, {second_receiver.url}")
    for _ in range(3):
        server.press()
    until(lambda: second_receiver.accepted == [1, 2, 3], "the deliveries")
    until(lambda: server.health().json()["warnings"], "the warning")
    assert server.health().json()["warnings"] == ["webhook: URL 1: the receiver responded with 500"]
    receiver.status = 200
    until(lambda: receiver.accepted == [1, 2, 3], "the deliveries to the other receiver")
    until(lambda: not server.health().json()["warnings"], "the warning to clear")
    assert server.health().json()["webhook"]["sent"] == 6


@pytest.mark.slow
def test_each_receiver_continues_from_its_own_position(start, receiver, second_receiver):
    receiver.status = 500
    server = start(webhook=f"{receiver.url} {second_receiver.url}")
    server.press()
    server.press()
    until(lambda: second_receiver.accepted == [1, 2], "the deliveries")
    receiver.status = 200
    server.environ["BUTTON_WEBHOOK"] = f"{second_receiver.url},{receiver.url}"
    server.restart()
    server.press()
    until(lambda: receiver.accepted == [1, 2, 3], "the deliveries")
    until(lambda: second_receiver.accepted[-1] == 3, "the delivery")
    assert second_receiver.accepted == [1, 2, 3]


@pytest.mark.slow
def test_retry_after_of_the_receiver_is_kept(start, receiver):
    """Without Retry-After, the second attempt is one second after the first."""
    receiver.status, receiver.headers = 503, {"Retry-After": "2"}
    start(webhook=receiver.url).press()
    until(lambda: len(receiver.got) == 2, "the second attempt")
    assert receiver.got_at[1] - receiver.got_at[0] >= 1.9


def test_410_stops_deliveries_until_the_next_start(start, receiver, second_receiver):
    receiver.status = 410
    server = start(webhook=f"{receiver.url} {second_receiver.url}")
    server.press()
    warning = "webhook: URL 1: the receiver responded with 410 (Gone), no more events are sent until the"
    until(lambda: server.health().json()["warnings"] == [f"{warning} next start"], "the warning")
    receiver.status = 200
    server.press()
    until(lambda: second_receiver.accepted == [1, 2], "the deliveries to the other receiver")
    assert len(receiver.got) == 1
    assert any("remove the URL from BUTTON_WEBHOOK, or restart the server" in line for line in server.log)
    server.restart()
    until(lambda: receiver.accepted == [1, 2], "the deliveries")


def test_press_does_not_wait_for_the_receiver(start, receiver):
    receiver.status = None
    server = start(webhook=receiver.url)
    server.press()
    until(lambda: receiver.got, "the delivery")
    for seq in range(2, 12):
        assert server.press()["seq"] == seq
    assert not receiver.accepted


class RawReceiver:
    """Receiver that sends fixed bytes once or endlessly, and keeps connections open."""

    def __init__(self, response, endless):
        self.response, self.endless, self.connections = response, endless, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                connection.recv(65536)
                with contextlib.suppress(OSError):
                    connection.sendall(self.response)
                    while self.endless:
                        connection.sendall(self.response)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # stops accept()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.thread.join(DEADLINE)
        for one in (self.listener, *self.connections):
            one.close()


@pytest.mark.parametrize(
    ("response", "endless", "sent"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nok", False, 2, marks=pytest.mark.slow),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", False, 2),
        (b"HTTP/1.1 100 Continue\r\n\r\n", True, 0),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50, True, 0, marks=pytest.mark.slow),
        pytest.param(b"\xff\x00 nonsense", False, 0, marks=pytest.mark.slow),
    ],
)
def test_unusual_or_malformed_response_does_not_affect_the_server(start, response, endless, sent):
    receiver = RawReceiver(response, endless)
    server = start(webhook=receiver.url)
    server.press()
    server.press()
    until(lambda: receiver.connections, "the delivery")
    for _ in range(20):
        assert server.press()["seq"] > 2
    if sent:
        until(lambda: server.health().json()["webhook"]["sent"] >= sent, "the deliveries")
    else:
        until(lambda: server.health().json()["webhook"]["warnings"], "the warning")
        assert server.health().json()["webhook"]["sent"] == 0
    receiver.close()
    assert server.stop() == 0


@pytest.mark.slow
def test_rate_limited_receiver_gets_every_event(start, receiver):
    """Slack accepts one request per second. The backoff is reset after each success."""
    receiver.every = 0.5
    server = start(webhook=receiver.url)
    for _ in range(6):
        server.press()
    until(lambda: receiver.accepted == [1, 2, 3, 4, 5, 6], "the deliveries")


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_restart_loses_no_delivery(start, receiver, how):
    receiver.status = 500
    server = start(webhook=receiver.url)
    server.press()
    server.press()
    until(lambda: receiver.got, "an attempt")
    server.stop(how)
    receiver.status = 200
    server.start()
    until(lambda: receiver.accepted == [1, 2], "the deliveries")
    server.stop()  # and stores its position
    server.start()
    server.press()
    until(lambda: receiver.accepted[-1] == 3, "the delivery")
    assert receiver.accepted == [1, 2, 3]


def test_new_webhook_starts_with_the_next_change(start, receiver):
    server = start()
    server.press()
    server.stop()
    server.environ["BUTTON_WEBHOOK"] = receiver.url
    server.start()
    server.press()
    until(lambda: receiver.accepted, "the delivery")
    assert receiver.accepted == [2]


@pytest.mark.slow
def test_one_of_many_servers_delivers_and_another_takes_over(tmp_path, postgres, receiver):
    url = postgres.new()
    servers = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        servers.append(Server(folder, database=url, feed="off", webhook=receiver.url))
    for server in servers:
        server.press()
    until(lambda: receiver.accepted == [1, 2, 3], "the deliveries")
    sender = next(server for server in servers if server.health().json()["webhook"]["sent"])
    servers.remove(sender)
    sender.stop()
    servers[0].press()
    until(lambda: receiver.accepted[-1] == 4, "the delivery", deadline=40)
    assert receiver.accepted == [1, 2, 3, 4]
    for server in servers:
        server.stop()


def test_webhook_url_is_never_logged(start, receiver):
    url = receiver.url
    receiver.close()
    server = start(webhook=url.replace("/hook", "/services/T0/geheim"), webhook_secret=SECRET)
    server.press()
    until(lambda: server.health().json()["warnings"], "the warning")
    assert "geheim" not in "\n".join(server.log) + server.health().text
