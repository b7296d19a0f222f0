"""Socket.IO handlers for the countdown and the graph."""

import pytest
from server import TOKEN


def test_first_event_is_the_count(site):
    site.press()
    first = site.screen().get_received()[0]
    assert first["name"] == "count"
    assert first["args"][0] | {"at": 0} == {"count": 19, "goal": 20, "seq": 1, "cause": "connect", "at": 0}


def test_change_is_sent_to_all_screens(site):
    screens = [site.screen(), site.screen()]
    for screen in screens:
        screen.get_received()
    counts = [site.api("press").json, site.api("undo").json]
    for screen in screens:
        sent = [packet["args"][0] for packet in screen.get_received() if packet["name"] == "count"]
        assert sent == counts


def test_press_with_the_token_is_acknowledged_with_the_count(site):
    acknowledged = site.screen(token=TOKEN).emit("press", {"key": "k"}, callback=True)
    assert acknowledged == {"ok": True} | site.count()
    assert site.screen(token=TOKEN).emit("press", {"key": "k"}, callback=True) == acknowledged
    assert site.history()[0]["source"] == "socket"


def test_press_without_a_token_is_unauthorized(site):
    acknowledged = site.screen().emit("press", callback=True)
    assert (acknowledged["ok"], acknowledged["error"]["code"]) == (False, "unauthorized")
    assert site.count()["seq"] == 0


def test_wrong_token_is_rejected(site):
    assert not site.screen(token="wrong").is_connected()


def test_client_with_an_empty_token_can_watch(site):
    assert site.screen(token="").is_connected()


@pytest.mark.parametrize(
    "data", [{"key": ""}, {"key": "x" * 65}, {"key": 7}, {"key": "tab\there"}, "text", 7]
)
def test_press_with_an_invalid_key_is_rejected(site, data):
    acknowledged = site.screen(token=TOKEN).emit("press", data, callback=True)
    assert (acknowledged["ok"], acknowledged["error"]["code"]) == (False, "invalid_key")
    assert site.count()["seq"] == 0


def test_graph_client_receives_the_stored_samples_first(site):
    client = site.app.extensions["socketio"].test_client(site.app, namespace="/graph")
    assert client.get_received("/graph")[0]["args"][0] == {"series": {}}
