"""Command-line interface."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading

import pytest
import requests
from server import DEADLINE, PASSWORD, ROOT, until

from settings import table


def run(tmp_path, *arguments, given="", **settings):
    environ = {key: value for key, value in os.environ.items() if not key.startswith("BUTTON_")}
    environ |= {f"BUTTON_{name.upper()}": str(value) for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, str(ROOT / "app.py"), *map(str, arguments)],
        cwd=tmp_path, env=environ, input=given, capture_output=True, text=True, timeout=DEADLINE,
    )  # fmt: skip


def test_help_prints_the_settings_table(tmp_path):
    printed = run(tmp_path, "--help").stdout
    for name, default, meaning in table():
        assert name in printed
        assert default in printed
        assert meaning in printed


def test_invalid_setting_prints_one_line_and_opens_nothing(tmp_path):
    done = run(tmp_path, goal="twenty")
    assert done.returncode == 2
    assert done.stderr == "BUTTON_GOAL: expected a whole number from 1 to 1000, got 'twenty'\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"database": "sqlite:////nowhere/at/all.db"}, "/nowhere/at/all.db: cannot be opened"),
        ({"hardware": "gpio"}, "GPIO library"),
        ({"host": "192.0.2.1"}, "BUTTON_HOST, BUTTON_PORT: cannot listen on 192.0.2.1"),
    ],
)
def test_unavailable_resource_prints_one_line(tmp_path, settings, message):
    done = run(
        tmp_path, **{"port": 0, "hardware": "none", "log": "critical", "admin_password": "x"} | settings
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_port_in_use_prints_one_line(server, tmp_path):
    (tmp_path / "other").mkdir()
    done = run(tmp_path / "other", port=server.port, host="127.0.0.1", hardware="none", admin_password="x")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "cannot listen on 127.0.0.1" in line


def test_second_server_on_the_same_database_prints_one_line(server, tmp_path):
    done = run(tmp_path, port=0, hardware="none", database=f"sqlite:///{server.database}")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith("another server uses it; stop that one first")


def test_initial_password_is_printed_once_at_any_log_level(start):
    server = start(admin_password=None, log="critical")
    found = [line for line in server.log if re.search(r"Admin password: \S+$", line)]
    assert len(found) == 1
    assert server.log[-1] == f"Serving on {server.url}"
    server.restart()
    assert not any("Admin password" in line for line in server.log)


def test_set_password_works_while_the_server_runs(start):
    server = start(admin_password=None)
    done = run(server.folder, "set-password", given="new secret\n", database=f"sqlite:///{server.database}")
    assert (done.returncode, "new secret" in done.stderr) == (0, False)
    with requests.Session() as session:
        form = session.get(server.url + "/admin/login", timeout=DEADLINE).text
        token = re.search(r'name="csrf_token" value="(\w+)"', form)[1]
        response = session.post(
            server.url + "/admin/login",
            data={"password": "new secret", "csrf_token": token},
            timeout=DEADLINE,
        )
        assert response.url == server.url + "/admin"


def test_set_password_fails_when_the_setting_overrides_it(server):
    done = run(server.folder, "set-password", given="x\n", admin_password=PASSWORD)
    assert done.returncode == 1
    assert "BUTTON_ADMIN_PASSWORD" in done.stderr


@pytest.mark.parametrize("given", ["", "\n", "x" * 257 + "\n"])
def test_set_password_rejects_an_invalid_password(server, given):
    done = run(server.folder, "set-password", given=given, database=f"sqlite:///{server.database}")
    assert done.returncode == 2
    assert done.stderr == "password: expected 1 to 256 characters\n"


def test_restore_reverts_to_the_backup(server, tmp_path):
    server.press()
    database = f"sqlite:///{server.database}"
    assert run(tmp_path, "backup", "copy.db", database=database).returncode == 0
    assert run(tmp_path, "backup", "copy.db", database=database).returncode == 1
    server.press()
    rejected = run(tmp_path, "restore", "copy.db", database=database)
    assert (rejected.returncode, "another server uses it" in rejected.stderr) == (1, True)
    server.stop()
    assert run(tmp_path, "restore", "copy.db", database=database).returncode == 0
    server.start()
    assert server.count()["seq"] == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_and_sigint_exit_with_status_zero(server, how):
    assert server.stop(how) == 0


@pytest.mark.parametrize("controlling", [True, False])
def test_enter_on_a_terminal_presses_the_button(tmp_path, controlling):
    """Works without a controlling terminal, and the terminal can close."""
    controller, terminal = pty.openpty()
    acquire = lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0)  # noqa: E731
    environ = os.environ | {"BUTTON_PORT": "0", "BUTTON_ADMIN_PASSWORD": "x", "BUTTON_HARDWARE": "simulated"}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py")],
        cwd=tmp_path, env=environ, stdin=terminal, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=acquire if controlling else None,
    )  # fmt: skip
    os.close(terminal)
    log = []
    reader = threading.Thread(target=lambda: log.extend(process.stderr))
    reader.start()
    try:
        until(lambda: any("Serving on" in line for line in log), "the server to start")
        os.write(controller, b"\n\n")
        until(lambda: any("press by button: 18 of 20" in line for line in log), "two presses")
        if not controlling:
            os.close(controller)
            until(lambda: any("Terminal closed" in line for line in log), "the terminal to close")
    finally:
        process.terminate()
        assert process.wait(DEADLINE) == 0
        reader.join(DEADLINE)
        process.stderr.close()
        if controlling:
            os.close(controller)


def test_demo_presses_on_a_temporary_database(start, tmp_path):
    environ = {"TMPDIR": str(tmp_path)}
    server = start(arguments=["--demo"], database=None, hardware="gpio", simulated_pin=None, environ=environ)
    assert not (tmp_path / "button.db").exists()
    until(lambda: server.count()["seq"] >= 1, "a press")
    assert [path.name for path in tmp_path.glob("button-demo-*/button.db")]
    assert server.stop() == 0
    assert not list(tmp_path.glob("button-demo-*")), "nothing is left behind"


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "localhost"), ("127.0.0.2", "127.0.0.2")])
def test_open_option_opens_both_pages_in_the_browser(start, tmp_path, host, shown):
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\necho "$1" >>{seen}\n')
    browser.chmod(0o755)
    server = start(arguments=["--open"], environ={"BROWSER": str(browser)}, host=host)
    until(lambda: seen.exists() and len(seen.read_text().split()) == 2, "the browser to open both pages")
    pages = {f"http://{shown}:{server.port}{page}" for page in ("/", "/graph")}
    assert set(seen.read_text().split()) == pages
