"""Token, idempotency keys and errors of the HTTP API."""

import re
import socket
import subprocess
import sys
import threading

import pytest
import requests
from server import DEADLINE, ROOT, TOKEN, until
from visitor import Visitor


def code(response):
    """Return the error code in a response from Flask's test client or requests."""
    body = response.json
    return (body() if callable(body) else body)["error"]["code"]


def test_each_write_changes_the_count_and_appears_in_the_history(site):
    started = site.count()
    assert (started["count"], started["seq"], started["cause"]) == (20, 0, "connect")
    assert site.press() == site.count()
    assert site.api("goal", "PUT", json={"goal": 25}).json["count"] == 24
    assert site.api("reset").json["count"] == 25
    assert site.api("undo").json["count"] == 24
    assert site.api("undo", json={"seq": 2}).json["goal"] == 20
    kinds = [(event["seq"], event["kind"], event["count"], event["source"]) for event in site.history()]
    assert kinds == [
        (1, "press", 19, "api"),
        (2, "goal", 24, "api"),
        (3, "reset", 25, "api"),
        (4, "undo", 24, "api"),
        (5, "undo", 19, "api"),
    ]


def test_change_gets_201_and_the_count(site):
    response = site.api("press")
    assert response.status_code == 201
    assert response.json == site.count()
    assert set(response.json) == {"count", "goal", "seq", "cause", "at"}


def test_reused_key_gets_the_first_response_even_after_a_restart(server):
    first = server.api("press", key="deal 7")
    server.press()
    repeated = server.api("press", key="deal 7")
    assert (first.status_code, repeated.status_code) == (201, 200)
    assert repeated.json() == first.json()
    server.restart()
    assert server.api("press", key="deal 7").json() == first.json()
    assert server.count()["seq"] == 2


def test_key_reused_for_another_request_gets_409(site):
    site.press()
    site.api("goal", "PUT", json={"goal": 30}, key="k")
    site.api("undo", json={"seq": 2}, key="u")
    before = site.count()
    for response in (
        site.api("press", key="k"),
        site.api("goal", "PUT", json={"goal": 31}, key="k"),
        site.api("undo", key="u"),
        site.api("undo", json={"seq": 1}, key="u"),
    ):
        assert (response.status_code, code(response)) == (409, "key_reused")
    assert site.count() == before


def test_rejected_request_does_not_use_up_its_key(site):
    assert code(site.api("undo", key="k")) == "nothing_to_undo"
    site.press()
    assert site.api("undo", key="k").status_code == 201


def test_undo_of_an_older_change_gets_409(site):
    site.press()
    site.press()
    response = site.api("undo", json={"seq": 1})
    assert (response.status_code, code(response)) == (409, "changed")
    assert site.count()["seq"] == 2


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", TOKEN[:-1], "ä", "x" * 5000])
def test_invalid_token_gets_401_and_changes_nothing(shared_site, token):
    before = shared_site.count()
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    for method, path in (("POST", "press"), ("POST", "undo"), ("POST", "reset"), ("PUT", "goal")):
        response = shared_site.request(method, f"/api/{path}", headers=headers)
        assert (response.status_code, code(response)) == (401, "unauthorized")
    assert shared_site.count() == before


def test_writes_get_401_if_no_token_is_configured(start):
    site = start(api_token=None)
    assert site.api("press", token="").status_code == 401
    assert site.api("press", token="None").status_code == 401


def test_token_containing_a_newline_is_rejected(shared):
    before = shared.count()
    with socket.create_connection(("127.0.0.1", shared.port), timeout=DEADLINE) as connection:
        request = (
            f"POST /api/press HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN[:4]}\n{TOKEN[4:]}\r\n\r\n"
        )
        connection.sendall(request.encode())
        assert connection.recv(100)[9:12] in (b"400", b"401")
    assert shared.count() == before


@pytest.mark.parametrize(
    "goal", [0, 1001, -1, True, 25.0, 25.5, "25", None, [], {}, 10**400], ids=lambda goal: str(goal)[:8]
)
def test_invalid_goal_gets_400(shared_site, goal):
    before = shared_site.count()
    response = shared_site.api("goal", "PUT", json={"goal": goal})
    assert (response.status_code, code(response)) == (400, "invalid_goal")
    assert response.json["error"]["message"].startswith("goal: expected")
    assert shared_site.count() == before


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b'"goal"', b"{}", b"null"])
def test_body_without_a_goal_gets_400(shared_site, body):
    response = shared_site.api("goal", "PUT", data=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, code(response)) == (400, "invalid_goal")


@pytest.mark.parametrize("body", [b"{", b"goal=25", b"\xff", b"[" * 9000, b'{"goal": NaN'])
def test_malformed_json_gets_400(shared_site, body):
    response = shared_site.api("goal", "PUT", data=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, code(response)) == (400, "invalid_json")


def test_unsupported_content_type_gets_415(shared_site):
    response = shared_site.api("goal", "PUT", data=b'{"goal": 5}', headers={"Content-Type": "text/plain"})
    assert (response.status_code, code(response)) == (415, "unsupported_media_type")


def test_oversized_body_gets_413(shared_site):
    response = shared_site.api("goal", "PUT", json={"goal": "x" * 20_000})
    assert response.status_code == 413
    assert set(response.json["error"]) == {"code", "message"}


@pytest.mark.parametrize("seq", ["1", 1.0, True, -1, [], {}], ids=str)
def test_invalid_seq_gets_400(shared_site, seq):
    response = shared_site.api("undo", json={"seq": seq})
    assert (response.status_code, code(response)) == (400, "invalid_seq")


@pytest.mark.parametrize("name", ["Idempotency-Key", "webhook-id"])
@pytest.mark.parametrize("key", ["", "x" * 65, "tab\there", "ä", "\xff"])
def test_invalid_key_gets_400(shared_site, name, key):
    before = shared_site.count()
    response = shared_site.api("press", headers={name: key})
    assert (response.status_code, code(response)) == (400, "invalid_key")
    assert shared_site.count() == before


def test_keys_of_1_to_64_characters_are_accepted(site):
    for key in ("~", "x" * 64, "with a blank"):
        assert site.api("press", key=key).status_code == 201


def test_history_is_paginated(site):
    for _ in range(5):
        site.press()
    get = lambda query: site.api(f"history?{query}", "GET", token=None).json["events"]  # noqa: E731
    assert [event["seq"] for event in get("")] == [1, 2, 3, 4, 5]
    assert [event["seq"] for event in get("after=2&limit=2")] == [3, 4]
    assert get("limit=0") == []
    assert get("after=99999999999999999999") == []
    assert len(get("limit=5000")) == 5
    assert set(get("")[0]) == {"seq", "at", "kind", "source", "count", "goal"}


def test_rounds_are_listed_with_the_current_changes(site):
    assert site.get("/api/rounds").json == {"seq": 0, "rounds": [], "current": []}
    site.press(22)
    events = site.get("/api/history").json["events"]
    body = site.get("/api/rounds").json
    assert body["seq"] == 22
    assert body["rounds"] == [{"began": events[0]["at"], "ended": events[19]["at"], "goal": 20}]
    assert [change["made"] for change in body["current"]] == [0, 1]
    site.api("undo")
    site.api("undo")
    assert len(site.get("/api/rounds").json["current"]) == 20


def test_at_most_20_rounds_are_listed(open_site):
    site = open_site(goal=1)
    site.press(50)
    body = site.get("/api/rounds").json
    assert [len(body["rounds"]), len(body["current"])] == [20, 1]


def test_long_round_is_searched_in_more_events(open_site):
    site = open_site(goal=800)
    site.press(1300)
    body = site.get("/api/rounds").json
    assert [len(body["rounds"]), len(body["current"])] == [1, 500]


@pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=-1", "limit=1.5", "limit=", "after=1e3"])
def test_invalid_history_query_gets_400(shared_site, query):
    response = shared_site.api(f"history?{query}", "GET")
    assert response.status_code == 400
    assert code(response) in ("invalid_after", "invalid_limit")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nowhere", 404),
        ("GET", "press", 405),
        ("DELETE", "count", 405),
        ("POST", "goal", 405),
        ("PUT", "press", 405),
    ],
)
def test_http_errors_use_the_api_error_format(shared_site, method, path, status):
    response = shared_site.api(path, method)
    assert response.status_code == status
    assert set(response.json["error"]) == {"code", "message"}
    assert status != 405 or response.headers["Allow"]


def test_foreign_origin_is_accepted_with_the_token(site):
    response = site.api("press", headers={"Origin": "https://crm.example"})
    assert response.status_code == 201


def test_connections_are_kept_alive(shared):
    with requests.Session() as session:
        ports = set()
        for _ in range(3):
            response = session.get(shared.url + "/api/count", timeout=DEADLINE, stream=True)
            ports.add(response.raw.connection.sock.getsockname()[1])
            assert response.json()
    assert len(ports) == 1


def test_api_works_without_hardware(start):
    server = start(hardware="none", simulated_pin=None)
    assert server.press()["count"] == 19


def test_changes_get_503_until_the_database_is_available_again(server):
    import sqlite3

    server.press()
    other = sqlite3.connect(server.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    response = server.api("press")
    assert (response.status_code, code(response)) == (503, "unavailable")
    assert response.headers["Retry-After"]
    assert until(lambda: server.health().status_code == 503, "the health check to fail")
    assert server.health().json()["failing"][0].startswith("database: ")
    assert server.count()["seq"] == 1
    server.push()
    other.close()
    until(lambda: server.count()["seq"] == 2, "the press of the pin")
    assert server.history()[1]["source"] == "button"
    until(lambda: server.health().status_code == 200, "the health check to recover")


def test_six_concurrent_sources_leave_a_consistent_history(server, watch):
    """The sources are the pin, the API with retries, Socket.IO, the admin form, undo and reset."""
    screens = [watch(server, name) for name in ("websocket", "polling", "upgrade")]
    responses = []
    admin = Visitor(server)
    admin.sign_in()

    def api(number):
        responses.append(server.api("press", key=f"api {number}"))
        responses.append(server.api("press", key=f"api {number}"))

    jobs = [
        lambda number: server.push(),
        api,
        lambda number: socket_screen.press({"key": f"socket {number}"}),
        lambda number: admin.post("press", key=f"admin {number}"),
        lambda number: responses.append(server.api("undo")),
        lambda number: responses.append(server.api("reset")) if number % 5 == 0 else None,
    ]
    socket_screen = watch(server, auth={"token": TOKEN})

    def repeat(job):
        for number in range(15):
            job(number)

    threads = [threading.Thread(target=repeat, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(
        lambda: sum(event["source"] == "button" for event in server.history()) == 15, "the presses of the pin"
    )
    events = server.history()
    replay(events)
    states = {event["seq"]: event for event in events}
    for response in responses:
        if response.status_code in (200, 201):
            count = response.json()
            assert count["count"] == states[count["seq"]]["count"]
            assert count["cause"] == states[count["seq"]]["kind"]
        else:
            assert code(response) in ("nothing_to_undo", "changed")
    for source in ("api", "socket", "admin"):
        assert sum(event["source"] == source and event["kind"] == "press" for event in events) == 15
    for screen in [*screens, socket_screen]:
        screen.wait_for(events[-1]["seq"])
        seqs = [count["seq"] for count in screen.counts]
        assert seqs == sorted(set(seqs))


def replay(events, goal=20):
    """Check a history against an independent implementation of the rules."""
    count, stack = goal, []
    for number, event in enumerate(events, 1):
        assert event["seq"] == number
        before = (count, goal)
        if event["kind"] == "press":
            count = count - 1 if count else goal
        elif event["kind"] == "reset":
            count = goal
        elif event["kind"] == "goal":
            count, goal = max(0, event["goal"] - (goal - count)), event["goal"]
        if event["kind"] == "undo":
            count, goal = stack.pop()
        else:
            stack.append(before)
        assert (event["count"], event["goal"]) == (count, goal)


@pytest.mark.parametrize("body", ["[]", '[{"site": "Berlin"}]', "1", '"Berlin"', "true"])
def test_press_with_json_other_than_an_object_gets_400(shared, body):
    before = shared.count()["seq"]
    response = shared.api("press", data=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")
    assert shared.count()["seq"] == before


@pytest.mark.slow
def test_schemathesis_finds_no_failure(server):
    description = server.url + "/api/openapi.json"
    assert requests.get(description, timeout=DEADLINE).json()["info"]["version"]
    done = subprocess.run(
        [
            ROOT / ".venv/bin/schemathesis", "run", description, "--header", f"Authorization: Bearer {TOKEN}",
            "--max-examples", "40", "--seed", "1", "--phases", "examples,coverage,fuzzing,stateful",
        ],
        capture_output=True, text=True, cwd=server.folder, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    assert sys.executable
    assert not [line for line in server.log if re.search("Traceback|ERROR", line)]
