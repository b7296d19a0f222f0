"""Readiness and watchdog notifications for systemd."""

import signal
import socket

import pytest
import requests
from server import DEADLINE, SUPPORT

VARIANT = SUPPORT / "faulty_app.py"


@pytest.fixture
def systemd(tmp_path):
    """Notification socket in place of the one of systemd."""
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
    assert [receive(systemd) for _ in range(3)] == ["WATCHDOG=1"] * 3
    server.stop()
    while (state := receive(systemd)) == "WATCHDOG=1":
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
    assert receive(systemd) == "WATCHDOG=1"
    systemd.settimeout(1.2)  # WATCHDOG_USEC
    with pytest.raises(TimeoutError):
        for _ in range(200):
            receive(systemd)
    server.stop(signal.SIGKILL)
