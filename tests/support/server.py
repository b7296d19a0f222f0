"""A real server in a separate process, and real clients."""

import contextlib
import operator
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import requests
import socketio

ROOT = Path(__file__).parents[2]
SUPPORT = Path(__file__).parent
PASSWORD = "correct horse"
TOKEN = "a-token-for-tests"
#: Maximum wait for any condition, in seconds: ten times the usual time, as a guard against hanging.
DEADLINE = 20.0


def until(condition, what="the condition", deadline=DEADLINE):
    """Wait until `condition()` is true and return its value."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s for {what}")
        time.sleep(0.005)  # the polling interval
    return value


class Server:
    """The Button, served from `folder`.

    Names of settings are in lower case, without BUTTON_.
    """

    #: Seconds within which it must start to serve.
    start_timeout = DEADLINE

    def __init__(self, folder, arguments=(), prefix=(), environ=None, program=None, **settings):
        self.folder = Path(folder)
        self.fifo = self.folder / "pin"
        self.database = self.folder / "button.db"
        settings = {
            "host": "127.0.0.1",
            "port": 0,
            "database": f"sqlite:///{self.database}",
            "hardware": "simulated",
            "simulated_pin": self.fifo,
            "admin_password": PASSWORD,
            "api_token": TOKEN,
            "feed": "tcp://127.0.0.1:*",
        } | settings
        self.environ = {key: value for key, value in os.environ.items() if not key.startswith("BUTTON_")}
        self.environ |= {
            f"BUTTON_{key.upper()}": str(value) for key, value in settings.items() if value is not None
        }
        self.environ |= environ or {}
        self.arguments = [*prefix, sys.executable, str(program or ROOT / "app.py"), *arguments]
        self.process = None
        self.start()

    def start(self):
        self.log = []
        self.process = subprocess.Popen(
            self.arguments, env=self.environ, cwd=self.folder, stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()
        until(lambda: self.url or self.process.poll() is not None, "the server to start", self.start_timeout)
        if self.process.poll() is not None:
            self._reader.join(DEADLINE)  # so that the log is complete
        assert self.url, "the server did not start:\n" + "\n".join(self.log)

    def _read(self, pipe):
        with pipe:
            for line in pipe:
                self.log.append(line.rstrip("\n"))

    @property
    def url(self):
        for line in self.log:
            if found := re.search(r"Serving on (http://\S+)$", line):
                return found[1]
        return None

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    def stop(self, how=signal.SIGTERM):
        """Stop the server and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return status

    def restart(self, how=signal.SIGTERM):
        port = self.port
        self.stop(how)
        self.environ["BUTTON_PORT"] = str(port)
        self.start()

    def set_level(self, levels):
        """Write digits to the FIFO. 0 pulls the pin low, as a pressed button does."""
        with self.fifo.open("w") as fifo:
            fifo.write(levels)

    def push(self, held=0.0):
        """Press the simulated button until the press is counted, then release it.

        A press of fixed length could be missed while the machine is too busy to sample.
        """
        before = self.pin_presses()
        self.set_level("0")
        until(lambda: self.pin_presses() > before, "the press of the pin")
        self.release_after(held)

    def release_after(self, seconds):
        """Release the button after `seconds`, and wait until the release is detected."""
        time.sleep(seconds)  # the finger holds the button
        self.set_level("1")
        self.wait_for_release()

    def wait_for_release(self):
        time.sleep(0.15)  # a finger's pace; version 1.1.0 reports no release
        until(lambda: not self.health().json()["hardware"].get("pressed"), "the release of the pin")

    def pin_presses(self):
        return self.health().json()["hardware"]["presses"]

    def count(self):
        return requests.get(self.url + "/api/count", timeout=DEADLINE).json()

    def api(self, path, method="POST", token=TOKEN, key=None, **arguments):
        headers = arguments.pop("headers", {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if key is not None:
            headers["Idempotency-Key"] = key
        return requests.request(
            method, f"{self.url}/api/{path}", headers=headers, timeout=DEADLINE, **arguments
        )

    def press(self):
        """Press through the API and return the count."""
        response = self.api("press")
        assert response.status_code == 201, response.text
        return response.json()

    def history(self):
        events = []
        while True:
            after = events[-1]["seq"] if events else 0
            page = requests.get(f"{self.url}/api/history?after={after}&limit=1000", timeout=DEADLINE).json()[
                "events"
            ]
            if not page:
                return events
            events += page

    def health(self):
        return requests.get(self.url + "/healthz", timeout=DEADLINE)


def in_order(client):
    """Make a python-socketio client handle messages in order, not in threads."""
    trigger = client.eio._trigger_event

    def trigger_in_order(event, *arguments, run_async=False, **more):
        return trigger(event, *arguments, run_async=run_async and event != "message", **more)

    client.eio._trigger_event = trigger_in_order
    return client


def disconnect(client):
    """Disconnect a python-socketio client without waiting for a pending long poll."""

    def close():
        with contextlib.suppress(Exception):
            client.disconnect()
        for left_open in ("ws.shutdown", "http.close"):  # if the server closed the transport
            with contextlib.suppress(Exception):
                operator.attrgetter(left_open)(client.eio)()

    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    if client.transport() == "websocket":
        closing.join(DEADLINE)


class Screen:
    """A Socket.IO client that records all `counts` and `infos` it receives, in order."""

    def __init__(self, server, transports, auth=None, headers=None):
        self.transports = transports
        self.counts = []
        self.infos = []
        self.client = in_order(socketio.Client(reconnection=False))
        self.client.on("count", self.counts.append)
        self.client.on("info", self.infos.append)
        self.client.connect(
            server.url, transports=transports, auth=auth, headers=headers or {}, wait_timeout=DEADLINE
        )

    @property
    def transport(self):
        return self.client.transport()

    def wait_for(self, seq):
        until(lambda: self.counts and self.counts[-1]["seq"] >= seq, f"seq {seq}")
        return self.counts[-1]

    def press(self, data=None):
        return self.client.call("press", data, timeout=int(DEADLINE))

    def close(self):
        disconnect(self.client)


TRANSPORTS = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": ["polling", "websocket"]}


def run_command(database, *arguments, **settings):
    """Run a command of app.py, such as backup, to completion."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BUTTON_")}
    environ |= {f"BUTTON_{name.upper()}": value for name, value in settings.items()}
    environ["BUTTON_DATABASE"] = database
    return subprocess.run(
        [sys.executable, ROOT / "app.py", *arguments],
        env=environ, capture_output=True, text=True, check=False, timeout=DEADLINE,
    )  # fmt: skip
