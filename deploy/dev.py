"""Run the server, and restart it when a source or static file changes (`make dev`)."""

import signal
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
    """Serve until SIGTERM or Ctrl-C and return the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    while True:
        started = newest()
        server = subprocess.Popen([sys.executable, ROOT / "app.py", *sys.argv[1:]])
        try:
            while newest() == started:
                time.sleep(INTERVAL)
            print("Changed, restarting", file=sys.stderr)
        except KeyboardInterrupt:
            return 0
        finally:
            server.terminate()  # harmless after Ctrl-C, which the server also receives
            server.wait()


if __name__ == "__main__":
    sys.exit(main())
