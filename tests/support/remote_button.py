"""A running `app.py button`."""

import contextlib
import sqlite3

from server import Server


class RemoteButton(Server):
    """`app.py button`, which has no HTTP server.

    It is ready once it logs where presses go.
    """

    def __init__(self, folder, url, **settings):
        self.where = url
        folder.mkdir(exist_ok=True)
        super().__init__(folder, arguments=["button", "--server", url], database=None, **settings)

    @property
    def url(self):
        return next((line for line in self.log if line.startswith("Presses go to ")), None)

    def push(self):
        """Press the button for 0.25 s, since there is no server that confirms the press."""
        self.set_level("0")
        self.release_after(0.25)

    def waiting(self):
        with contextlib.closing(sqlite3.connect(self.folder / "button-spool.db")) as db:
            return db.execute("SELECT count(*) FROM press").fetchone()[0]
