"""The terminal and the browser of the person who starts the program."""

import getpass
import re
import sys
import webbrowser

import gevent


def read_password(prompt: str) -> str:
    """Return a password typed at the terminal, or else the first line of standard input.

    Raises `UnicodeDecodeError`.
    """
    if sys.stdin.isatty():
        return getpass.getpass(prompt)
    return sys.stdin.buffer.readline().decode().rstrip("\r\n")


def clickable(url: str) -> str:
    """Return the URL of a server that this machine's browser opens."""
    return re.sub(r"//(0\.0\.0\.0|\[::\])(?=:\d+$)", "//localhost", url)


def open_browser(url: str) -> None:
    """Open the countdown and the graph of the server at `url` in the browser. Does not block."""
    for page in ("/", "/graph"):
        gevent.spawn(webbrowser.open_new, clickable(url) + page)
