"""A real HTTP server that receives webhooks."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """A real HTTP server that records requests.

    `status` is the status of its responses; None delays them.
    """

    def __init__(self):
        self.status = 200
        self.every, self.last = 0.0, 0.0  # minimum interval in seconds; time of the last 200
        self.got = []  # (headers, body) of each request
        self.accepted = []  # seq of each event that got a 200
        self.go_on = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                if receiver.status is None:
                    receiver.go_on.wait(30)
                status = receiver.status or 200
                if time.monotonic() < receiver.last + receiver.every:
                    status = 429
                if status == 200:
                    receiver.last = time.monotonic()
                    receiver.accepted.append(json.loads(body)["seq"])
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?to=all"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
