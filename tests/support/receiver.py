"""A real HTTP server that receives webhooks."""

import json
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """A real HTTP server that records requests.

    `status` is the status of the responses, or None to delay them. `headers` are added to the responses.
    """

    def __init__(self):
        self.status = 200
        self.headers = {}
        self.every, self.last = 0.0, 0.0  # minimum interval in seconds; time of the last 200
        self.got = []  # (headers, body) of each request
        self.got_at = []  # monotonic time of each request
        self.accepted = []  # seq of each event that got a 200
        self.go_on = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got_at.append(time.monotonic())
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
                for name, value in {"Location": "/elsewhere", **receiver.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?to=all"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def use_tls(self, folder):
        """Serve https, and return the path of the certificate."""
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key]
        command += ["-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run(command, check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")
        return certificate

    def close(self):
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
