"""CPU of this checkout relative to another, such as the last release.

    git worktree add /tmp/before 1.1.0-COMMIT
    python -m bench.compare /tmp/before

The two take turns in one run. Prints the median ratio of each figure; below 1, this checkout is faster.
"""

import statistics
import sys
from pathlib import Path

from bench import fanout
from bench.rig import HERE

CLIENTS, POLLING_CLIENTS = 1000, 300
OURS, THEIRS = "this checkout", "the other"


def commands(checkout):
    """Return the command for a minimal server with a checkout's engine."""
    path = f"PYTHONPATH={checkout}"
    return ["env", path, sys.executable, str(checkout / "bench" / "peers" / "ours.py")]


def engines(checkouts, kind, clients):
    return [fanout.Peer(name, commands(checkout), kind, clients) for name, checkout in checkouts.items()]


def products(checkouts, kind, clients):
    result = []
    for name, checkout in checkouts.items():
        product = fanout.WholePress(clients, kind=kind, checkout=checkout)
        product.name = name
        result.append(product)
    return result


def connects(checkouts):
    figures = {name: [] for name in checkouts}
    for number in range(fanout.PASSES):
        for name in checkouts if number % 2 else reversed(checkouts):
            peer = fanout.Peer(name, commands(checkouts[name]), "socketio", 3000)
            figures[name].append(peer.cpu_per_connect)
            peer.stop()
    return figures


def heartbeats(checkouts):
    figures = {name: [] for name in checkouts}
    for number in range(3):
        for name in checkouts if number % 2 else reversed(checkouts):
            figures[name].append(fanout.idle_clients(commands(checkouts[name]))[2])
    return figures


def main():
    if len(sys.argv) != 2 or not Path(sys.argv[1], "app.py").exists():
        sys.exit("usage: python -m bench.compare CHECKOUT (a folder with an app.py)")
    checkouts = {OURS: HERE.parent, THEIRS: Path(sys.argv[1]).resolve()}
    measured = {
        "count, 1,000 clients": fanout.interleave(engines(checkouts, "socketio", CLIENTS), 120),
        "count of a whole press": fanout.interleave(products(checkouts, "socketio", CLIENTS), 100),
        "count by long polling": fanout.interleave(engines(checkouts, "polling", POLLING_CLIENTS), 8, "0.1"),
        "the same of a whole press": fanout.interleave(
            products(checkouts, "polling", POLLING_CLIENTS), 8, "0.1"
        ),
        "connect": connects(checkouts),
        "heartbeat, 9,000 clients": heartbeats(checkouts),
    }
    for name, figures in measured.items():
        ratio = statistics.median(
            ours / theirs for ours, theirs in zip(figures[OURS], figures[THEIRS], strict=True)
        )
        ours, theirs = (statistics.median(figures[checkout]) * 1e6 for checkout in (OURS, THEIRS))
        print(f"{name}: {ours:.1f} us against {theirs:.1f} us, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
