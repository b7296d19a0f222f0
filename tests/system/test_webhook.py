"""The webhook: every change, in order, signed, until it is answered, and nobody waits for it."""

import base64
import contextlib
import hashlib
import hmac
import json
import signal
import socket
import ssl
import subprocess
import threading

import pytest
from server import DEADLINE, Server, until

KEY = b"a shared secret, in bytes"
SECRET = "whsec_" + base64.b64encode(KEY).decode().rstrip("=")


def test_every_change_is_posted_in_order_with_a_sentence(start, receiver):
    server = start(webhook=receiver.url)
    server.push()
    server.api("undo")
    server.api("goal", "PUT", json={"goal": 25})
    until(lambda: receiver.answered == [1, 2, 3], "the posts")
    texts = [json.loads(body)["text"] for _, body in receiver.got]
    assert texts == ["A deal! 19 of 20 to go.", "Undone: 20 of 20 to go.", "A new goal: 25 of 25 to go."]
    sent = json.loads(receiver.got[0][1])
    del sent["text"]
    assert sent == server.history()[0]
    assert "webhook-signature" not in receiver.got[0][0]


def test_it_is_signed_as_standard_webhooks_says(start, receiver):
    start(webhook=receiver.url, webhook_secret=SECRET).press()
    until(lambda: receiver.answered, "the post")
    headers, body = receiver.got[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    made = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{made}"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [500, pytest.param(302, marks=pytest.mark.slow)])
def test_what_is_not_answered_well_is_posted_again_before_anything_else(start, receiver, status):
    receiver.status = status
    server = start(webhook=receiver.url)
    server.press()
    server.press()
    until(lambda: len(receiver.got) >= 2, "a second attempt")
    assert f"webhook: the receiver responded with {status}" in server.health().json()["warnings"]
    assert server.health().status_code == 200
    receiver.status = 200
    until(lambda: receiver.answered == [1, 2], "the posts")
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 2
    until(lambda: not server.health().json()["warnings"], "health")


def test_a_receiver_by_https_gets_each_change_once(start, receiver, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        key,
        "-out",
        certificate,
    ]
    more = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *more], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    receiver.server.socket = tls.wrap_socket(receiver.server.socket, server_side=True)
    url = receiver.url.replace("http:", "https:")
    server = start(webhook=url, environ={"SSL_CERT_FILE": str(certificate)})
    server.press()
    server.press()
    until(lambda: receiver.answered == [1, 2], "the posts")
    assert server.health().json()["webhook"]["warnings"] == []


def test_a_press_never_waits_for_the_receiver(start, receiver):
    receiver.status = None
    server = start(webhook=receiver.url)
    server.press()
    until(lambda: receiver.got, "the post")
    for seq in range(2, 12):
        assert server.press()["seq"] == seq
    assert not receiver.answered


class Rude:
    """A receiver that answers each connection with the same bytes, for ever or once, and keeps it open."""

    def __init__(self, answer, endless):
        self.answer, self.endless, self.connections = answer, endless, []
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
                    connection.sendall(self.answer)
                    while self.endless:
                        connection.sendall(self.answer)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # so that nothing is accepted any more
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.thread.join(DEADLINE)
        for taken in (self.listener, *self.connections):
            taken.close()


@pytest.mark.parametrize(
    ("answer", "endless", "sent"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nok", False, 2, marks=pytest.mark.slow),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", False, 2),
        (b"HTTP/1.1 100 Continue\r\n\r\n", True, 0),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50, True, 0, marks=pytest.mark.slow),
        pytest.param(b"\xff\x00 nonsense", False, 0, marks=pytest.mark.slow),
    ],
)
def test_whatever_the_receiver_answers_the_server_serves_on(start, answer, endless, sent):
    rude = Rude(answer, endless)
    server = start(webhook=rude.url)
    server.press()
    server.press()
    until(lambda: rude.connections, "the post")
    for _ in range(20):
        assert server.press()["seq"] > 2
    if sent:
        until(lambda: server.health().json()["webhook"]["sent"] >= sent, "the events")
    else:
        until(lambda: server.health().json()["webhook"]["warnings"], "the warning")
        assert server.health().json()["webhook"]["sent"] == 0
    rude.close()
    assert server.stop() == 0


def test_a_receiver_that_takes_one_now_and_then_gets_them_all_as_fast_as_it_takes_them(start, receiver):
    """Slack takes one a second. The pause between attempts begins anew after each that succeeds."""
    receiver.every = 0.5
    server = start(webhook=receiver.url)
    for _ in range(6):
        server.press()
    until(lambda: receiver.answered == [1, 2, 3, 4, 5, 6], "the posts")


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_nothing_is_lost_over_a_restart(start, receiver, how):
    receiver.status = 500
    server = start(webhook=receiver.url)
    server.press()
    server.press()
    until(lambda: receiver.got, "an attempt")
    server.stop(how)
    receiver.status = 200
    server.start()
    until(lambda: receiver.answered == [1, 2], "the posts")
    server.stop()  # and keeps how far it came
    server.start()
    server.press()
    until(lambda: receiver.answered[-1] == 3, "the post")
    assert receiver.answered == [1, 2, 3]


def test_it_begins_with_what_is_new(start, receiver):
    server = start()
    server.press()
    server.stop()
    server.environ["BUTTON_WEBHOOK"] = receiver.url
    server.start()
    server.press()
    until(lambda: receiver.answered, "the post")
    assert receiver.answered == [2]


@pytest.mark.slow
def test_of_many_servers_one_posts_and_another_goes_on_where_it_ended(tmp_path, postgres, receiver):
    url = postgres.new()
    servers = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        servers.append(Server(folder, database=url, feed="off", webhook=receiver.url))
    for server in servers:
        server.press()
    until(lambda: receiver.answered == [1, 2, 3], "the posts")
    sender = next(server for server in servers if server.health().json()["webhook"]["sent"])
    servers.remove(sender)
    sender.stop()
    servers[0].press()
    until(lambda: receiver.answered[-1] == 4, "the post", deadline=40)
    assert receiver.answered == [1, 2, 3, 4]
    for server in servers:
        server.stop()


def test_the_address_is_never_logged(start, receiver):
    url = receiver.url
    receiver.close()
    server = start(webhook=url.replace("/hook", "/services/T0/geheim"), webhook_secret=SECRET)
    server.press()
    until(lambda: server.health().json()["warnings"], "the warning")
    assert "geheim" not in "\n".join(server.log) + server.health().text
