"""A real HTTP server that receives webhooks."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """A real HTTP server that keeps what it is sent; `status` is its answer, None holds the answer back."""

    def __init__(self):
        self.status = 200
        self.every, self.last = 0.0, 0.0  # seconds that it wants between two, and when it took the last
        self.got = []  # headers, body
        self.answered = []  # the seq of each that was answered with a 2xx
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
                    receiver.answered.append(json.loads(body)["seq"])
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
