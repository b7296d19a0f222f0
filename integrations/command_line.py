"""Command-line interface of app.py."""

import argparse
from collections.abc import Iterable
from pathlib import Path

#: Name of each command, the meaning of its path if it takes one, and what it does.
COMMANDS = (
    ("set-password", "", "prompt for a new admin password (or read a line from standard input)"),
    ("backup", "file to create; it must not exist", "copy the database; works while the server is running"),
    (
        "restore",
        "file written by `backup` or by the daily backups",
        "replace the database with a backup; stop the server first",
    ),
    (
        "import",
        "SQLite database to copy from",
        "copy an SQLite database into the empty database in BUTTON_DATABASE",
    ),
    ("button", "", "send the presses of this machine's button to a remote server"),
)


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
        description="The Button: press it, and every screen in the building shows the new count.",
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
    for name, path, meaning in COMMANDS:
        command = commands.add_parser(name, help=meaning, description=f"{meaning[:1].upper()}{meaning[1:]}.")
        if path:
            command.add_argument("path", type=Path, help=path)
    command.add_argument(
        "--server", required=True, metavar="URL", help="address of the server, such as http://the-pi:8000"
    )
    return parser.parse_args(argv)
