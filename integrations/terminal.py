"""Terminal and browser of the user who starts the program."""

import getpass
import re
import sys
import webbrowser

import gevent


def read_password(prompt: str) -> str:
    """Read a password from the terminal, or the first line of standard input.

    Raises `UnicodeDecodeError`.
    """
    if sys.stdin.isatty():
        return getpass.getpass(prompt)
    return sys.stdin.buffer.readline().decode().rstrip("\r\n")


def clickable(url: str) -> str:
    """Return a server's URL for a browser on this machine."""
    return re.sub(r"//(0\.0\.0\.0|\[::\])(?=:\d+$)", "//localhost", url)


def open_browser(url: str) -> None:
    """Open the countdown and the graph of the server at `url` in the browser. Does not block."""
    for page in ("/", "/graph"):
        gevent.spawn(webbrowser.open_new, clickable(url) + page)
