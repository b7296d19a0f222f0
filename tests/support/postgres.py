"""A real PostgreSQL server, in a temporary folder and on a free port."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import psutil
from server import DEADLINE, until

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/bin"))


class Postgres:
    """A PostgreSQL server. `new()` returns the URL of an empty database."""

    def __init__(self, primary=None):
        """Create a cluster, or a standby of `primary`."""
        self.folder = Path(tempfile.mkdtemp(prefix="button-postgres-"))
        # PostgreSQL does not run as root.
        self._user = (
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        )
        if self._user:
            shutil.chown(self.folder, "postgres", "postgres")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        if primary is not None:
            where = ["-h", "127.0.0.1", "-p", str(primary.port), "-U", "button"]
            self._run("pg_basebackup", "-D", self.folder / "data", "-R", "-X", "stream", "-c", "fast", *where)
            self.start()
            return
        options = ["--auth=trust", "--username=button", "--no-sync", "--encoding=UTF8", "--locale=C"]
        self._run("initdb", "-D", self.folder / "data", *options)
        self.start()

    def _run(self, program, *arguments):
        command = [*self._user, BINARIES / program, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=self.folder).stdout

    def start(self):
        command = [
            *self._user, BINARIES / "postgres", "-D", self.folder / "data", "-p", str(self.port),
            "-k", self.folder, "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=300",
        ]  # fmt: skip
        log = (self.folder / "log").open("a")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        log.close()
        until(self.is_ready, "PostgreSQL to accept connections")

    def is_ready(self):
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", self.port)):
                return False
        return not subprocess.run(
            [BINARIES / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        ).returncode

    def new(self):
        name = f"button_{secrets.token_hex(4)}"
        self.sql(f"CREATE DATABASE {name}", "postgres")
        return f"postgresql://button@127.0.0.1:{self.port}/{name}"

    def sql(self, statement, database):
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "button", "-d", database]
        return self._run("psql", "-qAtX", "-v", "ON_ERROR_STOP=1", *where, "-c", statement)

    def all_processes(self):
        """Return the server process and its children."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def stop(self, how=signal.SIGINT):
        """Stop the server with SIGINT (fast shutdown) or SIGQUIT (like a crash)."""
        self.process.send_signal(how)
        self.process.wait(DEADLINE)

    def close(self):
        for process in self.all_processes():
            with contextlib.suppress(psutil.NoSuchProcess):  # a backend that has just exited
                process.send_signal(signal.SIGCONT)
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)
