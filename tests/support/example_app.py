"""A Flask-SocketIO app with rooms, callbacks, binary data and namespaces.

It runs on `realtime` and prints `port N`. tests/system/test_example_app.py controls it through events.
"""

from gevent import monkey

monkey.patch_all()

import random
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import flask
import flask_socketio
import gevent
import gevent.event
from flask_socketio import Namespace, emit, join_room, leave_room, rooms, send

from realtime import create_socketio, serve

app = flask.Flask("chat")
app.config["SECRET_KEY"] = "only a test"
socketio = create_socketio(app, newest_only={"price": 1, "tick": 5})
callback_results = []


@app.post("/length")
def length():
    return str(len(flask.request.data))


@socketio.on("connect")
def connect(auth=None):
    if auth == {"wait": True}:
        gevent.sleep(0.5)
    if auth == {"reject": True}:
        raise ConnectionRefusedError("no")


@socketio.on("disconnect")
def disconnect(reason):
    socketio.emit("left", reason)


@socketio.on("join")
def join(room):
    join_room(room)
    return sorted(rooms())[0] == room or len(rooms())


@socketio.on("leave")
def leave(room):
    leave_room(room)


@socketio.on("say")
def say(room, text):
    emit("said", text, to=room, include_self=False)


@socketio.on("echo")
def echo(*data):
    return data


@socketio.on("environ")
def environ():
    return flask.request.headers.get("User-Agent"), flask.request.remote_addr, flask.request.path


@socketio.on("remember")
def remember(value):
    before = flask.session.get("value")
    flask.session["value"] = value
    return before


@socketio.on("ask me")
def ask_me():
    emit("question", 7, callback=lambda *data: callback_results.append(data))


@socketio.on("fail in callback")
def fail_in_the_callback():
    emit("question", 7, callback=lambda *_: 1 / 0)


@socketio.on("callback results")
def get_callback_results():
    return callback_results


@socketio.on("fail")
def fail():
    raise RuntimeError("on purpose")


@socketio.on("mixed")
def mixed(times, seed):
    """Emit a numbered mix of broadcasts, room events, single events and callbacks."""
    chance = random.Random(seed)
    sid = flask.request.sid
    for number in range(times):
        kind = chance.choice(["price", "price", "all", "room", "one", "callback"])
        if kind == "price":
            socketio.emit("price", number)
        elif kind == "all":
            socketio.emit("numbered", number)
        elif kind == "room":
            socketio.emit("numbered", number, to="room")
        elif kind == "one":
            socketio.emit("numbered", number, to=sid)
        else:
            socketio.emit("numbered", number, to=sid, callback=lambda *_: None)
        if chance.random() < 0.05:
            gevent.sleep(0.001)
    socketio.emit("price", times)
    return times


@socketio.on("ticks")
def ticks(times):
    """Broadcast `times` ticks, each followed by a price."""
    for number in range(times):
        socketio.emit("tick", number)
        socketio.emit("price", number)


@socketio.on("tick on")
def tick_on(times):
    """Broadcast `times` ticks, one every 50 ms."""
    for number in range(times):
        socketio.emit("tick", number)
        gevent.sleep(0.05)


@socketio.on("clients")
def clients():
    manager = socketio.server.manager
    return [manager.size("/"), len(manager.rooms["/"][None]), len(socketio.server.environ)]


@socketio.on("hello", namespace="/other")
def hello(name):
    emit("greeting", f"hello {name}", namespace="/other", broadcast=True)


@socketio.on("connect", namespace="/greeting")
def greet(auth=None):
    """Emit in every documented way, before the connect is acknowledged."""
    emit("mine", 1)
    join_room("guests")
    emit("room", 2, to="guests")
    socketio.emit("all", 3, namespace="/greeting")
    send("text", namespace="/greeting")
    emit("binary", b"\x00\xff")
    emit("question", 7, callback=lambda *data: callback_results.append(data))
    socketio.start_background_task(socketio.emit, "later", 4, namespace="/greeting")
    if auth == {"wait": True}:
        gevent.sleep(0.3)
    if auth == {"reject": True}:
        raise ConnectionRefusedError("no")


class Lobby(Namespace):
    def on_connect(self, auth=None):
        self.emit("welcome", 1)
        emit("welcome", 2)

    def on_leave(self):
        flask_socketio.disconnect()


socketio.on_namespace(Lobby("/lobby"))
server = serve(app, "127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0)
stopping = gevent.event.Event()
gevent.signal_handler(signal.SIGTERM, stopping.set)
print("port", server.port, flush=True)
stopping.wait()
server.close(timeout=0.5)
