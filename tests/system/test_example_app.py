"""An example Flask-SocketIO program that uses the realtime engine."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import flask
import pytest
import requests
import socketio
from flask_socketio import emit, join_room
from raw_client import Wire
from server import DEADLINE, ROOT, SUPPORT, TRANSPORTS, disconnect, in_order, until

from realtime import create_socketio


class ExampleApp:
    """The running program tests/support/example_app.py."""

    def __init__(self, port=0):
        self.process = subprocess.Popen(
            [sys.executable, SUPPORT / "example_app.py", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = []
        self.port = int(self.process.stdout.readline().split()[1])
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture(scope="module")
def example_app():
    example_app = ExampleApp()
    yield example_app
    example_app.stop()


@pytest.fixture
def open_client(example_app):
    """Return a function that connects a client and records its events."""
    clients = []

    def open_client(name="websocket", namespaces=("/",), auth=None):
        client = socketio.Client(reconnection=False)
        client.received = []
        for event in ("said", "left", "price", "numbered", "greeting"):
            for namespace in namespaces:
                client.on(
                    event,
                    lambda data, event=event: client.received.append((event, data)),
                    namespace=namespace,
                )
        client.on("question", lambda data: data * 6)
        client.connect(
            f"http://127.0.0.1:{example_app.port}",
            transports=TRANSPORTS[name],
            namespaces=list(namespaces),
            auth=auth,
        )
        clients.append(client)
        return client

    yield open_client
    for client in clients:
        disconnect(client)


def wait_for_events(client, *expected):
    until(lambda: all(each in client.received for each in expected), f"{expected} of {client.received[-5:]}")


@pytest.mark.parametrize("name", TRANSPORTS)
def test_room_message_reaches_members_but_not_the_sender(open_client, name):
    member, sender, outsider = open_client(name), open_client(), open_client(name)
    for client in (member, sender):
        client.call("join", "kitchen")
    sender.emit("say", ("kitchen", f"tea by {name}"))
    wait_for_events(member, ("said", f"tea by {name}"))
    member.call("leave", "kitchen")
    sender.emit("say", ("kitchen", "cake"))
    assert sender.call("echo", 1) == 1
    for client in (member, outsider):
        client.call("echo", 1)
        assert ("said", "cake") not in client.received
    assert ("said", f"tea by {name}") not in sender.received + outsider.received


@pytest.mark.parametrize("name", TRANSPORTS)
def test_callback_receives_the_acknowledgement_of_the_client(open_client, name):
    client = open_client(name)
    before = len(client.call("callback results"))
    client.emit("ask me")
    until(lambda: len(client.call("callback results")) > before, "the acknowledgement")
    assert client.call("callback results")[-1] == [42]


@pytest.mark.parametrize("name", TRANSPORTS)
@pytest.mark.parametrize(
    "data", [b"\x00\xff" * 100, {"a": [b"1", {"b": b"2"}]}, "ä" * 3000, [1.5, None, True]]
)
def test_echoed_data_is_unchanged(open_client, name, data):
    assert open_client(name).call("echo", data) == data


def test_namespaces_are_isolated(open_client):
    both, one = open_client(namespaces=("/", "/other")), open_client()
    both.emit("hello", "world", namespace="/other")
    wait_for_events(both, ("greeting", "hello world"))
    assert one.call("echo", 1) == 1
    assert one.received.count(("greeting", "hello world")) == 0


def test_handler_can_read_the_handshake_request(open_client):
    agent, address, path = open_client().call("environ")
    assert (agent is None or "python" in agent.lower(), address, path) == (True, "127.0.0.1", "/socket.io/")


def test_flask_session_is_separate_for_each_client(open_client):
    one, two = open_client(), open_client()
    assert one.call("remember", "a") is None
    assert two.call("remember", "b") is None
    assert one.call("remember", "c") == "a"


@pytest.mark.parametrize("size", [0, 1000, 65_536, 65_537, 300_000])
def test_request_body_size_is_unlimited_by_default(example_app, size):
    """Test a body with a Content-Length and a chunked one."""
    url, body = f"http://127.0.0.1:{example_app.port}/length", b"x" * size
    assert requests.post(url, data=body, timeout=DEADLINE).text == str(size)
    chunks = (body[at : at + 5000] for at in range(0, size, 5000))
    with requests.Session() as session:
        assert session.post(url, data=chunks, timeout=DEADLINE).text == str(size)


def test_exception_in_a_handler_does_not_affect_other_clients(open_client, example_app):
    client = open_client()
    client.emit("fail")
    client.emit("fail in callback")
    until(lambda: "on purpose" in "".join(example_app.log), "the traceback of the application")
    assert open_client().call("echo", 1) == 1


def test_rejected_connect_raises_connection_error(open_client):
    with pytest.raises(socketio.exceptions.ConnectionError):
        open_client(auth={"reject": True})


def test_disconnect_during_the_connect_handler_leaks_nothing(open_client, example_app):
    client = open_client()
    before = client.call("clients")
    for _ in range(5):
        with Wire(example_app) as wire:
            wire.open_websocket()
            wire.say('40{"wait":true}')
    until(lambda: client.call("clients") == before, "the previous numbers of clients")


@pytest.mark.parametrize("seed", range(6))
def test_events_stay_in_order_with_rooms_callbacks_and_slow_clients(open_client, example_app, seed):
    """All numbered events arrive in order. Prices other than the last can be skipped."""
    fast, polling = open_client(), open_client("polling")
    for client in (fast, polling):
        client.call("join", "room")
    with Wire(example_app, receive_buffer=4096) as slow:
        slow.open_websocket()
        slow.say("40")
        fast.emit("mixed", (150, seed))
        numbers = []
        while 150 not in numbers:
            text = slow.text()
            if text.startswith("42"):
                number = json.loads(text[2:])[1]
                numbers.append(number)
                if len(numbers) % 20 == seed:
                    time.sleep(0.05)  # reads slowly
        assert [n for n in numbers if isinstance(n, int)] == sorted(
            {n for n in numbers if isinstance(n, int)}
        )
    for client in (fast, polling):
        wait_for_events(client, ("price", 150))
        values = [data for event, data in client.received if event in ("price", "numbered")]
        assert values == sorted(set(values))
    numbered = [data for event, data in fast.received if event == "numbered"]
    assert len(numbered) > 60


def test_newest_only_keeps_the_configured_number(example_app, open_client):
    other = open_client()
    with Wire(example_app) as slow:
        slow.open_polling()
        slow.post("40")
        slow.poll_for(b"40")
        other.emit("ticks", 100)
        until(lambda: ("price", 99) in other.received, "the last price")
        packets = slow.poll()[1].decode().split("\x1e")
        assert packets == [f'42["tick",{number}]' for number in range(95, 100)] + ['42["price",99]']


def test_queued_ticks_do_not_delay_the_newest_price(example_app, open_client):
    """A stalled WebSocket's queued ticks are dropped in favour of the newest price."""
    other = open_client()
    with Wire(example_app, receive_buffer=4096) as slow:
        slow.open_websocket()
        slow.say("40")
        slow.text()
        other.emit("ticks", 3000)
        until(lambda: ("price", 2999) in other.received, "the last price")
        prices = []
        while prices[-1:] != [2999]:
            name, number = json.loads(slow.text()[2:])
            prices += [number] if name == "price" else []
        assert prices == sorted(set(prices))


def test_long_poll_batches_frequent_events_and_returns_others_at_once(example_app, open_client):
    other = open_client()
    with Wire(example_app) as poller:
        poller.open_polling()
        poller.post("40")
        poller.poll_for(b"40")
        other.emit("tick on", 30)
        responses = []
        while b'"tick",29' not in b"".join(responses):
            responses.append(poller.poll()[1])
        numbers = re.findall(rb'"tick",(\d+)', b"".join(responses))
        assert [int(number) for number in numbers] == list(range(30))
        assert len(responses) <= 10, "five responses a second, for 1.5 s"
        other.emit("ticks", 1)
        assert poller.poll()[1].decode().split("\x1e") == ['42["tick",0]', '42["price",0]']


# --- emits in the connect handler ---

REJECTED = '44/greeting,{"message":"Connection refused by server"}'
GREETING = [
    ("mine", 1),
    ("room", 2),
    ("all", 3),
    ("message", "text"),
    ("binary", b"\x00\xff"),
    ("question", 7),
]


def record_greeting(example_app, name, auth=None, namespace="/greeting"):
    """Connect a client and record its connect and events in order."""
    client = in_order(socketio.Client(reconnection=False))
    client.received = []
    client.on("connect", lambda: client.received.append("connected"), namespace=namespace)
    client.on("*", lambda event, *data: client.received.append((event, *data)), namespace=namespace)
    client.connect(
        f"http://127.0.0.1:{example_app.port}", transports=TRANSPORTS[name], namespaces=[namespace],
        auth=auth, wait_timeout=DEADLINE,
    )  # fmt: skip
    return client


@pytest.mark.parametrize("auth", [None, {"wait": True}], ids=["immediate", "slow handler"])
@pytest.mark.parametrize("name", TRANSPORTS)
def test_connect_handler_emits_arrive_in_order_after_the_acknowledgement(example_app, name, auth):
    client = record_greeting(example_app, name, auth)
    until(lambda: ("later", 4) in client.received and len(client.received) == 8, client.received)
    assert client.received[0] == "connected"
    assert [event for event in client.received if event not in ("connected", ("later", 4))] == GREETING
    disconnect(client)


@pytest.mark.parametrize("name", TRANSPORTS)
def test_connect_handler_emits_of_a_class_based_namespace_arrive(example_app, name):
    client = record_greeting(example_app, name, namespace="/lobby")
    until(lambda: len(client.received) == 3, client.received)
    assert client.received == ["connected", ("welcome", 1), ("welcome", 2)]
    client.emit("leave", namespace="/lobby")
    until(lambda: "/lobby" not in client.namespaces, "the disconnect")
    disconnect(client)


@pytest.mark.parametrize("name", ["websocket", "polling"])
def test_rejected_connect_delivers_nothing(example_app, name):
    watcher = record_greeting(example_app, "websocket")
    until(lambda: ("later", 4) in watcher.received, "the connect of the watcher")
    with Wire(example_app) as wire:
        if name == "websocket":
            wire.open_websocket()
            wire.say('40/greeting,{"reject":true}')
            assert wire.text() == REJECTED
            wire.say("40/other,")
            assert wire.text().startswith("40/other,")
        else:
            wire.open_polling()
            wire.post('40/greeting,{"reject":true}')
            assert wire.poll()[1] == REJECTED.encode()
    disconnect(watcher)


# --- Flask-SocketIO's test client ---


def test_flask_socketio_test_client_works():
    """Test events, rooms, acknowledgements, errors and reasons without a server."""
    app = flask.Flask("program")
    app.config["SECRET_KEY"] = "only a test"
    program = create_socketio(app)
    reasons = []

    @program.on("connect")
    def connect(auth=None):
        emit("hello", flask.session.get("name"))

    @program.on("disconnect")
    def disconnected(reason):
        reasons.append(reason)

    @program.on("join")
    def join(room):
        join_room(room)
        emit("joined", {"room": room, "data": b"1"}, to=room)
        return room, 2

    @program.on("fail")
    def fail():
        raise ValueError("on purpose")

    @program.on_error_default
    def failed(error):
        emit("failed", str(error))

    one, two = program.test_client(app), program.test_client(app)
    assert one.get_received()[0] == {"name": "hello", "args": [], "namespace": "/"}
    assert one.emit("join", "a", callback=True) == ["a", 2]
    two.emit("join", "a")
    assert [event["args"][0]["data"] for event in one.get_received()] == [b"1", b"1"]
    program.emit("news", 1, to="a")
    program.emit("all", 2)
    assert [event["name"] for event in two.get_received()] == ["hello", "joined", "news", "all"]
    one.emit("fail")
    assert one.get_received()[-1]["args"] == ["on purpose"]
    one.disconnect()
    assert reasons == ["client disconnect"]
    assert not one.is_connected()


# --- reconnection ---


def restart(example_app):
    port = example_app.port
    example_app.stop()
    return ExampleApp(port)


@pytest.mark.parametrize("name", TRANSPORTS)
def test_python_clients_reconnect_after_a_restart(name):
    example_app = ExampleApp()
    client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.2)
    connects = []
    client.on("connect", lambda: connects.append(1))
    client.connect(f"http://127.0.0.1:{example_app.port}", transports=TRANSPORTS[name], wait_timeout=DEADLINE)
    example_app = restart(example_app)
    until(lambda: len(connects) == 2, "the reconnect")
    assert client.call("echo", 1) == 1
    disconnect(client)
    example_app.stop()


CLIENTS = {"3.1": "socket.io-client-3", "4.0": "socket.io-client-4", "4.8": "socket.io-client"}


@pytest.mark.parametrize("name", TRANSPORTS)
@pytest.mark.parametrize("version", CLIENTS)
def test_javascript_clients_reconnect_after_a_restart(version, name):
    example_app = ExampleApp()
    script = f"""
        const {{ io }} = require("{CLIENTS[version]}");
        const client = io("http://127.0.0.1:{example_app.port}", {{
            transports: {json.dumps(TRANSPORTS[name])},
            reconnectionDelay: 100, reconnectionDelayMax: 200 }});
        client.on("connect", () => client.emit("echo", 1, () => console.log("connected")));
    """
    node = subprocess.Popen(["node", "-e", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert node.stdout.readline() == "connected\n"
    example_app = restart(example_app)
    assert node.stdout.readline() == "connected\n"
    node.kill()
    node.wait(DEADLINE)
    node.stdout.close()
    example_app.stop()


def test_client_disconnected_by_the_application_does_not_reconnect(open_client, example_app):
    client = socketio.Client(reconnection_delay=0.1)
    reasons = []
    client.on("disconnect", lambda reason: reasons.append(reason), namespace="/lobby")
    client.connect(f"http://127.0.0.1:{example_app.port}", namespaces=["/lobby"], transports=["websocket"])
    client.emit("leave", namespace="/lobby")
    until(lambda: reasons, "the disconnect")
    assert not client.connected
    disconnect(client)


RUN = """
from gevent import monkey; monkey.patch_all()
import flask, sys
from realtime import create_socketio
app = flask.Flask(__name__)
socketio = create_socketio(app)
socketio.on_event("quit", socketio.stop)
options = {"debug": True, "reloader_options": {"extra_files": sys.argv[2:]}} if sys.argv[2:] else {}
socketio.run(app, port=int(sys.argv[1]), **options)
print("stopped")
"""


@pytest.mark.parametrize("name", TRANSPORTS)
def test_run_serves_until_a_handler_calls_stop(name):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = subprocess.Popen(
        [sys.executable, "-c", RUN, str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    client = socketio.Client(reconnection=False)
    until(lambda: connects(client, port, TRANSPORTS[name]), "the server")
    client.emit("quit")
    assert program.communicate(timeout=DEADLINE)[0] == "stopped\n"
    assert program.returncode == 0
    until(lambda: not client.connected, "the disconnect")
    disconnect(client)


def connects(client, port, transports):
    try:
        client.connect(f"http://127.0.0.1:{port}", transports=transports)
    except socketio.exceptions.ConnectionError:
        return False
    return True


@pytest.mark.slow
def test_run_reloads_when_a_file_of_the_reloader_changes(tmp_path):
    file = tmp_path / "settings.ini"
    file.write_text("old")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = tmp_path / "program.py"  # the reloader starts it again, so it must be a file
    program.write_text(RUN)
    process = subprocess.Popen(
        [sys.executable, program, str(port), file],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    client = socketio.Client(reconnection=False)
    try:
        until(lambda: connects(client, port, ["websocket"]), "the server")
        file.write_text("new")
        assert any(str(file) in line for line in iter(process.stderr.readline, "")), "Detected change in"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=DEADLINE)
        disconnect(client)


def test_run_rejects_options_that_it_does_not_have():
    app = flask.Flask(__name__)
    with pytest.raises(TypeError, match="certfile, keyfile not supported; for TLS use a proxy"):
        create_socketio(app).run(app, keyfile="key.pem", certfile="cert.pem")
