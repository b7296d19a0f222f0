"""Servers for the official protocol test suites, which use this project's engine.

    python -m bench.peers.conformance engineio|socketio PORT

The suites are in the folder `test-suite` of socketio/engine.io-protocol and socketio/socket.io-protocol.
"""

from gevent import monkey

monkey.patch_all()

import sys

import flask
import gevent

from realtime import create_socketio, serve

#: Both suites expect a ping interval of 300 ms, a ping timeout of 200 ms, and payloads of up to 1 MB.
HEARTBEAT = {"ping_interval": 0.3, "ping_timeout": 0.2, "max_http_buffer_size": 1_000_000}


def engineio(app):
    """Echo messages without Socket.IO, since the suite does not connect to a namespace."""
    socketio = create_socketio(app, path="engine.io", connect_timeout=None, **HEARTBEAT)
    eio = socketio.server.eio
    eio.on("connect", lambda sid, environ: None)
    eio.on("disconnect", lambda sid, reason: None)
    eio.on("message", eio.send)


def socketio(app):
    """Echo events with or without an acknowledgement, in two namespaces."""
    server = create_socketio(app, connect_timeout=1, **HEARTBEAT).server
    for namespace in ("/", "/custom"):

        def connect(sid, environ, auth=None, namespace=namespace):
            server.emit("auth", auth or {}, to=sid, namespace=namespace)

        def message(sid, *data, namespace=namespace):
            server.emit("message-back", data, to=sid, namespace=namespace)

        server.on("connect", connect, namespace)
        server.on("message", message, namespace)
        server.on("message-with-ack", lambda sid, *data: data, namespace)


def main():
    app = flask.Flask(__name__)
    {"engineio": engineio, "socketio": socketio}[sys.argv[1]](app)
    print(serve(app, "127.0.0.1", int(sys.argv[2])).url, flush=True)
    gevent.get_hub().join()


if __name__ == "__main__":
    main()
