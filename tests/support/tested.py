"""The README's table of test runs. With RECORD=1, passing tests update their rows."""

import datetime
import os
import platform
import re

from server import ROOT

README = ROOT / "README.md"


def record(where, system, python, command):
    """Record that `command` passed today, replacing the row of its previous run."""
    if os.environ.get("RECORD"):
        today = datetime.datetime.now(datetime.UTC).date()
        README.write_text(updated(README.read_text(), (where, system, python, str(today), f"`{command}`")))


def record_target():
    """Record that the make target in `TARGET`, if any, passed with this machine's Python."""
    if target := os.environ.get("TARGET"):
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
        record(platform.machine(), system, platform.python_version(), target)


def updated(text, row):
    """Return the README with a row in its table.

    Rows are sorted. A row with the same key is replaced.
    """
    head, table, tail = re.split(r"(?<=<!-- tested -->\n)(.*)(?=<!-- /tested -->)", text, flags=re.S)
    title, rule, *rows = table.splitlines()
    key = _key(row)
    rows = [each for each in rows if _key(each.strip("| ").split(" | ")) != key]
    lines = [title, rule, *sorted([*rows, "| " + " | ".join(row) + " |"])]
    return head + "\n".join(lines) + "\n" + tail


def _key(row):
    return row[0].split(",")[0], row[1], row[2].rsplit(".", 1)[0], row[4]
