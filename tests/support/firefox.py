"""Debian's Firefox, controlled through its Marionette protocol without a driver."""

import json
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from server import DEADLINE, until

PREFERENCES = {
    "marionette.port": 0,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage": "about:blank",
    "datareporting.policy.dataSubmissionEnabled": False,
    "media.autoplay.default": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:1",
    "extensions.getAddons.cache.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "toolkit.telemetry.enabled": False,
}


class Firefox:
    """A headless Firefox ESR window."""

    def __init__(self):
        self.profile = Path(tempfile.mkdtemp(prefix="button-firefox-"))
        lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});" for key, value in PREFERENCES.items()]
        (self.profile / "user.js").write_text("\n".join(lines))
        self._process = subprocess.Popen(
            ["firefox-esr", "--headless", "--marionette", "--no-remote", "--profile", self.profile],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port = until(self._port, "Firefox's Marionette port", deadline=60)
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._buffer, self._number = b"", 0
        self._receive()
        self.command("WebDriver:NewSession", {})

    def _port(self):
        path = self.profile / "MarionetteActivePort"
        return int(path.read_text()) if path.exists() and path.read_text() else None

    def _receive(self):
        while b":" not in self._buffer:
            self._buffer += self._socket.recv(4096)
        length, _, self._buffer = self._buffer.partition(b":")
        while len(self._buffer) < int(length):
            self._buffer += self._socket.recv(65536)
        message, self._buffer = self._buffer[: int(length)], self._buffer[int(length) :]
        return json.loads(message)

    def command(self, name, parameters):
        self._number += 1
        data = json.dumps([0, self._number, name, parameters]).encode()
        self._socket.sendall(str(len(data)).encode() + b":" + data)
        _, number, error, result = self._receive()
        assert number == self._number and not error, error
        return result

    def open(self, url):
        self.command("WebDriver:Navigate", {"url": url})

    def evaluate(self, script):
        return self.command("WebDriver:ExecuteScript", {"script": script, "args": []})["value"]

    def close(self):
        self._process.terminate()
        self._process.wait(DEADLINE)
        self._socket.close()
        shutil.rmtree(self.profile, ignore_errors=True)
