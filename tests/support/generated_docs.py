"""Generated parts of the docs, written by `make docs`."""

import re
import tempfile
from pathlib import Path

import requests
import wiring
from server import DEADLINE, ROOT, Server

from settings import table

#: Files with generated parts, each between the comments <!-- name --> and <!-- /name -->.
README, OPERATING = ROOT / "README.md", ROOT / "docs/operating.md"


def settings_table():
    """Return the table of settings."""
    rows = ["| name | default | meaning |", "| --- | --- | --- |"]
    for name, default, meaning in table():
        cell = default if "`" in default or default == "none" else f"`{default}`"
        rows.append(f"| `{name}` | {cell} | {meaning} |")
    return rows


def metrics_table(text):
    """Return the table of the product's metrics in `text`, a response of `/metrics`."""
    rows = ["| metric | type | meaning |", "| --- | --- | --- |"]
    found = re.findall(r"^# HELP (button_\w+) (.*)\n# TYPE \w+ (\w+)$", text, re.M)
    found = [each for each in found if not each[0].endswith("_created")]  # one for each histogram and counter
    return [*rows, *(f"| `{name}` | {kind} | {meaning} |" for name, meaning, kind in found)]


def metrics():
    """Return the `/metrics` response of a server with all services."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, webhook="http://127.0.0.1:9/", led_pin=12, backups=Path(folder) / "backups")
        try:
            return requests.get(f"{server.url}/metrics", timeout=DEADLINE).text
        finally:
            server.stop()


def replaced(path, name, rows):
    """Return the text of the file at `path` with new rows in its part `name`."""
    part = "\n".join([f"<!-- {name} -->", *rows, f"<!-- /{name} -->"])
    return re.sub(rf"(?s)<!-- {name} -->.*<!-- /{name} -->", lambda _: part, path.read_text())


if __name__ == "__main__":
    README.write_text(replaced(README, "settings", settings_table()))
    OPERATING.write_text(replaced(OPERATING, "metrics", metrics_table(metrics())))
    for path, text in wiring.pictures():
        path.write_text(text)
