"""Installation on a clean Debian, with the README's commands and deploy/install.sh."""

import contextlib
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
import requests
from server import DEADLINE, ROOT, SUPPORT, Server, until

README = (ROOT / "README.md").read_text()
UNIT = (ROOT / "deploy/the-button.service").read_text()
#: The README's requirements, systemd as on any booted Debian, and ca-certificates for pip's index.
PACKAGES = "git,make,python3,ca-certificates,systemd-sysv"


ENVIRONMENT = [
    "env", "-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
    "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/wheels",
]  # fmt: skip
GET = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=20).read().decode())"


class Debian:
    """A clean Debian root from this machine's package sources, with the repository."""

    def __init__(self, folder):
        self.root = folder / "root"
        release = dict(
            line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line
        )
        sources = Path("/etc/apt/sources.list.d/debian.sources")
        if not sources.exists():
            sources = Path("/etc/apt/sources.list")
        command = ["mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", release["VERSION_CODENAME"]]
        subprocess.run([*command, self.root, sources], check=True, capture_output=True)
        clone = ["git", "clone", "--quiet", "--bare", ROOT, self.root / "repository"]
        subprocess.run(clone, check=True)
        self._download_wheels()

    def _download_wheels(self):
        """Download the wheels with this machine's pip, from its configured index."""
        version = self.run("python3 -c 'import sys; print(*sys.version_info[:2], sep=\".\")'").strip()
        text = (ROOT / "requirements.txt").read_text()
        (self.root / "wanted.txt").write_text(re.sub(r"(?m)^rpi-gpio==.*\n( .*\n)*", "", text))
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "-r", self.root / "wanted.txt", "-d",
            self.root / "wheels", "--only-binary", ":all:", "--python-version", version,
        ]  # fmt: skip
        subprocess.run(command, check=True)

    def command(self, script):
        """Return the command that runs a shell script as root in the Debian root."""
        mount = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
        return ["unshare", "--mount", "sh", "-euc", mount, self.root, *ENVIRONMENT, "sh", "-euc", script]

    def run(self, script):
        """Run a script and return its output."""
        done = subprocess.run(self.command(script), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def path(self, name):
        return self.root / name.lstrip("/")


class Booted(Debian):
    """The same root, booted with systemd in separate namespaces, including the network."""

    def __init__(self, debian):
        self.root = debian.root
        self.process = subprocess.Popen(
            ["sh", SUPPORT / "systemd.sh", self.root],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            self.systemd = until(self._systemd, "process 1")
            until(lambda: "running" in self.run("systemctl is-system-running 2>&1 || true"), "systemd", 60)
        except BaseException:
            self.close()
            raise

    def _systemd(self):
        """Return the PID of systemd in the root, or None if it has not started yet."""
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.name() == "systemd":
                    return str(child.pid)
        return None

    def command(self, script):
        enter = ["nsenter", "--target", self.systemd, "--all", "--root", "--wd"]
        return [*enter, *ENVIRONMENT, "sh", "-euc", script]

    def get(self, path, port=80):
        """Request a path in the network namespace, and return the response body."""
        return self.run(f"python3 -c '{GET}' http://127.0.0.1:{port}{path}")

    def main_pid(self, unit="the-button"):
        return self.run(f"systemctl show -P MainPID {unit}").strip()

    def close(self):
        self.process.kill()
        self.process.wait(DEADLINE)


class Served:
    """A script that runs a server in the foreground, with its log."""

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
        """Terminate all foreground processes, like Ctrl-C. make forwards no signals."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            child.terminate()
        self.process.terminate()
        self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    debian = Debian(tmp_path_factory.mktemp("debian"))
    yield debian
    shutil.rmtree(debian.root, ignore_errors=True)


def test_readme_commands_serve_a_page(debian):
    script = re.search(r"```sh\n(.*?)```", README, re.S)[1]
    clone, cd, make = re.fullmatch(
        r"(git clone <this repository> \S+) && (cd \S+)\n(make run)\nmake test\n", script
    ).groups()
    clone = clone.replace("<this repository>", "/repository")
    served = Served(debian, f"{clone}; {cd}; export BUTTON_PORT=0; exec {make}")
    try:
        page = requests.get(served.url, timeout=DEADLINE)
        assert page.ok
        assert "<canvas" in page.text
        assert "The button is simulated" in "\n".join(served.log)
    finally:
        served.stop()


def test_make_run_repairs_a_virtual_environment_whose_python_is_gone(debian):
    """Also if the user has set `PIP_USER`."""
    debian.run(
        "git clone --quiet /repository /repaired; cd /repaired; make .venv/run >/dev/null;"
        "ln -sf /usr/bin/python3.0 .venv/bin/python3"
    )
    served = Served(debian, "cd /repaired; export BUTTON_PORT=0 PIP_USER=1; exec make run")
    try:
        assert requests.get(served.url, timeout=DEADLINE).ok
    finally:
        served.stop()


@pytest.fixture
def booted(debian):
    debian.run(
        "dpkg -s python3-venv dbus >/dev/null 2>&1"
        " || (apt-get update && apt-get install -y python3-venv dbus)"
    )
    with disk_at(debian.path("/opt"), debian.root / "disk.img"):
        booted = Booted(debian)
        yield booted
        booted.close()


@contextlib.contextmanager
def disk_at(folder, image):
    """Mount a separate file system. Its file `image` has the state after a power cut."""
    with image.open("wb") as file:
        file.truncate(2**30)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        image.unlink()


def assert_release_survives_power_cut(booted, tmp_path):
    """Check that every file of the current release is complete on disk."""
    snapshot, mounted = tmp_path / "snapshot.img", tmp_path / "snapshot"
    subprocess.run(["cp", "--sparse=always", booted.root / "disk.img", snapshot], check=True)
    mounted.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", snapshot, mounted], check=True)
    try:
        current = mounted / "the-button" / (mounted / "the-button/current").readlink().name
        release = booted.path("/opt/the-button") / current.name
        files = [path.relative_to(release) for path in release.rglob("*") if path.is_file()]
        assert len(files) > 500
        assert [
            path for path in files if (current / path).stat().st_size != (release / path).stat().st_size
        ] == []
    finally:
        subprocess.run(["umount", mounted], check=True)
        snapshot.unlink()


def test_service_is_installed_restarted_upgraded_and_uninstalled(booted, tmp_path):
    printed = booted.run("git clone --quiet /repository /source && cd /source && deploy/install.sh")
    assert_release_survives_power_cut(booted, tmp_path)
    assert "The Button is at:\n" in printed
    password = re.search(r"^Admin password: (\S+)$", printed, re.M)[1]
    assert f"Admin password: {password}\n" in booted.run("journalctl -u the-button -o cat")
    assert "<canvas" in booted.get("/")
    assert "sudo the-button set-password" in booted.get("/admin/login")
    for unit in ("the-button.service", "the-button@.service"):
        assert_valid_and_hardened(booted.path(f"/etc/systemd/system/{unit}").read_text(), unit, tmp_path)
    assert booted.run(f"stat -c %U:%a /proc/{booted.main_pid()} /var/lib/the-button").split() == [
        "the-button:555", "the-button:700"
    ]  # fmt: skip
    assert booted.run(f"cut -d ' ' -f 19 /proc/{booted.main_pid()}/stat") == "-10\n", "the niceness"
    documents = re.findall(r"file:(\S+)", booted.run("systemctl show -P Documentation the-button"))
    assert len(documents) == 2
    assert all(booted.run(f"head -n 1 {path}").startswith("# ") for path in documents)
    assert booted.run("stat -c %U:%G:%a /etc/the-button.env") == "root:the-button:640\n"
    until(lambda: list(booted.path("/var/lib/the-button/backups").glob("*.db")), "a backup")

    environment = booted.path("/etc/the-button.env")
    text = environment.read_text()
    for name in re.findall(r"^\| `(BUTTON_\w+)`", README, re.M):
        assert re.search(rf"^#?{name}=", text, re.M), name
    # Line endings as written by editors on Windows.
    environment.write_bytes(
        (text + "BUTTON_API_TOKEN='a-token'\nBUTTON_TITLE=\"Till lunch\"\n").replace("\n", "\r\n").encode()
    )
    drop_in = booted.path("/etc/systemd/system/the-button.service.d")
    drop_in.mkdir()
    (drop_in / "hasty.conf").write_text("[Service]\nWatchdogSec=2\n")
    booted.run("systemctl daemon-reload && systemctl restart the-button")
    assert "Till lunch" in booted.get("/")
    press = f"import urllib.request as r; {GET[len('import sys, urllib.request as r; ') :]}"
    press = press.replace("sys.argv[1]", 'r.Request(u, b"", {"Authorization": "Bearer a-token"})')
    booted.run(f"python3 -c 'u = \"http://127.0.0.1/api/press\"; {press}'")
    for how in ("KILL", "STOP"):
        previous = booted.main_pid()
        booted.run(f"kill -{how} {previous}")
        until(lambda previous=previous: booted.main_pid() not in (previous, "0"), "a restart", deadline=60)
        until(lambda: booted.run("systemctl is-active the-button || true") == "active\n", "an active service")
        assert '"count":19' in booted.get("/api/count")

    booted.run("echo 'a new password' | the-button set-password")
    booted.run("the-button backup /var/lib/the-button/today.db")
    booted.run("mv /etc/the-button.env /etc/real.env && ln -s real.env /etc/the-button.env")
    locked = booted.run("cd /source && flock /run/the-button-install.lock deploy/install.sh 2>&1 || true")
    assert locked == "install.sh: another install.sh is running; wait for it\n"
    again = booted.run("cd /source && git pull --quiet && deploy/install.sh")
    assert_release_survives_power_cut(booted, tmp_path)
    assert booted.run("readlink /etc/the-button.env") == "real.env\n"
    environment = booted.path("/etc/real.env")
    assert "The admin password is unchanged" in again
    assert environment.read_text().count("BUTTON_API_TOKEN") == 2, "the comment and the value set above"
    assert len(list(booted.path("/opt/the-button").glob("2*"))) == 2, "this release and the previous one"
    assert '"count":19' in booted.get("/api/count")

    current = booted.run("readlink /opt/the-button/current").strip()
    booted.path(current + "/app.py").write_bytes(b"")  # as after a power cut
    booted.run("systemctl restart the-button")
    assert booted.run("readlink /opt/the-button/current").strip() != current
    assert "Files are missing" in booted.run("journalctl -u the-button -o cat")
    assert '"count":19' in booted.get("/api/count")

    good = environment.read_bytes()
    environment.write_bytes(good + b"BUTTON_GOAL=twenty\n")
    booted.run("systemctl restart the-button || true")
    until(lambda: booted.run("systemctl is-failed the-button || true") == "failed\n", "the service to fail")
    assert booted.run("the-button backup /tmp/x.db 2>&1 || echo $?").endswith("got 'twenty'\n2\n")
    environment.write_bytes(good)
    booted.run("systemctl reset-failed the-button && systemctl start the-button")

    booted.run("systemctl stop the-button && the-button restore /var/lib/the-button/today.db")
    booted.run("systemctl start the-button@8001")
    assert '"count":19' in booted.get("/api/count", 8001)
    booted.run("cd /source && deploy/uninstall.sh")
    assert booted.main_pid("the-button@8001") == "0"
    assert not booted.path("/opt/the-button").exists()
    assert booted.path("/var/lib/the-button/button.db").exists()
    booted.run("cd /source && deploy/uninstall.sh --purge")
    assert not booted.path("/var/lib/the-button").exists()
    assert not booted.path("/etc/the-button.env").is_symlink()
    assert "the-button" not in booted.path("/etc/passwd").read_text()


def assert_valid_and_hardened(text, name, folder):
    """Check that systemd accepts the unit, with an exposure of at most 2.0 out of 10."""
    unit = folder / name.replace("@", "@8001")
    unit.write_text(re.sub(r"(?m)^(ExecStart|ExecStartPre)=.*", r"\1=/bin/true", text))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert unit.name not in verified.stderr, verified.stderr
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-500:]


@pytest.mark.parametrize("script", ["install.sh", "uninstall.sh"])
def test_script_requires_root(script):
    command = ["setpriv", "--reuid=nobody", "--clear-groups", "sh", f"deploy/{script}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"{script}: must be run as root: sudo deploy/{script}\n"


def test_server_runs_with_memory_deny_write_execute(tmp_path):
    """PR_SET_MDWE (Linux 6.3) has the same effect as the unit's MemoryDenyWriteExecute=."""
    deny = "assert not ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])"
    server = Server(tmp_path, prefix=[sys.executable, "-c", f"import ctypes, os, sys; {deny}"])
    assert server.press()["count"] == 19
    server.push()
    assert server.count()["count"] == 18
    server.stop()
