"""Open descriptors, memory and log of a running server."""

from pathlib import Path


def descriptors(server):
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def memory(server):
    with open(f"/proc/{server.process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def calm(server):
    """Return whether the log has no traceback and no error."""
    return not [
        line for line in server.log if "Traceback" in line or " ERROR " in line or " CRITICAL " in line
    ]
