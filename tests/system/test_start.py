"""Settings at start."""

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
