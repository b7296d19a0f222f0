"""Many servers on one PostgreSQL: how soon another one tells, how many presses they take, what each costs."""

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
    Crowd,
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
LISTENERS = 50
PROCESSES, SCREENS = (1, 2, 4, 8), 4000
PRESS = f"POST /api/press HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()


def servers(postgres, number, **settings):
    """So many servers on a new database."""
    settings = {"hardware": "none", "feed": "off", "log": "warning", "database": postgres.new()} | settings
    first = server(**settings)  # makes the tables
    with ThreadPoolExecutor(4) as pool:
        return [first, *pool.map(lambda _: server(**settings), range(number - 1))]


def stop(running):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: one.stop(), running))


def screen(of):
    wire = Wire(of).open_websocket().enter()
    wire.seq = 0
    return wire


class Presser:
    """Presses one at a time, over a kept connection, and says when each screen was told."""

    def __init__(self, of, screens):
        self.wire, self.screens = Wire(of), {wire.socket.fileno(): wire for wire in screens}
        self.epoll = select.epoll()
        for at in self.screens:
            self.epoll.register(at, select.EPOLLIN)

    def press(self):
        """Seconds from the request until each screen had the count."""
        began, told = time.perf_counter(), {}
        self.wire.send(PRESS)
        while len(told) < len(self.screens):
            for at, _ in self.epoll.poll(10):
                now, got = time.perf_counter(), self.screens[at].socket.recv(65536)
                if b"\x81\x012" in got:
                    self.screens[at].say("3")
                if b'"seq"' in got:
                    told[at] = now - began
        status, _ = self.wire.answer()
        assert status == 201, status
        return [told[at] for at in self.screens]


def announce(postgres):
    """How long after the commit a screen of another server is told."""
    running = servers(postgres, 2)
    presser = Presser(running[0], [screen(one) for one in running])
    for _ in range(20):
        presser.press()
    before = commit(running[0])
    took = []
    for _ in range(PRESSES):
        took.append(presser.press())
        time.sleep(0.01)
    after = commit(running[0])
    mean = (after[0] - before[0]) / (after[1] - before[1])
    print(spread("press to a screen of that server", [one for one, _ in took]))
    print(spread("press to a screen of another", [other for _, other in took]))
    print(f"{'of which the transaction, mean':<34} {mean * 1000:14.2f} ms")
    rest = statistics.median(other for _, other in took) - mean
    print(f"{'the rest, request and announcement':<34} {rest * 1000:14.2f} ms")
    stop(running)


def commit(of):
    """Seconds and number of this server's transactions."""
    import requests

    text = requests.get(of.url + "/metrics", timeout=10).text
    return [float(text.split(f"button_commit_seconds_{what} ")[1].split()[0]) for what in ("sum", "count")]


def rate(postgres):
    """Presses a second that four servers take."""
    running = servers(postgres, 4)
    epoll, wires = select.epoll(), {}
    for number in range(CONNECTIONS):
        wire = Wire(running[number % 4])
        wires[wire.socket.fileno()] = wire
        epoll.register(wire.socket, select.EPOLLIN)
        wire.send(PRESS)
    end, done = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        for at, _ in epoll.poll(1):
            assert wires[at].answer()[0] == 201
            done += 1
            wires[at].send(PRESS)
    print(f"{'presses a second over 4 servers':<34} {done / SECONDS:14.0f}")
    stop(running)


def listeners(postgres):
    """How far apart the screens of fifty servers are told."""
    running = servers(postgres, LISTENERS)
    presser = Presser(running[0], [screen(one) for one in running])
    for _ in range(5):
        presser.press()
    apart = []
    for _ in range(40):
        time.sleep(0.25)
        took = presser.press()
        apart.append(max(took) - min(took))
    print(spread(f"{LISTENERS} servers, first to last screen", apart))
    stop(running)


def model(postgres):
    """Processor time of a press with 1, 2, 4, 8 servers and no screens, then with 4,000 in all."""
    print(
        f"{'CPU a press, ms':<18} {'servers':>10} {'PostgreSQL':>12}   with {SCREENS} screens: {'servers':>10}"
    )
    rows = {}
    for number in PROCESSES:
        running = servers(postgres, number)
        bare, database = cost(postgres, running)
        crowds = [crowd(one, SCREENS // number) for one in running]
        full, _ = cost(postgres, running)
        for one in crowds:
            one.kill()
            one.wait()
        stop(running)
        rows[number] = bare, database, full
        print(f"{number:>10} {'':<7} {bare:10.2f} {database:12.2f} {'':<21} {full:10.2f}")
    first, last = rows[PROCESSES[0]], rows[PROCESSES[-1]]
    span = PROCESSES[-1] - PROCESSES[0]
    a_screen = statistics.median((full - bare) / SCREENS for bare, _, full in rows.values()) * 1000
    print(
        f"a server more: {(last[0] - first[0]) / span:.2f} ms a press, of PostgreSQL {(last[1] - first[1]) / span:.2f}"
    )
    print(f"a screen more: {a_screen:.1f} µs a press")


def crowd(of, clients):
    command = [sys.executable, "-m", "bench.load", str(of.port), str(clients), "socketio"]
    process = Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True)
    assert process.stdout.readline().strip() == "ready"
    return process


def cost(postgres, running):
    """Milliseconds that a press costs the servers in all, and PostgreSQL."""

    def used():
        theirs = psutil.Process(postgres.process.pid)
        database = sum(sum(p.cpu_times()[:2]) for p in [theirs, *theirs.children(recursive=True)])
        return sum(cpu_seconds(one.process.pid) for one in running), database

    time.sleep(0.5)
    wire, begun, before = Wire(running[0]), time.monotonic(), used()
    for number in range(PRESSES):
        assert wire.ask("POST", "/api/press", headers=[f"Authorization: Bearer {TOKEN}"])[0] == 201
        while time.monotonic() < begun + (number + 1) * 0.05:
            time.sleep(0.002)
    busy = [after - then for after, then in zip(used(), before, strict=True)]
    idle_from = used()
    time.sleep(5)
    idle = [(after - then) / 5 for after, then in zip(used(), idle_from, strict=True)]
    return [1000 * (one - rest * PRESSES * 0.05) / PRESSES for one, rest in zip(busy, idle, strict=True)]


def faults(postgres):
    """How long a server takes to answer a WebSocket's ping while the database is frozen, killed, started; how
    soon after its return every screen shows the presses of the pin that came meanwhile."""
    running = servers(postgres, 2, hardware="simulated")
    wire = screen(running[0])
    lags, back = [], []

    def ping(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.perf_counter()
            wire.say(b"x", opcode=9)
            while wire.hear()[0] != 10:
                pass
            lags.append(time.perf_counter() - began)
            time.sleep(0.005)

    def freeze():
        for process in postgres.all_processes():
            process.suspend()

    def thaw():
        for process in postgres.all_processes():
            process.resume()

    def mended(mend):
        mend()
        return time.monotonic()

    with ThreadPoolExecutor(3) as pool:
        for fault, mend in ((freeze, thaw), (lambda: postgres.stop(signal.SIGQUIT), postgres.start)):
            seq = running[0].count()["seq"] + 1
            told = [pool.submit(told_at, screen(one), seq) for one in running]
            fault()
            running[0].push()
            ping(10)
            returned = pool.submit(mended, mend)
            ping(3)
            back.append(max(one.result() for one in told) - returned.result())
    print(
        f"{'all screens right after its return':<34} {', '.join(f'{one:.2f} s' for one in back)} (frozen, killed)"
    )
    print(spread("ping while PostgreSQL is away", lags))
    print(f"{'':<34} 99.9th percentile {percentile(lags, 0.999) * 1000:.2f} ms of {len(lags)}")
    stop(running)


def told_at(wire, seq):
    """When a screen was told of a change, on the monotonic clock."""
    while f'"seq":{seq},' not in wire.text():
        pass
    return time.monotonic()


def failover(postgres):
    """How soon the screens of a server that is killed are on another, behind nginx."""
    running = servers(postgres, 4, trusted_proxies=1)
    proxy = Deployed("nginx", Path(tempfile.mkdtemp()), running)
    crowd = Crowd(proxy.port, 400)
    had = running[3].health().json()["clients"]["screens"]
    running[3].stop(signal.SIGKILL)
    until(lambda: crowd.ask().returned >= had, "its screens")
    print(f"{f'{had} screens of a killed server, back':<34} within {crowd.ask().longest:6.1f} s")
    crowd.close()
    proxy.close()
    stop(running)


PARTS = {part.__name__: part for part in (announce, rate, listeners, failover, faults, model)}


def main():
    names = sys.argv[1:] or list(PARTS)
    # The servers go first (niceness -10): a watch that does not would see fifty of them ready at once.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(10))
    postgres = Postgres()
    try:
        for name in names:
            PARTS[name](postgres)
    finally:
        postgres.close()


if __name__ == "__main__":
    main()
