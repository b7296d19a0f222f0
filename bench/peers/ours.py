"""A minimal server with this project's engine."""

from gevent import monkey

monkey.patch_all()

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import flask
import gevent
from gevent.fileobject import FileObject

from bench.peers.message import count
from realtime import create_socketio, serve

app = flask.Flask(__name__)
interval = int(sys.argv[1]) if len(sys.argv) > 1 else 25
socketio = create_socketio(
    app, newest_only={"count"}, manage_session=False, ping_interval=interval, ping_timeout=20
)
socketio.server.on("connect", lambda sid, environ, auth: None)
server = serve(app, "127.0.0.1", 0)
print("port", server.port, flush=True)
for line in FileObject(sys.stdin.fileno(), "r"):
    for seq in range(int(line.split()[1])):
        socketio.emit("count", count(seq))
        gevent.sleep(float(line.split()[2]) if len(line.split()) > 2 else 0)
    print("done", flush=True)
