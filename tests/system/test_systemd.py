"""What systemd is told: that the server serves, and signs of life for as long as it is alive."""

import signal
import socket

import pytest
import requests
from server import DEADLINE, SUPPORT

VARIANT = SUPPORT / "faulty_app.py"


@pytest.fixture
def systemd(tmp_path):
    """The socket at which systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(DEADLINE)
        yield one


def watched(systemd, **more):
    return {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "1200000", **more}


def hear(systemd):
    return systemd.recv(100).decode()


def test_it_is_ready_once_it_serves_then_alive_then_stopping(systemd, start):
    server = start(environ=watched(systemd))
    assert hear(systemd) == "READY=1"
    assert requests.get(server.url, timeout=DEADLINE).ok
    assert [hear(systemd) for _ in range(3)] == ["WATCHDOG=1"] * 3
    server.stop()
    while (state := hear(systemd)) == "WATCHDOG=1":
        pass
    assert state == "STOPPING=1"


@pytest.mark.parametrize(
    "what",
    ["hub hangs", *(pytest.param(f"{part} hangs", marks=pytest.mark.slow) for part in ("sampler", "writer"))],
)
def test_it_gives_no_sign_of_life_when_a_part_hangs(systemd, start, what):
    server = start(program=VARIANT, environ=watched(systemd, VARIANT=what))
    server.set_level("0")
    server.let_go_after(0.25)
    assert hear(systemd) == "READY=1"
    assert hear(systemd) == "WATCHDOG=1"
    systemd.settimeout(1.2)  # systemd's own patience
    with pytest.raises(TimeoutError):
        for _ in range(200):
            hear(systemd)
    server.stop(signal.SIGKILL)
