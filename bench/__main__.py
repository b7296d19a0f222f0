"""Run all or the named benchmarks, and update the docs with their figures."""

import datetime
import subprocess
import sys

from bench.rig import ROOT, fill, machine

#: Document that gets the figures of each benchmark, between its markers. `fanout` writes docs/performance.md
#: itself.
BENCHES = {
    "button": "hardware.md",
    "idle": None,
    "commit": None,
    "press_to_pixel": "browsers.md",
    "feed": "feed.md",
    "many": "scaling.md",
    "reconnect": "browsers.md",
    "lighthouse": "browsers.md",
    "fanout": None,
    "press_cost": None,
    "hostile": "security.md",
}


def run(name):
    """Run a benchmark and return its output lines."""
    command, lines = [sys.executable, "-u", "-m", f"bench.{name}"], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    if process.returncode:
        raise SystemExit(process.returncode)
    return lines


def document_figures(name, document, lines):
    """Write the lines into the document, between the benchmark's markers."""
    head = f"python -m bench {name}, {datetime.date.today()}, {machine()}, everything on it"
    fill(ROOT / "docs" / document, name, ["```text", head, "", *lines, "```"])


def main() -> int:
    names = sys.argv[1:] or list(BENCHES)
    if unknown := set(names) - set(BENCHES):
        expected = ", ".join(BENCHES)
        print(f"bench: expected one of {expected}, got {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    for name in names:
        print(f"== {name}", flush=True)
        lines = run(name)
        if document := BENCHES[name]:
            document_figures(name, document, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
