"""What a running server has open, uses and logs."""

from pathlib import Path


def descriptors(server):
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def memory(server):
    with open(f"/proc/{server.process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def calm(server):
    """The log has no traceback and no error."""
    return not [
        line for line in server.log if "Traceback" in line or " ERROR " in line or " CRITICAL " in line
    ]
