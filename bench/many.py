"""Latency, throughput, outages and CPU of several servers that share a PostgreSQL."""

import contextlib
import os
import select
import signal
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, Popen

import psutil

from bench.rig import (
    ROOT,
    TOKEN,
    ClientSwarm,
    Deployed,
    Postgres,
    Wire,
    cpu_seconds,
    percentile,
    server,
    spread,
    until,
)

PRESSES = 200
CONNECTIONS, SECONDS = 64, 5
LISTENING_SERVERS = 50
#: Numbers of servers in `model`, and their total number of screens.
PROCESSES, SCREENS = (1, 2, 4, 8), 4000
PRESS = f"POST /api/press HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()


def servers(postgres, number, **settings):
    """Start `number` servers on a new database and return them."""
    settings = {"hardware": "none", "feed": "off", "log": "warning", "database": postgres.new()} | settings
    first = server(**settings)  # creates the tables
    with ThreadPoolExecutor(4) as pool:
        return [first, *pool.map(lambda _: server(**settings), range(number - 1))]


def stop(running):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: each.stop(), running))


def screen(target):
    """Connect a screen to a server and return it."""
    return Wire(target).open_websocket().enter()


class Presser:
    """A keep-alive connection for presses, and the screens whose latency is measured."""

    def __init__(self, target, screens):
        self.wire, self.screens = Wire(target), {wire.socket.fileno(): wire for wire in screens}
        self.epoll = select.epoll()
        for descriptor in self.screens:
            self.epoll.register(descriptor, select.EPOLLIN)

    def press(self):
        """Press and return the seconds until each screen received the count."""
        started_at, latencies = time.perf_counter(), {}
        self.wire.send(PRESS)
        while len(latencies) < len(self.screens):
            for descriptor, _ in self.epoll.poll(10):
                now, data = time.perf_counter(), self.screens[descriptor].socket.recv(65536)
                if b"\x81\x012" in data:
                    self.screens[descriptor].say("3")
                if b'"seq"' in data:
                    latencies[descriptor] = now - started_at
        status, _ = self.wire.read_response()
        assert status == 201, status
        return [latencies[descriptor] for descriptor in self.screens]


def announce(postgres):
    """Measure the latency to screens of the same server and of another server."""
    running = servers(postgres, 2)
    presser = Presser(running[0], [screen(each) for each in running])
    for _ in range(20):
        presser.press()
    before = commits(running[0])
    latencies = []
    for _ in range(PRESSES):
        latencies.append(presser.press())
        time.sleep(0.01)
    after = commits(running[0])
    mean = (after[0] - before[0]) / (after[1] - before[1])
    print(spread("press to screen of same server", [same for same, _ in latencies]))
    print(spread("press to screen of another server", [other for _, other in latencies]))
    print(f"{'of which transaction, mean':<34} {mean * 1000:14.2f} ms")
    rest = statistics.median(other for _, other in latencies) - mean
    print(f"{'of which request and broadcast':<34} {rest * 1000:14.2f} ms")
    stop(running)


def commits(target):
    """Return the total duration in seconds and the number of a server's transactions."""
    import requests

    text = requests.get(target.url + "/metrics", timeout=10).text
    return [float(text.split(f"button_commit_seconds_{name} ")[1].split()[0]) for name in ("sum", "count")]


def rate(postgres):
    """Measure the presses per second of four servers."""
    running = servers(postgres, 4)
    epoll, wires = select.epoll(), {}
    for number in range(CONNECTIONS):
        wire = Wire(running[number % 4])
        wires[wire.socket.fileno()] = wire
        epoll.register(wire.socket, select.EPOLLIN)
        wire.send(PRESS)
    end, done = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        for descriptor, _ in epoll.poll(1):
            assert wires[descriptor].read_response()[0] == 201
            done += 1
            wires[descriptor].send(PRESS)
    print(f"{'presses per second on 4 servers':<34} {done / SECONDS:14.0f}")
    stop(running)


def listeners(postgres):
    """Measure the delay between the first and the last update of fifty servers' screens."""
    running = servers(postgres, LISTENING_SERVERS)
    presser = Presser(running[0], [screen(each) for each in running])
    for _ in range(5):
        presser.press()
    delays = []
    for _ in range(40):
        time.sleep(0.25)
        latencies = presser.press()
        delays.append(max(latencies) - min(latencies))
    print(spread(f"{LISTENING_SERVERS} servers, first to last screen", delays))
    stop(running)


def model(postgres):
    """Measure the CPU of a press on 1 to 8 servers, with no screens and with 4,000."""
    print(
        f"{'CPU per press, ms':<18} {'servers':>10} {'PostgreSQL':>12}   with {SCREENS} screens: {'servers':>10}"
    )
    rows = {}
    for number in PROCESSES:
        running = servers(postgres, number)
        bare, database = cost(postgres, running)
        loads = [start_load(each, SCREENS // number) for each in running]
        full, _ = cost(postgres, running)
        for load in loads:
            load.kill()
            load.wait()
        stop(running)
        rows[number] = bare, database, full
        print(f"{number:>10} {'':<7} {bare:10.2f} {database:12.2f} {'':<21} {full:10.2f}")
    first, last = rows[PROCESSES[0]], rows[PROCESSES[-1]]
    span = PROCESSES[-1] - PROCESSES[0]
    per_server, per_server_database = (last[0] - first[0]) / span, (last[1] - first[1]) / span
    per_screen = statistics.median((full - bare) / SCREENS for bare, _, full in rows.values()) * 1000
    print(f"each further server: {per_server:.2f} ms per press, PostgreSQL {per_server_database:.2f} ms")
    print(f"each further screen: {per_screen:.1f} µs per press")


def start_load(target, clients):
    """Start a load generator, wait until its clients are connected, and return its process."""
    command = [sys.executable, "-m", "bench.load", str(target.port), str(clients), "socketio"]
    process = Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True)
    assert process.stdout.readline().strip() == "ready"
    return process


def cost(postgres, running):
    """Return the CPU milliseconds per press of all servers, and of PostgreSQL."""

    def cpu():
        main = psutil.Process(postgres.process.pid)
        database = sum(sum(p.cpu_times()[:2]) for p in [main, *main.children(recursive=True)])
        return sum(cpu_seconds(each.process.pid) for each in running), database

    time.sleep(0.5)
    wire, started_at, before = Wire(running[0]), time.monotonic(), cpu()
    for number in range(PRESSES):
        assert wire.ask("POST", "/api/press", headers=[f"Authorization: Bearer {TOKEN}"])[0] == 201
        while time.monotonic() < started_at + (number + 1) * 0.05:
            time.sleep(0.002)
    busy = [after - then for after, then in zip(cpu(), before, strict=True)]
    before = cpu()
    time.sleep(5)
    idle = [(after - then) / 5 for after, then in zip(cpu(), before, strict=True)]
    return [1000 * (total - rest * PRESSES * 0.05) / PRESSES for total, rest in zip(busy, idle, strict=True)]


def faults(postgres):
    """Measure the effect of a frozen and of a killed database.

    Prints the round-trip time of WebSocket pings during the outage, and the delay from its end until all screens
    show a hardware press made during the outage.
    """
    running = servers(postgres, 2, hardware="simulated")
    wire = screen(running[0])
    round_trips, recoveries = [], []

    def ping(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            started_at = time.perf_counter()
            wire.say(b"x", opcode=9)
            while wire.read_frame()[0] != 10:
                pass
            round_trips.append(time.perf_counter() - started_at)
            time.sleep(0.005)

    def freeze():
        for process in postgres.all_processes():
            process.suspend()

    def thaw():
        for process in postgres.all_processes():
            process.resume()

    def repair(action):
        action()
        return time.monotonic()

    with ThreadPoolExecutor(3) as pool:
        for fault, action in ((freeze, thaw), (lambda: postgres.stop(signal.SIGQUIT), postgres.start)):
            seq = running[0].count()["seq"] + 1
            received = [pool.submit(wait_for_count, screen(each), seq) for each in running]
            fault()
            running[0].push()
            ping(10)
            repaired = pool.submit(repair, action)
            ping(3)
            recoveries.append(max(each.result() for each in received) - repaired.result())
    seconds = ", ".join(f"{each:.2f} s" for each in recoveries)
    print(f"{'outage end to all screens updated':<34} {seconds} (frozen, killed)")
    print(spread("ping during the outage", round_trips))
    print(f"{'':<34} p99.9 {percentile(round_trips, 0.999) * 1000:.2f} ms of {len(round_trips)}")
    stop(running)


def wait_for_count(wire, seq):
    """Wait for a screen to receive the count with this seq; return the monotonic time."""
    while f'"seq":{seq},' not in wire.text():
        pass
    return time.monotonic()


def failover(postgres):
    """Measure how soon a killed server's screens reconnect to others, behind nginx."""
    running = servers(postgres, 4, trusted_proxies=1)
    proxy = Deployed("nginx", Path(tempfile.mkdtemp()), running)
    crowd = ClientSwarm(proxy.port, 400)
    screens = running[3].health().json()["clients"]["screens"]
    running[3].stop(signal.SIGKILL)
    until(lambda: crowd.ask().returned >= screens, "its screens")
    print(f"{f'{screens} screens of a killed server':<34} reconnected within {crowd.ask().longest:.1f} s")
    crowd.close()
    proxy.close()
    stop(running)


BENCHES = {bench.__name__: bench for bench in (announce, rate, listeners, failover, faults, model)}


def main():
    names = sys.argv[1:] or list(BENCHES)
    # Servers run at niceness -10. Without a higher priority, this process would see fifty screens update at
    # once.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(10))
    postgres = Postgres()
    try:
        for name in names:
            BENCHES[name](postgres)
    finally:
        postgres.close()


if __name__ == "__main__":
    main()
