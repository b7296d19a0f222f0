"""A button far from its server: each press counts once, whatever the network and the power do."""

import contextlib
import re
import signal
import sqlite3

import pytest
from proxy import Proxy
from running import TOKEN, Server, until


class RemoteButton(Server):
    """`app.py button`, which serves nothing: it is there once it says where presses go."""

    def __init__(self, folder, url, **settings):
        self.where = url
        folder.mkdir(exist_ok=True)
        super().__init__(folder, arguments=["button", "--server", url], database=None, **settings)

    @property
    def url(self):
        return next((line for line in self.log if line.startswith("Presses go to ")), None)

    def push(self):
        """Press the button; there is nobody to ask whether it was noticed."""
        self.set_level("0")
        self.let_go_after(0.25)

    def waiting(self):
        with contextlib.closing(sqlite3.connect(self.folder / "button-spool.db")) as db:
            return db.execute("SELECT count(*) FROM press").fetchone()[0]


@pytest.fixture
def remote(tmp_path):
    buttons = []

    def remote(url, **settings):
        buttons.append(RemoteButton(tmp_path / "remote", url, **settings))
        return buttons[-1]

    yield remote
    for button in buttons:
        button.stop()


def test_its_presses_count_at_the_server(server, remote, watch):
    screen = watch(server)
    button = remote(server.url)
    button.push()
    button.push()
    assert screen.wait_for(2)["count"] == 18
    until(lambda: button.waiting() == 0, "an empty spool")
    assert button.stop() == 0


def test_presses_wait_on_its_disk_while_the_server_is_away_and_over_a_power_cut(server, remote):
    url, port = server.url, server.port
    button = remote(url)
    server.stop()
    button.push()
    button.push()
    until(lambda: button.waiting() == 2, "the spool")
    button.stop(signal.SIGKILL)
    server.environ["BUTTON_PORT"] = str(port)
    server.start()
    button.start()
    until(lambda: server.count()["seq"] == 2, "the presses")
    until(lambda: button.waiting() == 0, "an empty spool")


def test_a_press_whose_answer_is_lost_counts_once(server, remote):
    proxy = Proxy(server, "strip")
    button = remote(proxy.url)
    button.push()
    until(lambda: server.count()["seq"] == 1 and button.waiting() == 0, "the first press")
    proxy.mode = "deaf"
    button.push()
    until(lambda: server.count()["seq"] == 2, "the press")
    proxy.mode = "strip"
    until(lambda: button.waiting() == 0, "an answer")
    assert server.count()["seq"] == 2
    proxy.close()


@pytest.mark.parametrize(
    ("url", "token", "wrong"),
    [("nonsense", TOKEN, "--server"), ("ftp://a", TOKEN, "--server"), ("http://a", None, "BUTTON_API_TOKEN")],
)
def test_what_it_cannot_work_with_is_a_clear_error(tmp_path, url, token, wrong):
    with pytest.raises(AssertionError, match=f"{re.escape(wrong)}: expected"):
        RemoteButton(tmp_path / "remote", url, api_token=token)


def test_a_wrong_token_keeps_the_press_and_says_so(server, remote):
    button = remote(server.url, api_token="wrong")
    button.push()
    until(lambda: any("rejects BUTTON_API_TOKEN" in line for line in button.log), "the log's word for it")
    assert button.waiting() == 1
    assert server.count()["seq"] == 0
