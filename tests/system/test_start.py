"""Settings at startup."""

import os
import subprocess
import sys

import pytest
import requests
from server import DEADLINE, ROOT, Server


def test_secret_is_read_from_a_file(tmp_path):
    token = tmp_path / "token"
    token.write_text("from-a-file\nnot this\n")
    server = Server(tmp_path, api_token=None, api_token_file=token)
    response = requests.post(
        f"{server.url}/api/press", headers={"Authorization": "Bearer from-a-file"}, timeout=DEADLINE
    )
    assert response.status_code == 201
    server.stop()
    with pytest.raises(
        AssertionError, match="BUTTON_API_TOKEN_FILE: expected BUTTON_API_TOKEN not to be set"
    ):
        Server(tmp_path, api_token_file=token)


def test_settings_without_effect_are_logged(tmp_path):
    Server(tmp_path).stop()
    server = Server(tmp_path, titel="x", goal="30")
    assert any("BUTTON_TITEL: unknown setting; did you mean BUTTON_TITLE?" in line for line in server.log)
    assert any("BUTTON_GOAL=30 has no effect" in line for line in server.log)
    server.stop()


@pytest.mark.parametrize("value", [b"\xff", "Z\u00fcrich \udcff".encode("utf-8", "surrogateescape")])
def test_value_that_is_not_utf_8_prints_one_line(tmp_path, value):
    environ = {b"BUTTON_TITLE": value, b"PATH": os.environb[b"PATH"]}
    done = subprocess.run(
        [sys.executable, ROOT / "app.py"], env=environ, cwd=tmp_path, capture_output=True, timeout=DEADLINE
    )
    assert (done.returncode, done.stderr) == (2, b"BUTTON_TITLE: expected UTF-8\n")


@pytest.mark.parametrize(
    ("settings", "status", "message"),
    [
        ({"database": "sqlite:////"}, 1, "/: is a folder; name a file in it"),
        ({"database": "sqlite:///."}, 1, ".: is a folder; name a file in it"),
        ({"database": "postgresql://u:pw%zz@h/d"}, 2, "BUTTON_DATABASE: expected a PostgreSQL URL; in the"),
        ({"database": "postgresql://u:pw@h/d?bogus=1"}, 2, "BUTTON_DATABASE: expected a PostgreSQL URL;"),
        ({"database": "postgresql://h:port/d"}, 2, "BUTTON_DATABASE: expected a PostgreSQL URL with a port"),
        ({"database": f"postgresql://u:pw@{'h' * 70}/d"}, 2, "BUTTON_DATABASE: expected a PostgreSQL URL"),
        ({"horn": "/nowhere"}, 1, "BUTTON_HORN: '/nowhere' cannot be played: No such file"),
    ],
)  # fmt: skip
def test_unusable_setting_is_one_line_and_creates_nothing(tmp_path, settings, status, message):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BUTTON_")}
    environ |= {f"BUTTON_{name.upper()}": value for name, value in settings.items()} | {"BUTTON_FEED": "off"}
    done = subprocess.run(
        [sys.executable, ROOT / "app.py"],
        env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (status, 1), done.stderr
    assert done.stderr.startswith(message)
    assert "pw" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_demo_runs_on_a_database_named_in_a_file(tmp_path):
    (tmp_path / "url").write_text(f"sqlite:///{tmp_path}/named.db\n")
    server = Server(tmp_path, arguments=["--demo"], database=None, database_file=tmp_path / "url", feed="off")
    assert (tmp_path / "named.db").exists()
    server.stop()
