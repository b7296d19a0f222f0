"""Runs every bench, or those that are named: `python -m bench [button idle commit press_to_pixel feed many reconnect lighthouse fanout]`."""

import subprocess
import sys

BENCHES = ["button", "idle", "commit", "press_to_pixel", "feed", "many", "reconnect", "lighthouse", "fanout"]


def main() -> int:
    names = sys.argv[1:] or BENCHES
    if unknown := set(names) - set(BENCHES):
        print(
            f"bench: expected one of {', '.join(BENCHES)}, got {', '.join(sorted(unknown))}", file=sys.stderr
        )
        return 2
    for name in names:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
