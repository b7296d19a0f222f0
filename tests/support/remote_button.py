"""A running `app.py button`."""

import contextlib
import re
import sqlite3
import time

from server import Server, until


class RemoteButton(Server):
    """`app.py button`, which has no HTTP server.

    It is ready once it logs where it sends presses.
    """

    def __init__(self, folder, url, **settings):
        self.where = url
        folder.mkdir(exist_ok=True)
        super().__init__(
            folder, arguments=["button", "--server", url], database=None, log="debug", **settings
        )

    @property
    def url(self):
        return next((line for line in self.log if line.startswith("Presses go to ")), None)

    def push(self):
        """Press the button until the press is logged, then release it."""
        before = self.pin_presses()
        self.set_level("0")
        until(lambda: self.pin_presses() > before, "the press of the pin")
        self.release_after(0)

    def pin_presses(self):
        return sum(re.search(r"Contact \S+ pressed$", line) is not None for line in self.log)

    def wait_for_release(self):
        time.sleep(0.3)  # the debounced release cannot be observed

    def waiting(self):
        with contextlib.closing(sqlite3.connect(self.folder / "button-spool.db")) as db:
            return db.execute("SELECT count(*) FROM press").fetchone()[0]
