"""Measurements of a server under attack."""

import contextlib
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from attacks import ATTACKS
from raw_client import Wire
from server import DEADLINE, SUPPORT, TOKEN, Screen, Server, until

from storage import sqlite_files

#: Events in the database before the attack, so that reads and totals have a realistic size.
HISTORY = 100_000
#: Goal of that database.
GOAL = 20
#: Growth below which memory counts as released, in bytes.
MAX_RETAINED_MEMORY = 8 * 2**20


def fill(path):
    """Create a database with `HISTORY` presses of the past weeks, one per minute."""
    sqlite_files.create(path, GOAL)
    now = time.time()
    rows = (
        (seq, now - 60 * (HISTORY - seq), "press", "api", GOAL - seq % (GOAL + 1), GOAL, seq - 1)
        for seq in range(1, HISTORY + 1)
    )
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        columns = "seq, at, kind, source, count, goal, below"
        db.executemany(f"INSERT INTO event ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


class Siege:
    """A server with one screen per transport, an API client and a simulated pin.

    `attack(name, seconds)` returns the figures: `press` and `screens`, the maximum delays in seconds;
    `memory` and `memory_after`, the growth in bytes; `stop`, the seconds from SIGTERM to the exit of the
    process, during the attack unless it is in `STOPPED_ATTACKS`; `pin`, whether a press of the pin
    was counted.
    """

    def __init__(self, folder, **settings):
        fill(Path(folder) / "button.db")
        self.server = Server(folder, program=settings.pop("program", None), **settings)
        self.program = Wire(self.server)
        self.screens = [Screen(self.server, ["websocket"]), Screen(self.server, ["polling"])]
        for screen in self.screens:
            screen.wait_for(HISTORY)

    def memory(self):
        return int(Path(f"/proc/{self.server.process.pid}/statm").read_text().split()[1]) * 4096

    def attack(self, name, seconds):
        before = peak = self.memory()
        feed = re.search(r"Feed listens at \S+:(\d+)", "\n".join(self.server.log))
        attacker = subprocess.Popen(
            [sys.executable, SUPPORT / "attacks.py", name, str(self.server.port), str(seconds + 15),
             feed[1] if feed else "0"],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        figures = {"press": 0.0, "screens": 0.0}
        try:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                self._press(figures)
                peak = max(peak, self.memory())
            figures["pin"] = self._press_pin()
            figures["memory"] = peak - before
            if name in STOPPED_ATTACKS:
                attacker.kill()
                attacker.wait(DEADLINE)
                until(self._is_calm, "the attackers to be disconnected", deadline=60)
                # Work can still be pending, such as hashing a password.
                with contextlib.suppress(AssertionError):
                    until(
                        lambda: self.memory() - before < MAX_RETAINED_MEMORY,
                        "memory to be released",
                        deadline=12,
                    )
                figures["memory_after"] = self.memory() - before
            started = time.monotonic()
            assert self.server.stop() == 0
            figures["stop"] = time.monotonic() - started
        finally:
            attacker.kill()
            attacker.wait(DEADLINE)
            self.close()
        return figures

    def _press(self, figures):
        """Press through the API and wait until both screens show it.

        Some of the presses use a new connection.
        """
        started = time.monotonic()
        if int(started * 10) % 3 == 0:
            self.program.socket.close()
            self.program = Wire(self.server)
        status, body = self.program.ask("POST", "/api/press", b"", [f"Authorization: Bearer {TOKEN}"])
        responded = time.monotonic()
        assert status == 201, body
        seq = int(re.search(rb'"seq":(\d+)', body)[1])
        for screen in self.screens:
            screen.wait_for(seq)
        figures["press"] = max(figures["press"], responded - started)
        figures["screens"] = max(figures["screens"], time.monotonic() - started)
        time.sleep(0.05)  # twenty presses a second

    def _press_pin(self):
        """Press the simulated button and wait until both screens show it."""
        before = self.screens[0].counts[-1]["seq"]
        self.server.set_level("0")
        for screen in self.screens:
            screen.wait_for(before + 1)
        self.server.release_after(0.05)
        return True

    def _is_calm(self):
        clients = self.server.health().json()["clients"]
        return clients["websocket"] + clients["polling"] <= 2

    def close(self):
        for screen in self.screens:
            screen.close()
        self.program.socket.close()
        self.server.stop(9)


#: Attacks that are stopped before SIGTERM, so that memory can be measured afterwards.
STOPPED_ATTACKS = {name for number, name in enumerate(ATTACKS) if number % 2}
