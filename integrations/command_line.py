"""Command-line interface of app.py."""

import argparse
from collections.abc import Iterable
from pathlib import Path


def parse(
    argv: list[str] | None, version: str, settings: Iterable[tuple[str, str, str]]
) -> argparse.Namespace:
    """Parse the command line. Exits with a message if it is invalid.

    Args:
        argv: The arguments, or None for those of the process.
        version: Version for `--version`.
        settings: Name, default and meaning of each setting, for `--help`.

    Returns:
        `open`, `demo` and `command`, which is None to serve, and the command's `path` or `server`.
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
        help="publish a sine wave and press the simulated button, on a temporary database unless one is set",
    )
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", metavar="command")
    for name, takes_path, meaning in (
        ("set-password", False, "prompt for a new admin password (or read a line from standard input)"),
        ("backup", True, "copy the database, which may be in use"),
        ("restore", True, "replace the database with a backup, while no server runs"),
        ("import", True, "copy an SQLite database into the empty database in BUTTON_DATABASE"),
        ("button", False, "send the presses of this machine's button to a remote server"),
    ):
        command = commands.add_parser(name, help=meaning)
        if takes_path:
            command.add_argument("path", type=Path)
    command.add_argument("--server", required=True, metavar="URL", help="such as http://the-pi:8000")
    return parser.parse_args(argv)
