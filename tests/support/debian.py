"""Clean Debian roots, in which tests install the program."""

import subprocess
from pathlib import Path

from server import ROOT

#: Files that a root needs from this machine, for name resolution and to verify package indexes.
SHARED = ("resolv.conf", "hosts", "ssl/certs/ca-certificates.crt")
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
        self.root = folder / suite
        sources = Path("/etc/apt/sources.list.d/debian.sources").read_text()
        mirror = next(line.split()[1] for line in sources.splitlines() if line.startswith("URIs:"))
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}"]
        subprocess.run([*command, f"--arch={architecture}", suite, self.root, mirror], check=True)
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
        environ = ["env", "-i", *(f"{name}={value}" for name, value in ENVIRON.items())]
        script = f"cd /root/the-button; {script}"
        return [*namespaces, "sh", "-euc", enter, self.root, *environ, "sh", "-euc", script]

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
