"""CPU and memory per client, compared with the physical limit and other servers.

Writes docs/performance.md. CPU is the user and system time of the server process. Each figure is the median of five
passes, in which the servers take turns in alternating order.
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
    """The product, with HTTP request, commit and broadcast."""

    name = "The Button"

    def burst(self, times, pause=0.0):
        """Press `times` times and return the CPU seconds per delivered count."""
        before = cpu_seconds(self.pid)
        self.presses.press(times, float(pause or 0))
        counts, _, closed, _ = self.report()
        assert not closed, f"{self.name}: {closed} clients were disconnected"
        return (cpu_seconds(self.pid) - before) / max(1, counts)


class Peer:
    """A server under load, with a client process."""

    def __init__(self, name, command, kind, clients):
        self.name, self.clients = name, clients
        self.server = self._start(command)
        self.port = int(self._read(self.server).split()[1])
        time.sleep(0.5)
        self.initial_memory, self.initial_cpu = self.memory(), self.cpu()
        self.load = self._start(
            [sys.executable, "-m", "bench.load", str(self.port), str(clients), kind], cwd=HERE.parent
        )
        assert self._read(self.load) == "ready"
        time.sleep(1.0)
        self.cpu_per_connect = (self.cpu() - self.initial_cpu) / clients
        self.memory_per_client = (self.memory() - self.initial_memory) / clients
        self.report()

    @staticmethod
    def _start(command, **options):
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, **options
        )

    @staticmethod
    def _read(process):
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{process.args} exited")
        return line.strip()

    def cpu(self):
        return cpu_seconds(self.server.pid)

    def memory(self):
        return int(Path(f"/proc/{self.server.pid}/statm").read_text().split()[1]) * 4096

    def report(self):
        """Return counts, bytes, closed connections and the time of the last count.

        Waits until data stops arriving.
        """
        self.load.stdin.write("report\n")
        return tuple(map(int, self._read(self.load).split()))

    def burst(self, times, pause=""):
        """Broadcast `times` times and return the CPU seconds per delivered count."""
        before = self.cpu()
        self.server.stdin.write(f"burst {times} {pause}".strip() + "\n")
        assert self._read(self.server) == "done"
        counts, _, closed, _ = self.report()
        assert not closed, f"{self.name}: {closed} clients were disconnected"
        return (self.cpu() - before) / max(1, counts)

    def stop(self):
        for process in (self.load, self.server):
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def install_peers(folder):
    """Install the peers; return the command and the kind of clients of each."""
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


def broadcast(commands, names, clients, times):
    """Return the CPU seconds per delivered count and the memory per client of each peer."""
    peers = [Peer(name, *commands[name], clients) for name in names]
    memory = {peer.name: peer.memory_per_client for peer in peers}
    return interleave(peers, times), memory


def ratio(figures, name):
    """Return the median ratio of The Button to a peer.

    Ratios are taken per pass, since interference in a pass affects both servers.
    """
    pairs = zip(figures["The Button"], figures[name], strict=True)
    return statistics.median(ours / theirs for ours, theirs in pairs)


def connects(commands, clients=3000):
    """Return the CPU seconds per connect of The Button and Node, in new processes."""
    names = ["The Button", "Node socket.io"]
    figures = {name: [] for name in names}
    for _ in range(PASSES):
        for name in names:
            peer = Peer(name, *commands[name], clients)
            figures[name].append(peer.cpu_per_connect)
            peer.stop()
        names.reverse()
    return figures


def interleave(peers, times, pause=""):
    """Return the CPU seconds per count of each peer, and stop the peers.

    Each pass has one burst per peer.
    """
    figures = {peer.name: [] for peer in peers}
    for peer in peers:
        peer.burst(times, pause)  # warm-up, since Node compiles hot functions
    for number in range(PASSES):
        for peer in peers if number % 2 else reversed(peers):
            figures[peer.name].append(peer.burst(times, pause))
            print(f"{peer.clients} clients, {peer.name}: {figures[peer.name][-1] * 1e6:.1f} us", flush=True)
    for peer in peers:
        peer.stop()
    return figures


def polling(commands, clients=300, times=8):
    """Return the CPU seconds per count with long polling, of engines and of whole presses.

    Both include Node. They are measured before the first ping, to which the load does not respond.
    """
    node = "Node socket.io"
    engines = [Peer(name, commands[name][0], "polling", clients) for name in ("The Button", node)]
    figures = interleave(engines, times, "0.1")
    products = [WholePress(clients, kind="polling"), Peer(node, commands[node][0], "polling", clients)]
    return figures, interleave(products, times, "0.1")


def whole_press(commands, clients=1000):
    """Return the CPU seconds per count of a whole press, and of the C loop."""
    limit = "C send() loop"
    return interleave([WholePress(clients), Peer(limit, *commands[limit], clients)], 100)


def ajax(clients=200, seconds=5):
    """Return the CPU seconds per second and client of pages that poll once a second.

    The connections are kept alive.
    """
    server = Peer._start([sys.executable, str(PEERS / "ajax.py")])
    address = ("127.0.0.1", int(Peer._read(server).split()[1]))
    pages = [socket.create_connection(address) for _ in range(clients)]
    before = cpu_seconds(server.pid)
    for _ in range(seconds):
        started_at = time.monotonic()
        for page in pages:
            page.sendall(b"GET /count HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        for page in pages:
            data = b""
            while b'"seq"' not in data:
                data += page.recv(4096)
        time.sleep(max(0, started_at + 1 - time.monotonic()))
    used = cpu_seconds(server.pid) - before
    for page in pages:
        page.close()
    server.kill()
    server.wait()
    server.stdin.close()
    server.stdout.close()
    return used / clients / seconds


def idle_clients(command, clients=9000):
    """Connect clients for two heartbeats.

    Returns the memory growth in bytes, the number of disconnected clients, and the CPU seconds per heartbeat.
    """
    peer = Peer("The Button", [*command, str(HEARTBEAT)], "socketio", clients)
    before = peer.cpu()
    started_at = time.monotonic()
    time.sleep(2.2 * HEARTBEAT)
    heartbeats = clients * (time.monotonic() - started_at) / HEARTBEAT
    cpu = (peer.cpu() - before) / heartbeats
    _, _, closed, _ = peer.report()
    growth = peer.memory() - peer.initial_memory
    peer.stop()
    return growth, closed, cpu


def stalled_clients(commands):
    """Stall 20 clients during 20,000 changes, then let one of them read.

    Returns the number of counts and bytes that it receives, whether the newest count is included, and the
    broadcast time relative to that without stalled clients.
    """
    command, kind = commands["The Button"]
    peer = Peer("The Button", command, kind, 100)
    without = [broadcast_seconds(peer) for _ in range(200)]
    clients = [open_stalled(peer.port) for _ in range(20)]
    peer.burst(20_000)
    beside = [broadcast_seconds(peer) for _ in range(200)]
    data = b""
    clients[0].settimeout(1)
    try:
        while more := clients[0].recv(65536):
            data += more
    except (TimeoutError, ConnectionResetError):
        pass
    peer.stop()
    has_newest = b"119999" in data or b'"seq":10000' in data.rsplit(b'"count"', 1)[-1]
    ratio = statistics.median(beside) / statistics.median(without)
    return data.count(b'"seq"'), len(data), has_newest, ratio


def broadcast_seconds(peer):
    """Broadcast once and return the duration in seconds."""
    started_at = time.monotonic()
    peer.server.stdin.write("burst 1\n")
    peer._read(peer.server)
    return time.monotonic() - started_at


def open_stalled(port):
    """Connect a client that stops reading, and return its socket.

    Its receive buffer is as small as on a small device.
    """
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    from bench.load import CONNECT, UPGRADE

    client.sendall(UPGRADE.format(port=port, offer="").encode() + CONNECT)
    data = b""
    while b"40{" not in data:
        data += client.recv(4096)
    return client


def main():
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        commands = install_peers(Path(folder))
        thousand, _ = broadcast(commands, list(commands), 1000, 120)
        names = ["C send() loop", "The Button", "Node ws", "Node socket.io"]
        five, memory = broadcast(commands, names, 5000, 40)
        whole = whole_press(commands)
        connect = connects(commands)
        polls, whole_polls = polling(commands)
        ajax_cpu = ajax()
        growth, closed, heartbeat = idle_clients(commands["The Button"][0])
        print(
            f"{growth / 1e6:.0f} MB, {closed} disconnected, {heartbeat * 1e6:.1f} us a heartbeat", flush=True
        )
        stale, size, has_newest, beside = stalled_clients(commands)
    many = capacity.many()
    limited, limited_missed = capacity.limited()
    ours = "The Button"
    lines = ["| | CPU per count, 1,000 clients | ratio | CPU per count, 5,000 clients | ratio |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for name in commands:
        row = [name]
        for figures in (thousand, five):
            measured = name in figures
            row.append(f"{statistics.median(figures[name]) * 1e6:.1f} µs" if measured else "–")
            row.append(f"{ratio(figures, name):.2f}" if measured else "–")
        lines.append("| " + " | ".join(row) + " |")
    node = "Node socket.io"
    figures = [
        ("CPU per count, ratio to the C loop, 1,000 clients", ratio(thousand, "C send() loop"), 1.15, 1.08),
        ("the same, 5,000 clients", ratio(five, "C send() loop"), 1.08, 1.03),
        ("the same for a whole press (HTTP, commit, broadcast), 1,000 clients", ratio(whole, "C send() loop"), 1.25, 1.15),
        ("CPU per count, ratio to Node socket.io, 1,000 clients", ratio(thousand, node), 0.60, 0.50),
        ("the same, 5,000 clients", ratio(five, node), 0.50, 0.40),
        ("CPU per count, ratio to Tornado, 1,000 clients", ratio(thousand, "Tornado"), 0.25, 0.18),
        ("CPU per count, ratio to stock Flask-SocketIO, 1,000 clients", ratio(thousand, "stock Flask-SocketIO"), 0.25, 0.18),
        (f"CPU per count by long polling, ratio to Node, 300 clients ({statistics.median(polls[ours]) * 1e6:.0f} µs)", ratio(polls, node), 0.6, 0.5),
        ("the same for a whole press", ratio(whole_polls, node), 0.65, 0.55),
        (f"CPU per WebSocket connect, ratio to Node ({statistics.median(connect[ours]) * 1e6:.0f} µs)", ratio(connect, node), 0.6, 0.5),
        ("µs of CPU per heartbeat, 9,000 clients", heartbeat * 1e6, 15, 10),
        ("MB for 9,000 clients after two heartbeats", growth / 1e6, 60, 30),
        ("disconnected of these", closed, 0, 0),
        (f"kB of memory per WebSocket client, 5,000 clients (Node: {memory[node] / 1000:.1f})", memory[ours] / 1000, 1.3, 1.0),
        (f"{many.clients:,} clients in one process after two heartbeats: clients that missed one of {capacity.PRESSES} presses", many.missed, 0, 0),
        ("ms until the last of them has a count", statistics.median(many.seconds) * 1000, 400, 200),
        ("MB for these clients", many.memory / 1e6, 60, 40),
        (f"MB for {capacity.GROUP_CLIENTS:,} clients in a control group of 200 MB, including the kernel's sockets", limited / 1e6, 160, 110),
        ("clients of these that missed a press", limited_missed, 0, 0),
        ("stale counts received by a client that stalled for 20,000 changes", stale, 200, 64),
        ("kB received by it, the newest count last" if has_newest else "THE NEWEST COUNT IS MISSING", size / 1000, 64, 64),
        ("time of a broadcast beside 20 stalled clients, ratio to one without", beside, 1.5, 1.1),
    ]  # fmt: skip
    lines += ["", "| figure | The Button | limit | target | |", "| --- | --- | --- | --- | --- |"]
    for name, value, limit, target in figures:
        verdict = "on target" if value <= target else "within limit" if value <= limit else "**missed**"
        lines.append(f"| {name} | {value:.3g} | {limit} | {target} | {verdict} |")
    lines += [
        "",
        f"The pages of the first version polled by AJAX once a second: {ajax_cpu * 1e6:.0f} µs per client and second, even",
        "without changes; a WebSocket client of this version costs a heartbeat every 10 s.",
    ]
    table = "\n".join(lines)
    print(table)
    write(table)
    rows = [f"| {name} | {value:.3g} | {limit} |" for name, value, limit, _ in figures]
    readme = HERE.parent / "realtime" / "README.md"
    fill(readme, "fanout", ["| figure | measured | limit |", "| --- | --- | --- |", *rows])


def write(table):
    """Write docs/performance.md with the table, the machine and the versions."""
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
of five passes, and the table shows the median figures and ratios. A count is a broadcast of about 100 bytes
to one client. "ratio" is The Button's CPU relative to the server in the row. The kernel's share, which the C loop
shows, depends on the processor: on two cores of an AMD EPYC (2026-11-24) the ratio to Node socket.io with 5,000 clients
was 0.54 for The Button and 0.49 for the C loop. The rows on clients in one process and on the control group are from
`python -m bench.capacity`, and those on a whole press from the product with its database.

{table}

The stale counts of a stalled client were in the kernel's buffers when it stopped reading; the newest count follows
directly after them.

Why it is fast: each broadcast is encoded once, and written to each WebSocket with an empty queue by one non-blocking
`send`. An idle client has no greenlet, queue or buffer. Long polls wait outside of WSGI, and the broadcast completes
them. One greenlet pings all clients.
"""
    (HERE.parent / "docs" / "performance.md").write_text(text)


if __name__ == "__main__":
    main()
