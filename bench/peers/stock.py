"""Stock Flask-SocketIO on gevent, set up as in its documentation."""

from gevent import monkey

monkey.patch_all()

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import flask
import gevent
from flask_socketio import SocketIO
from gevent import pywsgi
from gevent.fileobject import FileObject

from bench.peers.message import count

app = flask.Flask(__name__)
socketio = SocketIO(app, async_mode="gevent")


@socketio.on("connect")
def connect():
    pass


server = pywsgi.WSGIServer(("127.0.0.1", 0), app, log=None)
server.start()
print("port", server.server_port, flush=True)
for line in FileObject(sys.stdin.fileno(), "r"):
    for seq in range(int(line.split()[1])):
        socketio.emit("count", count(seq))
        gevent.sleep(float(line.split()[2]) if len(line.split()) > 2 else 0)
    print("done", flush=True)
