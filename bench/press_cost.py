"""CPU and latency of one `POST /api/press`, from the request to the response.

    python -m bench.press_cost [PROGRAM]

PROGRAM is the app.py of another checkout to compare. The two take turns, and the medians are printed.
"""

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.rig import HERE, cpu_seconds

PASSES = 5
PRESSES = 1500
TOKEN = "bench"
REQUEST = (
    f"POST /api/press HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\r\n"
).encode()


class PressServer:
    """A server in a temporary folder, with a connection for presses.

    `program` is its app.py. `before` is called in the new process before the program starts.
    """

    def __init__(self, program, host="127.0.0.1", max_clients="20000", before=None):
        self.folder = tempfile.TemporaryDirectory()
        environ = {name: value for name, value in os.environ.items() if not name.startswith("BUTTON_")}
        environ |= {
            "BUTTON_HOST": host,
            "BUTTON_PORT": "0",
            "BUTTON_HARDWARE": "none",
            "BUTTON_FEED": "off",
            "BUTTON_LOG": "warning",
            "BUTTON_API_TOKEN": TOKEN,
            "BUTTON_ADMIN_PASSWORD": TOKEN,
            "BUTTON_MAX_CLIENTS": max_clients,
        }
        self.process = subprocess.Popen(
            [sys.executable, str(program)],
            env=environ,
            cwd=self.folder.name,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,
        )
        while not (found := re.search(r"Serving on http://\S+:(\d+)", self.process.stderr.readline())):
            assert self.process.poll() is None, "the server exited"
        self.port = int(found[1])
        self.connection = socket.create_connection(("127.0.0.1", self.port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.press(1)  # otherwise the server would soon close the idle connection

    def press(self, times, pause=0.0):
        """Press `times` times and return the CPU and wall seconds per press."""
        before, started_at = cpu_seconds(self.process.pid), time.monotonic()
        for _ in range(times):
            self.connection.sendall(REQUEST)
            data = b""
            while not data.endswith(b"}\n"):
                data += self.connection.recv(4096) or b"closed}\n"
            time.sleep(pause)
        assert json.loads(data.split(b"\r\n\r\n")[1])["cause"] == "press"
        return (cpu_seconds(self.process.pid) - before) / times, (time.monotonic() - started_at) / times

    def stop(self):
        self.connection.close()
        self.process.terminate()
        self.process.communicate()
        self.folder.cleanup()


def main():
    programs = [HERE.parent / "app.py", *map(Path, sys.argv[1:])]
    servers = [PressServer(program) for program in programs]
    for server in servers:
        server.press(200)
    passes = [[server.press(PRESSES) for server in servers] for _ in range(PASSES)]
    for server in servers:
        server.stop()
    for number, program in enumerate(programs):
        cpu = statistics.median(row[number][0] for row in passes)
        latency = statistics.median(row[number][1] for row in passes)
        name = "this checkout" if number == 0 else str(program)
        print(f"{name}: {cpu * 1000:.2f} ms of CPU per press, {latency * 1000:.2f} ms until the response")
    for number in range(1, len(programs)):
        ratio = statistics.median(row[0][0] / row[number][0] for row in passes)
        print(f"ratio of CPU to {programs[number]}: {ratio:.2f}")


if __name__ == "__main__":
    main()
