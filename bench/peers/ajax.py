"""The first version of The Button, in which pages poll the count once a second."""

from gevent import monkey

monkey.patch_all()

import flask
from gevent.pywsgi import WSGIServer

app = flask.Flask(__name__)


@app.get("/count")
def count():
    return {"count": 17, "goal": 20, "seq": 1234, "cause": "press", "at": 1763760000.123}


server = WSGIServer(("127.0.0.1", 0), app, log=None)
server.start()
print("port", server.server_port, flush=True)
server.serve_forever()
