"""Does it last: an office's day in an hour, with all that happens in one; ends with 1 if it does not.

    python -m bench.soak [MINUTES]

A press each five seconds (an office's load is one in two minutes), by the pin, the API and the admin in turn; screens
that come and go, straight, through a proxy that cuts what is silent for five seconds, and as long polls; a feed
of two series; a look of the monitors; in the first sixth of the time two restarts, one of them a kill. After
that one process must hold its memory and descriptors.
"""

import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.rig import ROOT, Crowd, Deployed, server, until

SCREENS, THROUGH_PROXY, LEAVES = 60, 20, 2.0
PRESS_EVERY, LOOK_EVERY = 5.0, 5.0
#: Growth of memory that is allowed: MB an hour, once it has run for half an hour; before that, MB in all.
SLOPE, GROWTH = 1.0, 6.0


def resident(pid):
    """Memory in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def slope(samples):
    """MB an hour, by least squares over pairs of seconds and MB."""
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    over = sum((x - mean_x) * (y - mean_y) for x, y in samples)
    return 3600 * over / sum((x - mean_x) ** 2 for x, _ in samples)


class Office:
    """A server, its screens, its proxy, its producers, and whoever presses."""

    def __init__(self):
        self.server = server(feed=f"tcp://127.0.0.1:{free_port()}", log="warning")
        self.proxy = Deployed("nginx", Path(tempfile.mkdtemp()), [self.server], proxy_read_timeout="5s")
        self.crowds = [
            Crowd(self.server.port, SCREENS, LEAVES),
            Crowd(self.proxy.port, THROUGH_PROXY, LEAVES),
        ]
        feed = self.server.environ["BUTTON_FEED"]
        command = [sys.executable, str(ROOT / "tests/support/producer.py"), feed]
        self.producers = [subprocess.Popen(command) for _ in range(2)]
        self.changes = 0
        self.log = []  # of the servers before this one

    def press(self):
        """One change: mostly presses, of the pin and of a program, at times an undo or another goal."""
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
        """Whether every screen shows the newest count; one that was just switched off comes back."""
        return all(crowd.ask().shown == {str(self.changes): crowd.clients} for crowd in self.crowds)

    def close(self):
        for producer in self.producers:
            producer.kill()
            producer.wait()
        for one in (*self.crowds, self.proxy):
            one.close()
        self.server.stop()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def run(minutes):
    """The faults that were found, a line each; none: it lasts."""
    office = Office()
    try:
        return judge(office, live(office, minutes), minutes)
    finally:
        office.close()


def live(office, minutes):
    """Let the time pass; returns samples: seconds, MB, descriptors."""
    begun, samples, restarts = time.monotonic(), [], ["SIGTERM", "SIGKILL"]
    seconds = minutes * 60
    while (now := time.monotonic() - begun) < seconds:
        if restarts and now > seconds / 12 * (3 - len(restarts)):
            office.log += office.server.log
            office.server.restart(getattr(signal, restarts.pop(0)))
        office.press()
        pid = office.server.process.pid
        if now > seconds / 4:
            samples.append((now, resident(pid), descriptors(pid)))
        if office.changes % 60 == 0:
            asked = [crowd.ask() for crowd in office.crowds]
            here = sum(one.here for one in asked)
            print(
                f"{now / 60:5.1f} min  {resident(pid):6.1f} MB  {descriptors(pid):4} descriptors"
                f"  {office.changes:5} changes  {here:3} screens",
                flush=True,
            )
        time.sleep(max(0.0, begun + office.changes * PRESS_EVERY * min(1, minutes / 5) - time.monotonic()))
    return samples


def judge(office, samples, minutes):
    faults = []
    until(office.is_right, "every screen to be right", deadline=60)
    asked = [crowd.ask() for crowd in office.crowds]
    wrong = [one.wrong for one in asked if one.wrong]
    if wrong:
        faults.append(f"screens were shown what nobody should see: {wrong}")
    seqs = [event["seq"] for event in office.server.history()]
    if seqs != list(range(1, office.changes + 1)):
        faults.append(f"{office.changes} changes were made, {len(seqs)} are recorded")
    growth = slope([(at, megabytes) for at, megabytes, _ in samples])
    in_all = max(megabytes for _, megabytes, _ in samples) - samples[0][1]
    if (growth > SLOPE) if minutes >= 30 else (in_all > GROWTH):
        faults.append(f"memory grows by {growth:.2f} MB an hour, {in_all:.1f} MB in all")
    third = len(samples) // 3
    first, last = (
        sorted(count for _, _, count in part)[third // 2] for part in (samples[:third], samples[-third:])
    )
    if abs(last - first) > 5:
        faults.append(f"descriptors went from {first} to {last}")
    errors = [line for line in office.log + office.server.log if " ERROR " in line or "Traceback" in line]
    if errors:
        faults.append(f"the log has errors: {errors[:3]}")
    print(f"{office.changes} changes, {sum(one.returned for one in asked)} times a screen came back")
    print(
        f"memory {growth:+.2f} MB an hour over {samples[-1][0] - samples[0][0]:.0f} s, {in_all:+.1f} MB at most"
    )
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
