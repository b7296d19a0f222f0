"""The README's commands on emulated 64-bit Arm, with Debian 13's Python."""

import re
import subprocess
import threading
from pathlib import Path

import psutil
import pytest
import requests
from server import DEADLINE, ROOT, TOKEN, until
from tested import record

pytestmark = pytest.mark.arm

PACKAGES = (
    "ca-certificates,python3-venv,make,gcc,libc6-dev,python3-dev,coreutils,dash,bash,grep,sed,mawk,findutils"
)
#: Timeout in seconds. Emulation is about 30 times slower than the machine.
SLOW = 900.0


class Emulated:
    """A root of another architecture, run in qemu's user-mode emulation under proot.

    Packages are only unpacked, not configured, which is enough for the programs used here.
    """

    def __init__(self, folder, architecture, emulator):
        self.root, self.emulator = folder / architecture, emulator
        sources = re.findall(
            r"^URIs: (\S+)", Path("/etc/apt/sources.list.d/debian.sources").read_text(), re.M
        )
        command = ["mmdebstrap", "--variant=extract", f"--arch={architecture}", f"--include={PACKAGES}"]
        subprocess.run([*command, "trixie", self.root, sources[0]], check=True, capture_output=True)
        for name in ("resolv.conf", "hosts", "ssl/certs/ca-certificates.crt"):
            target = self.root / "etc" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path("/etc", name).read_bytes())
        subprocess.run(["git", "clone", "--quiet", ROOT, self.root / "root/the-button"], check=True)

    def command(self, *program, **environ):
        """Return the command that runs a program in the clone's folder."""
        environ = {"PATH": "/usr/sbin:/usr/bin", "HOME": "/root", "LANG": "C.UTF-8"} | environ
        environ["PIP_CERT"] = "/etc/ssl/certs/ca-certificates.crt"
        binds = [word for path in ("/dev", "/proc", "/sys") for word in ("-b", path)]
        proot = ["proot", "-q", self.emulator, "-r", self.root, "-0", "-w", "/root/the-button", *binds]
        return [
            *proot,
            "/usr/bin/env",
            "-i",
            *(f"{name}={value}" for name, value in environ.items()),
            *program,
        ]

    def run(self, *program):
        done = subprocess.run(self.command(*program), capture_output=True, text=True, timeout=SLOW)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Served:
    """The server, running in the emulated root."""

    def __init__(self, emulated):
        settings = {"PORT": 0, "HOST": "127.0.0.1", "API_TOKEN": TOKEN, "FEED": "tcp://127.0.0.1:*"}
        settings |= {"HARDWARE": "simulated", "SIMULATED_PIN": "/tmp/pin"}
        environ = {f"BUTTON_{name}": value for name, value in settings.items()}
        command = emulated.command(".venv/bin/python", "app.py", **environ)
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.log = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        until(lambda: self.url or self.process.poll() is not None, "the server", SLOW)
        assert self.url, "".join(self.log)

    def _read(self):
        with self.process.stderr as pipe:
            self.log.extend(pipe)

    @property
    def url(self):
        found = re.search(r"Serving on (http://\S+)", "".join(self.log))
        return found and found[1]

    def count(self):
        return requests.get(self.url + "/api/count", timeout=DEADLINE).json()

    def stop(self):
        for child in psutil.Process(self.process.pid).children():
            child.terminate()
        status = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return status


def serve(emulated):
    """Start the server. Retry if qemu itself crashes, as it sometimes does."""
    for _ in range(3):
        try:
            return Served(emulated)
        except AssertionError as error:
            if "qemu: uncaught target signal" not in str(error):
                raise
    raise AssertionError("qemu crashed three times")


@pytest.fixture(scope="module")
def arm64(tmp_path_factory):
    if missing := [name for name in ("proot", "qemu-aarch64-static") if not _installed(name)]:
        pytest.fail(f"install {', '.join(missing)}: apt-get install proot qemu-user-static")
    return Emulated(tmp_path_factory.mktemp("arm"), "arm64", "qemu-aarch64-static")


def _installed(name):
    return subprocess.run(["which", name], capture_output=True).returncode == 0


def test_64_bit_arm_sets_up_serves_and_counts_over_a_restart(arm64):
    arm64.run("make", ".venv/run")
    version = arm64.run(
        ".venv/bin/python", "-c", "import platform, sys; print(platform.machine(), sys.version)"
    )
    assert version.startswith("aarch64 3.13."), version
    served = serve(arm64)
    assert "<canvas" in requests.get(served.url, timeout=DEADLINE).text
    for level in "01":
        (arm64.root / "tmp/pin").write_text(level)
        until(lambda: served.count()["count"] == 19, "the press")
    response = requests.post(
        f"{served.url}/api/press", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=DEADLINE
    )
    assert (response.status_code, response.json()["count"]) == (201, 18)
    assert served.stop() == 0
    served = serve(arm64)
    assert served.count()["seq"] == 2
    assert served.stop() == 0
    record(
        "emulated 64-bit Arm (aarch64), simulated button",
        "Debian trixie",
        version.split()[1],
        "make test-arm",
    )
