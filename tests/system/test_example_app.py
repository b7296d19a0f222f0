"""The engine serves any Flask-SocketIO program: rooms, callbacks, binary and namespaces as documented."""

import json
import re
import subprocess
import sys
import threading

import flask
import pytest
import requests
import socketio
from flask_socketio import emit, join_room
from raw_client import Wire
from server import DEADLINE, ROOT, SUPPORT, TRANSPORTS, disconnect, in_order, until

from realtime import create_socketio


class Chat:
    """The program tests/support/example_app.py, running."""

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
def chat():
    chat = Chat()
    yield chat
    chat.stop()


@pytest.fixture
def enter(chat):
    """Opens python-socketio clients that write down what they hear."""
    clients = []

    def enter(name="websocket", namespaces=("/",), auth=None):
        client = socketio.Client(reconnection=False)
        client.heard = []
        for event in ("said", "left", "price", "numbered", "greeting"):
            for namespace in namespaces:
                client.on(
                    event, lambda data, event=event: client.heard.append((event, data)), namespace=namespace
                )
        client.on("question", lambda data: data * 6)
        client.connect(
            f"http://127.0.0.1:{chat.port}",
            transports=TRANSPORTS[name],
            namespaces=list(namespaces),
            auth=auth,
        )
        clients.append(client)
        return client

    yield enter
    for client in clients:
        disconnect(client)


def heard(client, *expected):
    until(lambda: all(each in client.heard for each in expected), f"{expected} of {client.heard[-5:]}")


@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_room_hears_what_is_said_to_it_and_the_speaker_does_not(enter, name):
    inside, speaker, outside = enter(name), enter(), enter(name)
    for client in (inside, speaker):
        client.call("join", "kitchen")
    speaker.emit("say", ("kitchen", f"tea by {name}"))
    heard(inside, ("said", f"tea by {name}"))
    inside.call("leave", "kitchen")
    speaker.emit("say", ("kitchen", "cake"))
    assert speaker.call("echo", 1) == 1
    for client in (inside, outside):
        client.call("echo", 1)
        assert ("said", "cake") not in client.heard
    assert ("said", f"tea by {name}") not in speaker.heard + outside.heard


@pytest.mark.parametrize("name", TRANSPORTS)
def test_callbacks_get_the_clients_answer(enter, name):
    client = enter(name)
    before = len(client.call("answers"))
    client.emit("ask me")
    until(lambda: len(client.call("answers")) > before, "the answer")
    assert client.call("answers")[-1] == [42]


@pytest.mark.parametrize("name", TRANSPORTS)
@pytest.mark.parametrize(
    "data", [b"\x00\xff" * 100, {"a": [b"1", {"b": b"2"}]}, "ä" * 3000, [1.5, None, True]]
)
def test_any_data_comes_back_as_it_went(enter, name, data):
    assert enter(name).call("echo", data) == data


def test_namespaces_are_apart(enter):
    both, one = enter(namespaces=("/", "/other")), enter()
    both.emit("hello", "world", namespace="/other")
    heard(both, ("greeting", "hello world"))
    assert one.call("echo", 1) == 1
    assert one.heard.count(("greeting", "hello world")) == 0


def test_a_handler_sees_the_request_that_its_client_came_with(enter):
    agent, address, path = enter().call("environ")
    assert (agent is None or "python" in agent.lower(), address, path) == (True, "127.0.0.1", "/socket.io/")


def test_the_session_of_flask_socketio_is_kept_per_client(enter):
    one, two = enter(), enter()
    assert one.call("remember", "a") is None
    assert two.call("remember", "b") is None
    assert one.call("remember", "c") == "a"


@pytest.mark.parametrize("size", [0, 1000, 65_536, 65_537, 300_000])
def test_a_program_without_a_limit_takes_bodies_of_any_length(chat, size):
    """Whole, and in chunks, of which nobody knows the length before."""
    url, body = f"http://127.0.0.1:{chat.port}/length", b"x" * size
    assert requests.post(url, data=body, timeout=DEADLINE).text == str(size)
    pieces = (body[at : at + 5000] for at in range(0, size, 5000))
    with requests.Session() as session:
        assert session.post(url, data=pieces, timeout=DEADLINE).text == str(size)


def test_a_handler_that_fails_harms_nobody(enter, chat):
    client = enter()
    client.emit("fail")
    client.emit("fail my answer")
    until(lambda: "on purpose" in "".join(chat.log), "the traceback of the application")
    assert enter().call("echo", 1) == 1


def test_a_refused_connect_says_why(enter):
    with pytest.raises(socketio.exceptions.ConnectionError):
        enter(auth={"refuse": True})


def test_a_client_that_goes_while_its_connect_is_thought_about_leaves_nothing(enter, chat):
    client = enter()
    before = client.call("clients")
    for _ in range(5):
        with Wire(chat) as wire:
            wire.open_websocket()
            wire.say('40{"wait":true}')
    until(lambda: client.call("clients") == before, "all to be as before")


@pytest.mark.parametrize("seed", range(6))
def test_order_is_kept_through_rooms_callbacks_and_slow_clients(enter, chat, seed):
    """What matters arrives whole and in order; of prices some may be left out, the last never."""
    fast, polling = enter(), enter("polling")
    for client in (fast, polling):
        client.call("join", "room")
    with Wire(chat, receive_buffer=4096) as slow:
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
                    threading.Event().wait(0.05)
        assert [n for n in numbers if isinstance(n, int)] == sorted(
            {n for n in numbers if isinstance(n, int)}
        )
    for client in (fast, polling):
        heard(client, ("price", 150))
        told = [data for event, data in client.heard if event in ("price", "numbered")]
        assert told == sorted(set(told))
    numbered = [data for event, data in fast.heard if event == "numbered"]
    assert len(numbered) > 60


def test_of_an_event_as_many_of_the_newest_wait_as_are_wanted(chat, enter):
    other = enter()
    with Wire(chat) as slow:
        slow.open_polling()
        slow.post("40")
        slow.poll_for(b"40")
        other.emit("ticks", 100)
        until(lambda: ("price", 99) in other.heard, "the last one")
        packets = slow.poll()[1].decode().split("\x1e")
        assert packets == [f'42["tick",{number}]' for number in range(95, 100)] + ['42["price",99]']


def test_what_only_the_newest_matters_of_passes_over_the_many(chat, enter):
    """Of a stalled WebSocket, ticks that wait are left out for a price, which is never put off by them."""
    other = enter()
    with Wire(chat, receive_buffer=4096) as slow:
        slow.open_websocket()
        slow.say("40")
        slow.text()
        other.emit("ticks", 3000)
        until(lambda: ("price", 2999) in other.heard, "the last one")
        told = []
        while told[-1:] != [2999]:
            name, number = json.loads(slow.text()[2:])
            told += [number] if name == "price" else []
        assert told == sorted(set(told))


def test_a_long_poll_is_answered_five_times_a_second_for_the_many_and_at_once_for_the_rest(chat, enter):
    other = enter()
    with Wire(chat) as poller:
        poller.open_polling()
        poller.post("40")
        poller.poll_for(b"40")
        other.emit("tick on", 30)
        answers = []
        while b'"tick",29' not in b"".join(answers):
            answers.append(poller.poll()[1])
        numbers = re.findall(rb'"tick",(\d+)', b"".join(answers))
        assert [int(number) for number in numbers] == list(range(30))
        assert len(answers) <= 10, "thirty of them took a second and a half"
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


def greeted(chat, name, auth=None, namespace="/greeting"):
    """A client that notes what it receives and when it was connected, in order."""
    client = in_order(socketio.Client(reconnection=False))
    client.heard = []
    client.on("connect", lambda: client.heard.append("connected"), namespace=namespace)
    client.on("*", lambda event, *data: client.heard.append((event, *data)), namespace=namespace)
    client.connect(
        f"http://127.0.0.1:{chat.port}", transports=TRANSPORTS[name], namespaces=[namespace], auth=auth,
        wait_timeout=DEADLINE,
    )  # fmt: skip
    return client


@pytest.mark.parametrize("auth", [None, {"wait": True}], ids=["at once", "slow handler"])
@pytest.mark.parametrize("name", TRANSPORTS)
def test_emits_in_the_connect_handler_arrive_in_order_after_its_acknowledgement(chat, name, auth):
    client = greeted(chat, name, auth)
    until(lambda: ("later", 4) in client.heard and len(client.heard) == 8, client.heard)
    assert client.heard[0] == "connected"
    assert [event for event in client.heard if event not in ("connected", ("later", 4))] == GREETING
    disconnect(client)


@pytest.mark.parametrize("name", TRANSPORTS)
def test_emits_of_a_class_based_namespace_arrive_too(chat, name):
    client = greeted(chat, name, namespace="/lobby")
    until(lambda: len(client.heard) == 3, client.heard)
    assert client.heard == ["connected", ("welcome", 1), ("welcome", 2)]
    client.emit("leave", namespace="/lobby")
    until(lambda: "/lobby" not in client.namespaces, "the disconnect")
    disconnect(client)


@pytest.mark.parametrize("name", ["websocket", "polling"])
def test_a_rejected_connect_delivers_nothing(chat, name):
    watcher = greeted(chat, "websocket")
    until(lambda: ("later", 4) in watcher.heard, "the watcher")
    with Wire(chat) as wire:
        if name == "websocket":
            wire.open_websocket()
            wire.say('40/greeting,{"refuse":true}')
            assert wire.text() == REJECTED
            wire.say("40/other,")
            assert wire.text().startswith("40/other,")
        else:
            wire.open_polling()
            wire.post('40/greeting,{"refuse":true}')
            assert wire.poll()[1] == REJECTED.encode()
    disconnect(watcher)


# --- Flask-SocketIO's test client ---


def test_the_test_client_of_flask_socketio_works():
    """Programs test themselves in process: events, rooms, acknowledgements, errors, reasons."""
    app = flask.Flask("program")
    app.config["SECRET_KEY"] = "only a test"
    program = create_socketio(app)
    reasons = []

    @program.on("connect")
    def connect(auth=None):
        emit("hello", flask.session.get("name"))

    @program.on("disconnect")
    def gone(reason):
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


# --- every client comes back ---


def restart(chat):
    port = chat.port
    chat.stop()
    return Chat(port)


@pytest.mark.parametrize("name", TRANSPORTS)
def test_python_clients_reconnect_by_themselves_after_a_restart(name):
    chat = Chat()
    client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.2)
    connects = []
    client.on("connect", lambda: connects.append(1))
    client.connect(f"http://127.0.0.1:{chat.port}", transports=TRANSPORTS[name], wait_timeout=DEADLINE)
    chat = restart(chat)
    until(lambda: len(connects) == 2, "its return")
    assert client.call("echo", 1) == 1
    disconnect(client)
    chat.stop()


CLIENTS = {"3.1": "socket.io-client-3", "4.0": "socket.io-client-4", "4.8": "socket.io-client"}


@pytest.mark.parametrize("name", TRANSPORTS)
@pytest.mark.parametrize("version", CLIENTS)
def test_javascript_clients_reconnect_by_themselves_after_a_restart(version, name):
    chat = Chat()
    script = f"""
        const {{ io }} = require("{CLIENTS[version]}");
        const client = io("http://127.0.0.1:{chat.port}", {{ transports: {json.dumps(TRANSPORTS[name])},
            reconnectionDelay: 100, reconnectionDelayMax: 200 }});
        client.on("connect", () => client.emit("echo", 1, () => console.log("connected")));
    """
    node = subprocess.Popen(["node", "-e", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert node.stdout.readline() == "connected\n"
    chat = restart(chat)
    assert node.stdout.readline() == "connected\n"
    node.kill()
    node.wait(DEADLINE)
    node.stdout.close()
    chat.stop()


def test_a_client_that_the_application_disconnects_stays_away(enter, chat):
    client = socketio.Client(reconnection_delay=0.1)
    lost = []
    client.on("disconnect", lambda reason: lost.append(reason), namespace="/lobby")
    client.connect(f"http://127.0.0.1:{chat.port}", namespaces=["/lobby"], transports=["websocket"])
    client.emit("leave", namespace="/lobby")
    until(lambda: lost, "the end")
    assert not client.connected
    disconnect(client)
