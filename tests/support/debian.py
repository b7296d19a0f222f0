"""Clean Debian roots, in which tests install the program."""

import contextlib
import re
import subprocess
import sys
import threading
from pathlib import Path

import psutil
from server import DEADLINE, ROOT, SUPPORT, until

#: Files that a root needs from this machine, for name resolution and to verify package indexes.
SHARED = ("resolv.conf", "hosts", "ssl/certs/ca-certificates.crt")
#: A mirror's package lists of a testing release expire after a week without an update. They are still signed.
EXPIRED = 'Acquire::Check-Valid-Until "false"'
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
ENVIRON = {
    "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "CI": "true",
    "PIP_CERT": CERTIFICATES,
    "NODE_EXTRA_CA_CERTS": CERTIFICATES,
}


class DebianRoot:
    """A Debian root of any suite, with a clone of the repository in /root/the-button."""

    def __init__(self, folder, suite, packages, architecture="amd64"):
        self.suite, self.root = suite, folder / suite
        self.environ = dict(ENVIRON)
        sources = Path("/etc/apt/sources.list.d/debian.sources").read_text()
        mirror = next(line.split()[1] for line in sources.splitlines() if line.startswith("URIs:"))
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}"]
        command += [f"--arch={architecture}", f"--aptopt={EXPIRED}"]
        subprocess.run([*command, suite, self.root, mirror], check=True)
        for name in SHARED:
            (self.root / "etc" / name).write_bytes(Path("/etc", name).read_bytes())
        subprocess.run(["git", "clone", "--quiet", ROOT, self.root / "root/the-button"], check=True)

    def command(self, script):
        """Return the command that runs a shell script in the clone.

        Processes that the script leaves running are killed.
        """
        # The root becomes a mount point, so that tests can create mount namespaces in it.
        enter = (
            'mount --bind "$0" "$0"; mount -t proc proc "$0/proc"; mount --rbind /sys "$0/sys";'
            ' mount --rbind /dev "$0/dev"; exec chroot "$0" "$@"'
        )
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        script = f"cd /root/the-button; {script}"
        return [*namespaces, "sh", "-euc", enter, self.root, *self.shell, script]

    @property
    def shell(self):
        return ["env", "-i", *(f"{name}={value}" for name, value in self.environ.items()), "sh", "-euc"]

    def path(self, name):
        return self.root / name.lstrip("/")

    def download_wheels(self):
        """Download the wheels with this machine's pip, so that the root installs them without a network."""
        version = self.run("python3 -c 'import sys; print(*sys.version_info[:2], sep=\".\")'").strip()
        text = (ROOT / "requirements.txt").read_text()
        wanted = self.path("wanted.txt")
        wanted.write_text(re.sub(r"(?m)^rpi-gpio==.*\n( .*\n)*", "", text))
        command = [sys.executable, "-m", "pip", "download", "--quiet", "-r", wanted]
        command += ["-d", self.path("wheels"), "--only-binary", ":all:", "--python-version", version]
        subprocess.run(command, check=True)
        self.environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}

    def run(self, script):
        """Run a script and return its output, which is also printed as it arrives."""
        printed = []
        with subprocess.Popen(
            self.command(script), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout:
                printed.append(line)
                print(line, end="", flush=True)
        assert process.returncode == 0, "".join(printed[-200:])
        return "".join(printed)


class BootedRoot:
    """A root booted with its systemd in separate namespaces, network included."""

    def __init__(self, debian):
        self.suite, self.root = debian.suite, debian.root
        self.path, self._shell = debian.path, debian.shell
        self.process = subprocess.Popen(
            ["sh", SUPPORT / "systemd.sh", self.root],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            self._systemd = until(self._find_systemd, "process 1")
            until(lambda: "running" in self.run("systemctl is-system-running 2>&1 || true"), "systemd", 60)
        except BaseException:
            self.close()
            raise

    def _find_systemd(self):
        """Return the PID of systemd in the root, or None until the script has started it."""
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.name() == "systemd":
                    return str(child.pid)
        return None

    def run(self, script):
        """Run a script and return its output."""
        enter = ["nsenter", "--target", self._systemd, "--all", "--root", "--wd"]
        done = subprocess.run([*enter, *self._shell, script], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def close(self):
        self.process.kill()
        self.process.wait(DEADLINE)


class Foreground:
    """A script that serves in the foreground of a root, with its log."""

    def __init__(self, debian, script):
        self.process = subprocess.Popen(
            debian.command(script), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.log = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        until(lambda: self.url or self.process.poll() is not None, "the server to start", deadline=300)
        assert self.url, "\n".join(self.log)

    def _read(self):
        with self.process.stderr as pipe:
            for line in pipe:
                self.log.append(line.rstrip("\n"))

    @property
    def url(self):
        found = [re.search(r"Serving on http://0\.0\.0\.0:(\d+)$", line) for line in self.log]
        return next((f"http://127.0.0.1:{one[1]}" for one in found if one), None)

    def stop(self):
        """Terminate every foreground process as Ctrl-C does. make forwards no signal."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            child.terminate()
        self.process.terminate()
        self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
