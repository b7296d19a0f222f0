"""Debian roots of other architectures, whose programs run in qemu's user mode emulation under proot.

This needs neither binfmt_misc nor an Arm machine. The compilers alone are this machine's, as cross compilers.
"""

import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import psutil
import requests
from debian import CERTIFICATES, SHARED
from server import DEADLINE, ROOT, SUPPORT, TOKEN, until

PACKAGES = (
    "ca-certificates,python3-venv,python3-dev,libc6-dev,libffi-dev,libzmq3-dev,libpq5,make,gcc,g++,swig,"
    "coreutils,dash,bash,grep,sed,mawk,findutils"
)
#: Maximum seconds of a command.
TIMEOUT = 3600.0


class Architecture(NamedTuple):
    """Programs of this machine for an architecture of Debian."""

    emulator: str
    compiler: str  # the prefix of the cross compilers
    flags: str = ""

    def missing(self):
        """Return the programs that are not installed."""
        names = ("proot", self.emulator, f"{self.compiler}-gcc", f"{self.compiler}-g++")
        return [name for name in names if subprocess.run(["which", name], capture_output=True).returncode]


ARCHITECTURES = {
    "arm64": Architecture("qemu-aarch64-static", "aarch64-linux-gnu"),
    # Debian 13 has 64-bit times on armhf.
    "armhf": Architecture("qemu-arm-static", "arm-linux-gnueabihf", "-D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64"),
}


class Emulated:
    """A root of Debian 13 with a clone of the repository.

    Packages are unpacked by this machine and not configured, which the programs used here do not need.
    """

    def __init__(self, folder, name):
        self.name, self.root = name, folder / name
        self.architecture = ARCHITECTURES[name]
        sources = re.findall(
            r"^URIs: (\S+)", Path("/etc/apt/sources.list.d/debian.sources").read_text(), re.M
        )
        command = ["mmdebstrap", "--variant=extract", f"--arch={name}", f"--include={PACKAGES}"]
        subprocess.run([*command, "trixie", self.root, sources[0]], check=True, capture_output=True)
        for shared in SHARED:
            target = self.root / "etc" / shared
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path("/etc", shared).read_bytes())
        (self.root / "usr/bin/awk").symlink_to("mawk")
        # What set-up installs with apt-get is there.
        (self.root / "usr/bin/apt-get").symlink_to("true")
        subprocess.run(["git", "clone", "--quiet", ROOT, self.root / "root/the-button"], check=True)
        self._install_compilers()
        (self.root / "root/machine.c").write_text((SUPPORT / "machine.c").read_text())
        self.run("gcc", "-shared", "-fPIC", "-o", "/usr/lib/machine.so", "/root/machine.c")

    def _install_compilers(self):
        """Let the names of compilers run the cross compilers, with the root's C library."""
        prefix = self.architecture.compiler
        folder = self.root / "usr/local/bin"
        folder.mkdir(parents=True)
        for name, program in {"gcc": "gcc", "cc": "gcc", "g++": "g++", "c++": "g++"}.items():
            compiler = f"/host-rootfs/usr/bin/{prefix}-{program} {self.architecture.flags}"
            for path in (folder / name, folder / f"{prefix}-{name}"):
                path.write_text(f'#!/bin/sh\nunset LD_PRELOAD\nexec {compiler} "$@"\n')
                path.chmod(0o755)
        (self.root / f"usr/{prefix}").mkdir()
        (self.root / f"usr/{prefix}/lib").symlink_to(f"/usr/lib/{prefix}")

    def command(self, *program, files=None, machine=None, **environ):
        """Return the command that runs a program in the folder of the clone.

        Args:
            program: The program and its arguments.
            files: Files of this machine, by the paths that they get in the root.
            machine: What `uname -m` prints, if not the architecture.
            environ: Further environment variables.
        """
        environ |= {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        environ |= {"PIP_CERT": CERTIFICATES, "CFLAGS": "-O0", "CXXFLAGS": "-O0"}
        if machine:
            environ |= {"LD_PRELOAD": "/usr/lib/machine.so", "MACHINE": machine}
        binds = [f"--bind={path}" for path in ("/dev", "/proc", "/sys")]
        binds += [f"--bind={path}:{target}" for target, path in (files or {}).items()]
        proot = ["proot", "-q", self.architecture.emulator, "-r", self.root, "-0", "-w", "/root/the-button"]
        variables = [f"{name}={value}" for name, value in environ.items()]
        translated = [sys.executable, SUPPORT / "untranslated.py", *proot, *binds]
        return [*translated, "/usr/bin/env", "-i", *variables, *program]

    def run(self, *program, **options):
        command = self.command(*program, **options)
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def serve(self, files=None, **settings):
        """Start the server. A start in which qemu itself crashes, as it sometimes does, is repeated."""
        for _ in range(3):
            try:
                return EmulatedServer(self, files, settings)
            except AssertionError as error:
                if "qemu: uncaught target signal" not in str(error):
                    raise
        raise AssertionError("qemu crashed in three starts")


class EmulatedServer:
    """The server, running in an emulated root."""

    def __init__(self, emulated, files, settings):
        settings = {"PORT": 0, "HOST": "127.0.0.1", "API_TOKEN": TOKEN, "FEED": "off"} | settings
        environ = {f"BUTTON_{name}": value for name, value in settings.items()}
        command = emulated.command(".venv/bin/python", "app.py", files=files, **environ)
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.log = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        until(lambda: self.url or self.process.poll() is not None, "the server", TIMEOUT)
        assert self.url, "".join(self.log)

    def _read(self):
        with self.process.stderr as pipe:
            self.log.extend(pipe)

    @property
    def url(self):
        found = re.search(r"Serving on (http://\S+)", "".join(self.log))
        return found and found[1]

    def get(self, path):
        return requests.get(self.url + path, timeout=DEADLINE)

    def count(self):
        return self.get("/api/count").json()["count"]

    def press(self):
        """Press through the API and return the response."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return requests.post(f"{self.url}/api/press", headers=headers, timeout=DEADLINE)

    def stop(self):
        for child in psutil.Process(self.process.pid).children():
            child.terminate()
        status = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return status
