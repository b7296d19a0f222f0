"""Soak test, which simulates a day in an office in one hour.

    python -m bench.soak [MINUTES]

There is a change every five seconds (once in two minutes in an office): hardware and API presses, undos and new goals,
each followed by a request to /healthz. Screens connect and disconnect, directly and through a proxy that closes idle
connections after five seconds, with WebSocket and long polling. Two producers publish to the feed. In the first sixth
of the time the server is restarted twice, once after SIGKILL. After that, its memory and descriptors must not grow.
Exits with 1 if a check fails.
"""

import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.rig import ROOT, ClientSwarm, Deployed, server, until

SCREENS, THROUGH_PROXY, LEAVES = 60, 20, 2.0
CHANGE_INTERVAL = 5.0  # seconds
#: Maximum memory growth, in MB per hour for runs of at least half an hour, and in total MB for shorter ones.
MAX_GROWTH_PER_HOUR, MAX_GROWTH = 1.0, 6.0


def resident(pid):
    """Return the resident memory of a process in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def slope(samples):
    """Return the growth in MB per hour, fitted to pairs of seconds and MB."""
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    covariance = sum((x - mean_x) * (y - mean_y) for x, y in samples)
    return 3600 * covariance / sum((x - mean_x) ** 2 for x, _ in samples)


class Office:
    """A server with screens, a proxy, producers, and a source of changes."""

    def __init__(self):
        self.server = server(feed=f"tcp://127.0.0.1:{free_port()}", log="warning")
        self.proxy = Deployed("nginx", Path(tempfile.mkdtemp()), [self.server], proxy_read_timeout="5s")
        self.crowds = [
            ClientSwarm(self.server.port, SCREENS, LEAVES),
            ClientSwarm(self.proxy.port, THROUGH_PROXY, LEAVES),
        ]
        feed = self.server.environ["BUTTON_FEED"]
        command = [sys.executable, str(ROOT / "tests/support/producer.py"), feed]
        self.producers = [subprocess.Popen(command) for _ in range(2)]
        self.changes = 0
        self.log = []  # log lines from before the restarts

    def change(self):
        """Make the next change, which is usually a hardware or API press."""
        turn, self.changes = self.changes % 12, self.changes + 1
        if turn == 5:
            assert self.server.api("undo").status_code == 201
        elif turn == 11:
            assert self.server.api("goal", "PUT", json={"goal": 20 + self.changes % 7}).status_code == 201
        elif turn % 2:
            self.server.press()
        else:
            self.server.push()
        self.server.health()

    def is_right(self):
        """Return whether every screen shows the newest count, including reconnecting ones."""
        return all(crowd.ask().shown == {str(self.changes): crowd.clients} for crowd in self.crowds)

    def close(self):
        for producer in self.producers:
            producer.kill()
            producer.wait()
        for each in (*self.crowds, self.proxy):
            each.close()
        self.server.stop()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def run(minutes):
    """Run the soak test and return the faults as lines."""
    office = Office()
    try:
        return find_faults(office, simulate(office, minutes), minutes)
    finally:
        office.close()


def simulate(office, minutes):
    """Make changes for `minutes`; return samples of seconds, MB and descriptors."""
    started_at, samples, restarts = time.monotonic(), [], ["SIGTERM", "SIGKILL"]
    seconds = minutes * 60
    while (now := time.monotonic() - started_at) < seconds:
        if restarts and now > seconds / 12 * (3 - len(restarts)):
            office.log += office.server.log
            office.server.restart(getattr(signal, restarts.pop(0)))
        office.change()
        pid = office.server.process.pid
        if now > seconds / 4:
            samples.append((now, resident(pid), descriptors(pid)))
        if office.changes % 60 == 0:
            here = sum(crowd.ask().here for crowd in office.crowds)
            print(
                f"{now / 60:5.1f} min  {resident(pid):6.1f} MB  {descriptors(pid):4} descriptors"
                f"  {office.changes:5} changes  {here:3} screens",
                flush=True,
            )
        due = started_at + office.changes * CHANGE_INTERVAL * min(1, minutes / 5)
        time.sleep(max(0.0, due - time.monotonic()))
    return samples


def find_faults(office, samples, minutes):
    """Return faults in screens, history, memory, descriptors and log as lines."""
    faults = []
    until(office.is_right, "every screen to be right", deadline=60)
    reports = [crowd.ask() for crowd in office.crowds]
    wrong = [report.wrong for report in reports if report.wrong]
    if wrong:
        faults.append(f"screens received wrong counts: {wrong}")
    seqs = [event["seq"] for event in office.server.history()]
    if seqs != list(range(1, office.changes + 1)):
        faults.append(f"expected {office.changes} recorded changes, got {len(seqs)}")
    per_hour = slope([(at, megabytes) for at, megabytes, _ in samples])
    growth = max(megabytes for _, megabytes, _ in samples) - samples[0][1]
    if (per_hour > MAX_GROWTH_PER_HOUR) if minutes >= 30 else (growth > MAX_GROWTH):
        faults.append(f"memory grows by {per_hour:.2f} MB per hour, {growth:.1f} MB in total")
    third = len(samples) // 3
    first, last = (
        sorted(count for _, _, count in part)[third // 2] for part in (samples[:third], samples[-third:])
    )
    if abs(last - first) > 5:
        faults.append(f"descriptors changed from {first} to {last}")
    errors = [line for line in office.log + office.server.log if " ERROR " in line or "Traceback" in line]
    if errors:
        faults.append(f"errors in the log: {errors[:3]}")
    seconds = samples[-1][0] - samples[0][0]
    print(f"{office.changes} changes, {sum(report.returned for report in reports)} reconnects of screens")
    print(f"memory {per_hour:+.2f} MB per hour over {seconds:.0f} s, {growth:+.1f} MB at most")
    print(f"descriptors {first} in the first third, {last} in the last")
    return faults


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    faults = run(minutes)
    for fault in faults:
        print(f"FAULT: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
