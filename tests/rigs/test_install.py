"""Installation on a clean Debian, with the README's commands and deploy/install.sh."""

import contextlib
import re
import shutil
import subprocess
import sys

import pytest
import requests
from debian import BootedRoot, DebianRoot, Foreground
from server import DEADLINE, ROOT, Server, until
from tested import record

README = (ROOT / "README.md").read_text()
UNIT = (ROOT / "deploy/the-button.service").read_text()
#: The README's requirements, systemd as on any booted Debian, and certificates for the package indexes.
PACKAGES = "git,make,python3,ca-certificates,systemd-sysv"
GET = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=20).read().decode())"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def debian(request, tmp_path_factory):
    debian = DebianRoot(tmp_path_factory.mktemp("debian"), request.param, PACKAGES)
    debian.download_wheels()
    yield debian
    shutil.rmtree(debian.root, ignore_errors=True)


def test_readme_commands_serve_a_page(debian):
    script = re.search(r"```sh\n(.*?)```", README, re.S)[1]
    clone, cd, make = re.fullmatch(
        r"(git clone <this repository> \S+) && (cd \S+)\n(make run)\nmake test\n", script
    ).groups()
    clone = clone.replace("<this repository>", "/root/the-button")
    served = Foreground(debian, f"{clone}; {cd}; export BUTTON_PORT=0; exec {make}")
    try:
        page = requests.get(served.url, timeout=DEADLINE)
        assert page.ok
        assert "<canvas" in page.text
        assert "The button is simulated" in "\n".join(served.log)
    finally:
        served.stop()


@pytest.mark.parametrize("variable", ["PIP_USER=1", ""], ids=["PIP_USER", "user = true"])
def test_make_run_repairs_a_virtual_environment_whose_python_is_gone(debian, variable):
    """Also if the user's pip installs into the home folder."""
    debian.run(
        "rm -rf /repaired; git clone --quiet . /repaired; cd /repaired; make .venv/run >/dev/null;"
        "ln -sf /usr/bin/python3.0 .venv/bin/python3"
    )
    debian.path("/etc/pip.conf").write_text("[install]\nuser = true\n")
    served = Foreground(debian, f"cd /repaired; export BUTTON_PORT=0 {variable}; exec make run")
    try:
        assert requests.get(served.url, timeout=DEADLINE).ok
    finally:
        served.stop()


@pytest.fixture
def booted(debian):
    debian.run(
        "dpkg -s python3-venv adduser dbus >/dev/null 2>&1"
        " || (apt-get update && apt-get install -y python3-venv adduser dbus)"
    )
    with disk_at(debian.path("/opt"), debian.root / "disk.img"):
        booted = BootedRoot(debian)
        yield booted
        booted.close()


def get(booted, path, port=80):
    """Return a response body, requested within the network namespace."""
    return booted.run(f"python3 -c '{GET}' http://127.0.0.1:{port}{path}")


def main_pid(booted, unit="the-button"):
    return booted.run(f"systemctl show -P MainPID {unit}").strip()


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
    printed = booted.run("git clone --quiet /root/the-button /source && cd /source && deploy/install.sh")
    assert_release_survives_power_cut(booted, tmp_path)
    assert "The Button is at:\n" in printed
    password = re.search(r"^Admin password: (\S+)$", printed, re.M)[1]
    assert f"Admin password: {password}\n" in booted.run("journalctl -u the-button -o cat")
    assert "<canvas" in get(booted, "/")
    assert "sudo the-button set-password" in get(booted, "/admin/login")
    for unit in ("the-button.service", "the-button@.service"):
        assert_valid_and_hardened(booted.path(f"/etc/systemd/system/{unit}").read_text(), unit, tmp_path)
    assert booted.run(f"stat -c %U:%a /proc/{main_pid(booted)} /var/lib/the-button").split() == [
        "the-button:555", "the-button:700"
    ]  # fmt: skip
    assert booted.run(f"cut -d ' ' -f 19 /proc/{main_pid(booted)}/stat") == "-10\n", "the niceness"
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
    assert "Till lunch" in get(booted, "/")
    press = f"import urllib.request as r; {GET[len('import sys, urllib.request as r; ') :]}"
    press = press.replace("sys.argv[1]", 'r.Request(u, b"", {"Authorization": "Bearer a-token"})')
    booted.run(f"python3 -c 'u = \"http://127.0.0.1/api/press\"; {press}'")
    for how in ("KILL", "STOP"):
        previous = main_pid(booted)
        booted.run(f"kill -{how} {previous}")
        until(lambda previous=previous: main_pid(booted) not in (previous, "0"), "a restart", deadline=60)
        until(lambda: booted.run("systemctl is-active the-button || true") == "active\n", "an active service")
        assert '"count":19' in get(booted, "/api/count")

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
    assert '"count":19' in get(booted, "/api/count")

    current = booted.run("readlink /opt/the-button/current").strip()
    booted.path(current + "/app.py").write_bytes(b"")  # as after a power cut
    booted.run("systemctl restart the-button")
    assert booted.run("readlink /opt/the-button/current").strip() != current
    assert "Files are missing" in booted.run("journalctl -u the-button -o cat")
    assert '"count":19' in get(booted, "/api/count")

    good = environment.read_bytes()
    environment.write_bytes(good + b"BUTTON_GOAL=twenty\n")
    booted.run("systemctl restart the-button || true")
    until(lambda: booted.run("systemctl is-failed the-button || true") == "failed\n", "the service to fail")
    assert booted.run("the-button backup /tmp/x.db 2>&1 || echo $?").endswith("got 'twenty'\n2\n")
    environment.write_bytes(good)
    booted.run("systemctl reset-failed the-button && systemctl start the-button")

    booted.run("systemctl stop the-button && the-button restore /var/lib/the-button/today.db")
    booted.run("systemctl start the-button@8001")
    assert '"count":19' in get(booted, "/api/count", 8001)
    booted.run("cd /source && deploy/uninstall.sh")
    assert main_pid(booted, "the-button@8001") == "0"
    assert not booted.path("/opt/the-button").exists()
    assert booted.path("/var/lib/the-button/button.db").exists()
    booted.run("cd /source && deploy/uninstall.sh --purge")
    assert not booted.path("/var/lib/the-button").exists()
    assert not booted.path("/etc/the-button.env").is_symlink()
    assert "the-button" not in booted.path("/etc/passwd").read_text()
    python = booted.run("python3 -VV").split()[1]
    record("x86_64, deploy/install.sh with systemd", f"Debian {booted.suite}", python, "make test-slow")


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
