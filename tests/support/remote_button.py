"""A running `app.py button`."""

import contextlib
import sqlite3

from server import Server


class RemoteButton(Server):
    """`app.py button`, which serves nothing: it is there once it says where presses go."""

    def __init__(self, folder, url, **settings):
        self.where = url
        folder.mkdir(exist_ok=True)
        super().__init__(folder, arguments=["button", "--server", url], database=None, **settings)

    @property
    def url(self):
        return next((line for line in self.log if line.startswith("Presses go to ")), None)

    def push(self):
        """Press the button; there is nobody to ask whether it was noticed."""
        self.set_level("0")
        self.let_go_after(0.25)

    def waiting(self):
        with contextlib.closing(sqlite3.connect(self.folder / "button-spool.db")) as db:
            return db.execute("SELECT count(*) FROM press").fetchone()[0]
