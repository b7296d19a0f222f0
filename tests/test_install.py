"""From a clean Debian to a served page by the README's commands, and to a service by deploy/install.sh."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests
from running import DEADLINE, ROOT, Server, until

README = (ROOT / "README.md").read_text()
UNIT = (ROOT / "deploy/the-button.service").read_text()
#: Nothing but what the README asks for; ca-certificates so that pip trusts its index.
PACKAGES = "git,make,python3,ca-certificates"


class Debian:
    """A clean root, made with the machine's own sources of packages, and the repository to clone."""

    def __init__(self, folder):
        self.root = folder / "root"
        self.python = None
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
        self._give_pip_its_packages()

    def _give_pip_its_packages(self):
        """Whatever index this machine's pip is set to, it is asked here, by this machine's pip."""
        version = self.run("python3 -c 'import sys; print(*sys.version_info[:2], sep=\".\")'").stdout.strip()
        wanted = [
            line
            for line in (ROOT / "requirements.txt").read_text().splitlines()
            if not line.startswith("RPi.GPIO")
        ]
        (self.root / "wanted.txt").write_text("\n".join(wanted))
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "-r", self.root / "wanted.txt", "-d",
            self.root / "wheels", "--only-binary", ":all:", "--python-version", version,
        ]  # fmt: skip
        subprocess.run(command, check=True)

    def command(self, script):
        """The command that runs a script of sh in the root, as its root."""
        environment = {
            "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
            "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels",
        }  # fmt: skip
        pairs = [f"{name}={value}" for name, value in environment.items()]
        mount = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
        isolated = ["unshare", "--mount", "sh", "-euc", mount, self.root]
        return [*isolated, "env", "-i", *pairs, "sh", "-euc", script]

    def run(self, script, check=True):
        done = subprocess.run(self.command(script), capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def path(self, name):
        return self.root / name.lstrip("/")


class Served:
    """A script that ends in a server, and its log."""

    def __init__(self, debian, script):
        self.process = subprocess.Popen(
            debian.command(script), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.log = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        until(lambda: self.url or self.process.poll() is not None, "the server", deadline=300)
        assert self.url, "\n".join(self.log)

    def _read(self):
        with self.process.stderr as pipe:
            for line in pipe:
                self.log.append(line.rstrip("\n"))

    @property
    def url(self):
        found = [re.search(r"Serving on http://0\.0\.0\.0:(\d+)$", line) for line in self.log]
        return next((f"http://127.0.0.1:{one[1]}" for one in found if one), None)

    def password(self):
        return next(line.removeprefix("Admin password: ") for line in self.log if "Admin password: " in line)

    def stop(self):
        """Ctrl-C reaches all that run in the foreground."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    debian = Debian(tmp_path_factory.mktemp("debian"))
    yield debian
    shutil.rmtree(debian.root, ignore_errors=True)


def test_the_two_commands_of_the_readme_serve_a_page(debian):
    script = re.search(r"```sh\n(.*?)```", README, re.S)[1]
    clone, cd, make = re.fullmatch(
        r"(git clone <this repository> \S+) && (cd \S+)\n(make run)\n", script
    ).groups()
    clone = clone.replace("<this repository>", "/repository")
    served = Served(debian, f"{clone}; {cd}; export BUTTON_PORT=0; exec {make}")
    try:
        page = requests.get(served.url, timeout=DEADLINE)
        assert page.ok
        assert "<canvas" in page.text
        assert "The button is simulated" in "\n".join(served.log)
    finally:
        for child in children(served.process.pid):
            os.kill(child, signal.SIGTERM)
        served.stop()


def children(pid):
    """The processes beneath one: make passes no signal on."""
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def test_it_is_installed_as_a_service_upgraded_and_taken_off(debian, tmp_path):
    first = debian.run("git clone --quiet /repository /source && cd /source && deploy/install.sh")
    assert "Installed." in first.stdout
    for unit in ("the-button.service", "the-button@.service"):
        assert_sound_and_hardened(debian.path(f"/etc/systemd/system/{unit}").read_text(), unit, tmp_path)
    environment = debian.path("/etc/the-button.env")
    assert stat.S_IMODE(environment.stat().st_mode) == 0o640
    text = environment.read_text()
    for name in re.findall(r"^\| `(BUTTON_\w+)`", README, re.M):
        assert re.search(rf"^#?{name}=", text, re.M), name
    assert "\nBUTTON_PORT=80\n" in text
    environment.write_text(
        text.replace("BUTTON_PORT=80", "BUTTON_PORT=0")
        + "BUTTON_API_TOKEN='a-token'\nBUTTON_TITLE=Till lunch\n"
    )

    served = Served(debian, service())
    assert "Till lunch" in requests.get(served.url, timeout=DEADLINE).text
    headers = {"Authorization": "Bearer a-token"}
    assert requests.get(served.url + "/healthz", timeout=DEADLINE).json()["backups"]["warnings"] == []
    until(lambda: list(debian.path("/var/lib/the-button/backups").glob("*.db")), "a backup")
    owner = debian.path("/var/lib/the-button/button.db").stat()
    assert owner.st_uid != 0
    assert requests.post(served.url + "/api/press", headers=headers, timeout=DEADLINE).status_code == 201
    served.stop()

    debian.run("echo 'a new password' | the-button set-password")
    debian.run("the-button backup /var/lib/the-button/today.db")
    again = debian.run("cd /source && git pull --quiet && deploy/install.sh")
    assert "Installed." in again.stdout
    assert environment.read_text().count("BUTTON_API_TOKEN") == 2, "the comment of the first time, and ours"
    assert len(list(debian.path("/opt/the-button").glob("2*"))) == 2, "this release and the former"
    served = Served(debian, service())
    assert not any("Admin password" in line for line in served.log)
    assert requests.get(served.url + "/api/count", timeout=DEADLINE).json()["count"] == 19
    served.stop()

    debian.run("cd /source && deploy/uninstall.sh")
    assert not debian.path("/opt/the-button").exists()
    assert debian.path("/var/lib/the-button/button.db").exists()
    debian.run("cd /source && deploy/uninstall.sh --purge")
    assert not debian.path("/var/lib/the-button").exists()
    assert not environment.exists()
    assert "the-button" not in debian.path("/etc/passwd").read_text()


def service():
    """What systemd does with the unit, done by deploy/the-button: same settings, user, folder, command."""
    settings = dict(line.split("=", 1) for line in UNIT.splitlines() if re.match(r"[A-Z]\w+=", line))
    wrapper = (ROOT / "deploy/the-button").read_text()
    for name in ("EnvironmentFile", "WorkingDirectory", "User", "ExecStart"):
        assert settings[name] in wrapper
    return f"umask {settings['UMask']} && exec /usr/local/bin/the-button"


def assert_sound_and_hardened(text, name, folder):
    """systemd knows every line, and puts the exposure at 2.0 of 10 at most."""
    unit = folder / name.replace("@", "@8001")
    unit.write_text(re.sub(r"(?m)^ExecStart=.*", "ExecStart=/bin/true", text))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert unit.name not in verified.stderr, verified.stderr
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-500:]


@pytest.mark.parametrize("script", ["install.sh", "uninstall.sh"])
def test_who_is_not_root_is_told_so(script):
    command = ["setpriv", "--reuid=nobody", "--clear-groups", "sh", f"deploy/{script}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"{script}: must be run as root: sudo deploy/{script}\n"


def test_it_runs_where_no_memory_may_be_written_and_executed(tmp_path):
    """MemoryDenyWriteExecute= of the unit, as the kernel itself has it since 6.3 (PR_SET_MDWE)."""
    deny = "assert not ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])"
    server = Server(tmp_path, prefix=[sys.executable, "-c", f"import ctypes, os, sys; {deny}"])
    assert server.press()["count"] == 19
    server.push()
    assert server.count()["count"] == 18
    server.stop()
