"""The command line of app.py."""

import argparse
from collections.abc import Iterable
from pathlib import Path


def parse(
    argv: list[str] | None, version: str, settings: Iterable[tuple[str, str, str]]
) -> argparse.Namespace:
    """Parse the command line. Exits with a message on a bad one.

    Args:
        argv: The arguments; None means those of the process.
        version: Shown by `--version`.
        settings: Name, default and meaning of each setting, for `--help`.

    Returns:
        `open`, `demo` and `command` (None: serve); `path` or `server` for the commands that take one.
    """
    rows = [f"  {name:<24} {default}\n      {meaning}" for name, default, meaning in settings]
    parser = argparse.ArgumentParser(
        prog="app.py",
        description="The Button: press, and every screen in the building knows.",
        epilog="settings, as environment variables (name, default, meaning):\n" + "\n".join(rows),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--open", action="store_true", help="open / and /graph in the browser")
    parser.add_argument(
        "--demo",
        action="store_true",
        help="publish a sine and press the simulated button, on a temporary database unless one is named",
    )
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", metavar="command")
    for name, takes_path, meaning in (
        ("set-password", False, "ask for a new admin password (or read a line of standard input)"),
        ("backup", True, "copy the database, also while the server runs"),
        ("restore", True, "put a backup in place of the database, while no server runs"),
        ("import", True, "copy an SQLite database into the empty database of BUTTON_DATABASE"),
        ("button", False, "send the presses of this machine's button to a server elsewhere"),
    ):
        command = commands.add_parser(name, help=meaning)
        if takes_path:
            command.add_argument("path", type=Path)
    command.add_argument("--server", required=True, metavar="URL", help="such as http://the-pi:8000")
    return parser.parse_args(argv)
