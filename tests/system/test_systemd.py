"""Notifications to systemd, and log lines for its journal."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest
import requests
from server import DEADLINE, ROOT, SUPPORT, until

VARIANT = SUPPORT / "faulty_app.py"


@pytest.fixture
def systemd(tmp_path):
    """Notification socket that stands in for systemd's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(DEADLINE)
        yield one


def notify_environ(systemd, **more):
    return {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "1200000", **more}


def receive(systemd):
    return systemd.recv(100).decode()


def test_server_sends_ready_then_watchdog_then_stopping(systemd, start):
    server = start(environ=notify_environ(systemd))
    assert receive(systemd) == "READY=1"
    assert requests.get(server.url, timeout=DEADLINE).ok
    assert [receive(systemd) for _ in range(3)] == ["WATCHDOG=1\nSTATUS=20 of 20 to go, 0 screens"] * 3
    server.press()
    until(lambda: "STATUS=19 of 20 to go" in receive(systemd), "the status")
    server.stop()
    while (state := receive(systemd)).startswith("WATCHDOG=1\n"):
        pass
    assert state == "STOPPING=1"


@pytest.mark.parametrize(
    "variant",
    ["hub hangs", *(pytest.param(f"{part} hangs", marks=pytest.mark.slow) for part in ("sampler", "writer"))],
)
def test_watchdog_notifications_stop_when_a_component_hangs(systemd, start, variant):
    server = start(program=VARIANT, environ=notify_environ(systemd, VARIANT=variant))
    server.set_level("0")
    server.release_after(0.25)
    assert receive(systemd) == "READY=1"
    assert receive(systemd).startswith("WATCHDOG=1\n")
    systemd.settimeout(1.2)  # WATCHDOG_USEC
    with pytest.raises(TimeoutError):
        for _ in range(200):
            receive(systemd)
    server.stop(signal.SIGKILL)


@pytest.mark.parametrize("to_journal", [True, False])
def test_log_lines_have_priorities_if_standard_error_is_the_journal(tmp_path, to_journal):
    reader, writer = os.pipe()
    stream = os.fstat(writer)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BUTTON_")}
    environ |= {"JOURNAL_STREAM": f"{stream.st_dev}:{stream.st_ino + (not to_journal)}", "BUTTON_PORT": "0"}
    environ |= {"BUTTON_HARDWARE": "none", "BUTTON_FEED": "off", "BUTTON_TITEL": "a typing error"}
    with subprocess.Popen(
        [sys.executable, ROOT / "app.py"], cwd=tmp_path, env=environ, stderr=writer
    ) as process, open(reader) as log:  # fmt: skip
        os.close(writer)
        lines = []
        while not lines or "Serving on" not in lines[-1]:
            lines.append(log.readline())
        process.terminate()
    warnings = [line for line in lines if "did you mean" in line]
    assert [bool(re.match("<4>[0-9]{4}-", line)) for line in warnings] == [to_journal]
    assert not lines[-1].startswith("<")


def test_sigusr1_logs_the_stacks_of_greenlets_and_threads(server):
    server.process.send_signal(signal.SIGUSR1)
    until(lambda: any("_sample" in line for line in server.log), "the sampler's stack")
    until(lambda: any("Greenlet" in line for line in server.log), "the greenlets")
    assert server.press()["seq"] == 1


def test_debug_log_follows_a_press_and_contains_no_secret(start, watch):
    server = start(log="debug")
    screen = watch(server, auth={"token": "a-token-for-tests"})
    server.push()
    screen.wait_for(1)
    screen.close()
    until(lambda: any("closed: " in line for line in server.log), "the end of the session")
    log = "\n".join(server.log)
    for line in (
        "Contact button pressed",
        "Recording press by button",
        "Broadcast seq 1",
        "opened by 127.0.0.1",
    ):
        assert line in log
    assert "a-token-for-tests" not in log
