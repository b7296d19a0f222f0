"""What a screen costs, against the physical limit and the peers, in one interleaved run.

Writes docs/performance.md. CPU is the server process's own, user and system; each figure is the median of
five passes, in which the servers take turns, forwards and backwards.
"""

import datetime
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import capacity
from bench.rig import HERE, cpu_seconds, fill, machine

PEERS = HERE / "peers"
PASSES = 5
HEARTBEAT = 10


class WholePress(capacity.Product):
    """The product: a press comes by HTTP, is committed, and then broadcast."""

    name = "The Button"

    def burst(self, times, pause=0.0):
        """Press so many times; return CPU seconds a delivered count."""
        before = cpu_seconds(self.pid)
        self.presses.press(times, float(pause or 0))
        counts, _, closed, _ = self.report()
        assert not closed, f"{self.name}: {closed} clients were dropped"
        return (cpu_seconds(self.pid) - before) / max(1, counts)


class Peer:
    """A server under load: its process, and the one that holds its clients."""

    def __init__(self, name, command, how, clients):
        self.name, self.clients = name, clients
        self.server = self._start(command)
        self.port = int(self._read(self.server).split()[1])
        time.sleep(0.5)
        self.memory, self.cpu = self.resident(), self.used()
        self.load = self._start(
            [sys.executable, "-m", "bench.load", str(self.port), str(clients), how], cwd=HERE.parent
        )
        assert self._read(self.load) == "ready"
        time.sleep(1.0)
        self.connect = (self.used() - self.cpu) / clients
        self.each = (self.resident() - self.memory) / clients
        self.report()

    @staticmethod
    def _start(command, **more):
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, **more
        )

    @staticmethod
    def _read(process):
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{process.args} has ended")
        return line.strip()

    def used(self):
        return cpu_seconds(self.server.pid)

    def resident(self):
        return int(Path(f"/proc/{self.server.pid}/statm").read_text().split()[1]) * 4096

    def report(self):
        """Counts, bytes and closed connections since the last report, once all is calm."""
        self.load.stdin.write("report\n")
        return tuple(map(int, self._read(self.load).split()))

    def burst(self, times, pause=""):
        """Broadcast so many times; returns CPU seconds a delivered count."""
        before = self.used()
        self.server.stdin.write(f"burst {times} {pause}".strip() + "\n")
        assert self._read(self.server) == "done"
        counts, _, closed, _ = self.report()
        assert not closed, f"{self.name}: {closed} clients were dropped"
        return (self.used() - before) / max(1, counts)

    def stop(self):
        for process in (self.load, self.server):
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def commands(folder):
    """How each peer is started; installs and compiles what they need."""
    subprocess.run(["npm", "install", "--silent", "--no-package-lock", "--no-audit"], cwd=PEERS, check=True)
    tornado = folder / "tornado"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", tornado]
    subprocess.run([*pip, "-r", PEERS / "requirements.txt"], check=True, stderr=subprocess.DEVNULL)
    limit = folder / "csend"
    subprocess.run(["gcc", "-O2", "-o", limit, PEERS / "csend.c"], check=True)
    python = sys.executable
    return {
        "C send() loop": ([str(limit)], "raw"),
        "The Button": ([python, str(PEERS / "ours.py")], "socketio"),
        "Node ws": (["node", str(PEERS / "node.js"), "ws"], "ws"),
        "Node socket.io": (["node", str(PEERS / "node.js"), "socketio"], "socketio"),
        "Tornado": (["env", f"PYTHONPATH={tornado}", python, str(PEERS / "tornado_peer.py")], "ws"),
        "stock Flask-SocketIO": ([python, str(PEERS / "stock.py")], "plain"),
    }


def broadcast(known, names, clients, times):
    """CPU a delivered count of each peer, with so many clients, back to back; and the memory of each."""
    peers = [Peer(name, *known[name], clients) for name in names]
    memory = {peer.name: peer.each for peer in peers}
    return in_turn(peers, times), memory


def ratio(figures, name):
    """Ours against another's: the median of the passes' ratios, since what slows one pass slows both."""
    return statistics.median(our / its for our, its in zip(figures["The Button"], figures[name], strict=True))


def connects(known, clients=3000):
    """CPU a connect, ours and Node's, one after the other, each time in a new process."""
    names = ["The Button", "Node socket.io"]
    figures = {name: [] for name in names}
    for _ in range(PASSES):
        for name in names:
            peer = Peer(name, *known[name], clients)
            figures[name].append(peer.connect)
            peer.stop()
        names.reverse()
    return figures


def in_turn(peers, times, pause=""):
    """Return CPU seconds a count of each peer, a burst in each pass; stop the peers."""
    figures = {peer.name: [] for peer in peers}
    for peer in peers:
        peer.burst(times, pause)  # Node compiles what has run often
    for number in range(PASSES):
        for peer in peers if number % 2 else reversed(peers):
            figures[peer.name].append(peer.burst(times, pause))
            print(f"{peer.clients} clients, {peer.name}: {figures[peer.name][-1] * 1e6:.1f} us", flush=True)
    for peer in peers:
        peer.stop()
    return figures


def polling(known, clients=300, times=8):
    """CPU a count by long polling, before the first ping, which the load does not answer.

    Ours and Node's; then a whole press and Node's.
    """
    node = "Node socket.io"
    engine = [Peer(name, known[name][0], "polling", clients) for name in ("The Button", node)]
    engine = in_turn(engine, times, "0.1")
    whole = [WholePress(clients, how="polling"), Peer(node, known[node][0], "polling", clients)]
    return engine, in_turn(whole, times, "0.1")


def whole_press(known, clients=1000):
    """CPU a count of a whole press, and of the C loop."""
    limit = "C send() loop"
    return in_turn([WholePress(clients), Peer(limit, *known[limit], clients)], 100)


def ajax(clients=200, seconds=5):
    """CPU a client and second of pages that ask for the count once a second on kept-alive connections."""
    server = Peer._start([sys.executable, str(PEERS / "ajax.py")])
    address = ("127.0.0.1", int(Peer._read(server).split()[1]))
    pages = [socket.create_connection(address) for _ in range(clients)]
    before = cpu_seconds(server.pid)
    for _ in range(seconds):
        begun = time.monotonic()
        for page in pages:
            page.sendall(b"GET /count HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        for page in pages:
            got = b""
            while b'"seq"' not in got:
                got += page.recv(4096)
        time.sleep(max(0, begun + 1 - time.monotonic()))
    used = cpu_seconds(server.pid) - before
    for page in pages:
        page.close()
    server.kill()
    server.wait()
    server.stdin.close()
    server.stdout.close()
    return used / clients / seconds


def nine_thousand(command):
    """9,000 clients through two heartbeats: growth of memory, clients dropped, CPU a heartbeat."""
    peer = Peer("The Button", [*command, str(HEARTBEAT)], "socketio", 9000)
    before = peer.used()
    begun = time.monotonic()
    time.sleep(2.2 * HEARTBEAT)
    beats = 9000 * (time.monotonic() - begun) / HEARTBEAT
    heartbeat = (peer.used() - before) / beats
    _, _, closed, _ = peer.report()
    growth = peer.resident() - peer.memory
    peer.stop()
    return growth, closed, heartbeat


def stalled(known):
    """One client that reads nothing through 20,000 changes, then all; 20 of them beside healthy ones."""
    command, how = known["The Button"]
    peer = Peer("The Button", command, how, 100)
    alone = [latency(peer) for _ in range(200)]
    clients = [stall(peer.port) for _ in range(20)]
    peer.burst(20_000)
    beside = [latency(peer) for _ in range(200)]
    got = b""
    clients[0].settimeout(1)
    try:
        while more := clients[0].recv(65536):
            got += more
    except (TimeoutError, ConnectionResetError):
        pass
    peer.stop()
    newest = b"119999" in got or b'"seq":10000' in got.rsplit(b'"count"', 1)[-1]
    return got.count(b'"seq"'), len(got), newest, statistics.median(beside) / statistics.median(alone)


def latency(peer):
    """Seconds from the order to broadcast until the last of the peer's clients is told."""
    begun = time.monotonic()
    peer.server.stdin.write("burst 1\n")
    peer._read(peer.server)
    return time.monotonic() - begun


def stall(port):
    """A client that connects and reads no more, with the receive buffer of a small device."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    from bench.load import CONNECT, UPGRADE

    client.sendall(UPGRADE.format(port=port, offer="").encode() + CONNECT)
    got = b""
    while b"40{" not in got:
        got += client.recv(4096)
    return client


def main():
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        known = commands(Path(folder))
        thousand, _ = broadcast(known, list(known), 1000, 120)
        names = ["C send() loop", "The Button", "Node ws", "Node socket.io"]
        five, memory = broadcast(known, names, 5000, 40)
        whole = whole_press(known)
        opened = connects(known)
        polls, whole_polls = polling(known)
        asked = ajax()
        growth, dropped, heartbeat = nine_thousand(known["The Button"][0])
        print(f"{growth / 1e6:.0f} MB, {dropped} dropped, {heartbeat * 1e6:.1f} us a heartbeat", flush=True)
        stale, kept, newest, beside = stalled(known)
    many = capacity.many()
    limited, limited_missed = capacity.limited()
    ours = "The Button"
    lines = ["| | CPU a count, 1,000 clients | ours / it | CPU a count, 5,000 clients | ours / it |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for name in known:
        row = [name]
        for figures in (thousand, five):
            known_here = name in figures
            row.append(f"{statistics.median(figures[name]) * 1e6:.1f} µs" if known_here else "–")
            row.append(f"{ratio(figures, name):.2f}" if known_here else "–")
        lines.append("| " + " | ".join(row) + " |")
    node = "Node socket.io"
    figures = [
        ("CPU a count against the C loop, 1,000 clients", ratio(thousand, "C send() loop"), 1.15, 1.08),
        ("the same, 5,000 clients", ratio(five, "C send() loop"), 1.08, 1.03),
        ("the same of a whole press (HTTP, commit, broadcast), 1,000 clients", ratio(whole, "C send() loop"), 1.25, 1.15),
        ("CPU a count against Node socket.io, 1,000 clients", ratio(thousand, node), 0.60, 0.50),
        ("the same, 5,000 clients", ratio(five, node), 0.50, 0.40),
        ("against Tornado, 1,000 clients", ratio(thousand, "Tornado"), 0.25, 0.18),
        ("against stock Flask-SocketIO, 1,000 clients", ratio(thousand, "stock Flask-SocketIO"), 0.25, 0.18),
        (f"CPU a count by long polling against Node, 300 clients ({statistics.median(polls[ours]) * 1e6:.0f} µs)", ratio(polls, node), 0.6, 0.5),
        ("the same of a whole press", ratio(whole_polls, node), 0.65, 0.55),
        (f"CPU a WebSocket connect against Node ({statistics.median(opened[ours]) * 1e6:.0f} µs)", ratio(opened, node), 0.6, 0.5),
        ("µs of CPU a heartbeat, 9,000 clients", heartbeat * 1e6, 15, 10),
        ("MB that 9,000 clients take through two heartbeats", growth / 1e6, 60, 30),
        ("of them dropped", dropped, 0, 0),
        (f"kB of memory a WebSocket client, 5,000 of them (Node: {memory[node] / 1000:.1f})", memory[ours] / 1000, 1.3, 1.0),
        (f"of {many.clients:,} clients in one process, those that missed one of {capacity.PRESSES} presses after two heartbeats", many.missed, 0, 0),
        ("ms until the last of them has a count", statistics.median(many.seconds) * 1000, 400, 200),
        ("MB that they take", many.memory / 1e6, 60, 40),
        (f"MB of a server with {capacity.GROUP_CLIENTS:,} clients, the kernel's sockets included, in a control group of 200 MB", limited / 1e6, 160, 110),
        ("of these clients, those that missed a press", limited_missed, 0, 0),
        ("stale counts of a client that stalls for 20,000 changes", stale, 200, 64),
        ("kB that it is sent in all, the newest count last" if newest else "THE NEWEST COUNT IS MISSING", kept / 1000, 64, 64),
        ("time of a broadcast beside 20 stalled clients, against one without", beside, 1.5, 1.1),
    ]  # fmt: skip
    lines += ["", "| figure | The Button | must | aim | |", "| --- | --- | --- | --- | --- |"]
    for name, got, must, aim in figures:
        verdict = "aim" if got <= aim else "must" if got <= must else "**missed**"
        lines.append(f"| {name} | {got:.3g} | {must} | {aim} | {verdict} |")
    lines += [
        "",
        f"The first version's pages polled by AJAX once a second: {asked * 1e6:.0f} µs a client and second, whether or not",
        "anything happens; a WebSocket client here costs a heartbeat every 10 s.",
    ]
    table = "\n".join(lines)
    print(table)
    write(table)
    rows = [f"| {name} | {got:.3g} | {limit} |" for name, got, limit, _ in figures]
    readme = HERE.parent / "realtime" / "README.md"
    fill(readme, "fanout", ["| figure | measured | limit |", "| --- | --- | --- |", *rows])


def write(table):
    """docs/performance.md, with the machine and the versions."""
    from importlib.metadata import version

    import engineio
    import flask_socketio
    import gevent

    assert engineio and flask_socketio and gevent
    versions = ", ".join(
        f"{name} {version(name)}"
        for name in ("gevent", "Flask-SocketIO", "python-socketio", "python-engineio")
    )
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    text = f"""# Performance

Measured by `python -m bench fanout` (part of `make bench`) on {datetime.date.today():%Y-%m-%d}, on {machine()},
{versions}; Node {node} with socket.io 4.8.4 and
ws 8.23.0, Tornado 6.6.1. Servers and clients share one machine, so compare the ratios: the servers take turns in each
of five passes, and the table shows the medians of their figures and of their ratios. A count is a broadcast of about
100 bytes to one client. "must" is the limit, "aim" the goal. The kernel's share, which the C loop shows, differs
between processors: on two cores of AMD EPYC (2026-11-24) the Button was at 0.54 of Node socket.io with 5,000
clients, and the C loop at 0.49. The rows about clients in one process and the control group come from
`python -m bench.capacity`, those about a whole press from the product with its database.

{table}

The stale counts of a stalled client are what the kernel held for it when it stopped reading; the newest count comes
right after them.

Why it is fast: a broadcast is encoded once, and one non-blocking `send` writes it to each WebSocket that has nothing
queued. A client has no greenlet, queue or buffer while nothing happens. Long polls wait outside of WSGI, and the
broadcast answers them. One greenlet pings all clients.
"""
    (HERE.parent / "docs" / "performance.md").write_text(text)


if __name__ == "__main__":
    main()
