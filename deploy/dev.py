"""Server that restarts when a source or static file changes (`make dev`)."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Watched folders.
FOLDERS = ("hardware", "integrations", "realtime", "static", "storage", "templates", "web")
#: Seconds between checks.
INTERVAL = 0.5


def newest() -> float:
    """Return the newest modification time of the watched files, in Unix seconds."""
    files = [*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    return max(path.stat().st_mtime for path in files if path.is_file() and "__pycache__" not in path.parts)


def main() -> int:
    """Serve until Ctrl-C and return the exit status."""
    while True:
        started = newest()
        server = subprocess.Popen([sys.executable, ROOT / "app.py", *sys.argv[1:]])
        try:
            while newest() == started:
                time.sleep(INTERVAL)
            print("Changed, restarting", file=sys.stderr)
            server.terminate()
            server.wait()
        except KeyboardInterrupt:
            server.wait()
            return 0


if __name__ == "__main__":
    sys.exit(main())
