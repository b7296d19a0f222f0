"""The admin page: who gets in, and what each form does."""

import re
import threading

import pytest
import requests
from server import DEADLINE, PASSWORD, until


@pytest.fixture
def admin(server, visit):
    """Somebody signed in on a server of this test's own."""
    visitor = visit(server)
    assert visitor.sign_in().status_code == 302
    return visitor


def test_without_a_session_every_way_leads_to_the_sign_in(shared, visit):
    before = shared.count()
    visitor = visit(shared)
    assert visitor.get().url == shared.url + "/admin/login"
    for path in ("press", "undo", "reset", "goal", "password", "logout"):
        answer = visitor.post(path)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/login")
    assert visitor.get("/history.csv").url == shared.url + "/admin/login"
    assert shared.count() == before


def test_the_right_password_opens(server, visit):
    visitor = visit(server)
    answer = visitor.sign_in()
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin")
    cookie = answer.headers["Set-Cookie"]
    assert f"button_session_{server.port}=" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert visitor.get().url == server.url + "/admin"


@pytest.mark.parametrize("password", ["", "wrong", "x" * 300, "correct horse "])
def test_a_wrong_password_shows_the_form_again(server, visit, password):
    answer = visit(server).sign_in(password)
    assert answer.status_code == 401
    assert 'name="password"' in answer.text


def test_wrong_passwords_are_slowed_by_address_alone(start, visit):
    server = start(trusted_proxies=1)
    bad, good = visit(server, address="10.0.0.1"), visit(server, address="10.0.0.2")
    token = bad.token()
    answers = [bad.post("login", token=token, password="wrong") for _ in range(30)]
    assert [answer.status_code for answer in answers[:5]] == [401] * 5
    slowed = [answer for answer in answers[5:] if answer.status_code == 429]
    assert len(slowed) > 20
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in slowed)
    assert bad.post("login", token=token, password=PASSWORD).status_code == 429
    assert good.sign_in().status_code == 302


def test_the_address_that_a_client_claims_counts_only_behind_a_trusted_proxy(server, visit):
    for number in range(5):
        visit(server, address=f"10.0.0.{number}").sign_in("wrong")
    assert visit(server, address="10.0.0.99").sign_in("wrong").status_code == 429


def test_a_form_without_its_token_is_refused(admin, server):
    before = server.count()
    for token in ("", "wrong", "ä"):
        assert admin.post("press", token=token).status_code == 400
    assert server.count() == before


def test_the_sign_in_too_wants_its_token(server, visit):
    visitor = visit(server)
    assert visitor.post("login", token="wrong", password=PASSWORD).status_code == 400
    other = visit(server).token()
    visitor.get()
    assert visitor.post("login", token=other, password=PASSWORD).status_code == 400


def test_a_foreign_origin_is_refused_first_of_all(admin, server, visit):
    before = server.count()
    for who in (admin, visit(server)):
        for origin in ("https://evil.example", "null", server.url + "0"):
            answer = who.post("press", headers={"Origin": origin})
            assert answer.status_code == 403
            assert f"ws://127.0.0.1:{server.port} " in answer.headers["Content-Security-Policy"]
    assert admin.post("press", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert server.count() == before
    assert admin.post("press", headers={"Origin": server.url}).status_code == 302


def test_each_form_does_what_it_says(admin, server):
    for path, fields, state in (
        ("press", {}, (19, 20)),
        ("goal", {"goal": "25"}, (24, 25)),
        ("reset", {}, (25, 25)),
        ("undo", {"seq": "3"}, (24, 25)),
        ("undo", {}, (19, 20)),
    ):
        answer = admin.post(path, **fields)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/admin")
        assert (server.count()["count"], server.count()["goal"]) == state
    page = admin.get().text
    assert page.count("undone") >= 2
    assert {event["source"] for event in server.history()} == {"admin"}


def test_a_double_click_counts_once(admin, server):
    page = admin.get().text
    key = re.search(r'name="key" value="(\w+-press)"', page)[1]
    token = admin.token()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(admin.post("press", token=token, key=key)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [302, 302]
    assert server.count()["seq"] == 1


def test_an_undo_never_takes_back_another_change_than_the_page_showed(admin, server):
    admin.post("press")
    seq = re.search(r'name="seq" value="(\d+)"', admin.get().text)[1]
    server.press()
    answer = admin.post("undo", seq=seq)
    assert answer.status_code == 409
    assert "the newest change that can be undone" in answer.text
    assert server.count()["count"] == 18


@pytest.mark.parametrize("goal", ["0", "1001", "abc", "", "-5", "2.5", "٢٠", "9" * 10_000])
def test_a_bad_goal_is_a_sentence(admin, server, goal):
    answer = admin.post("goal", goal=goal)
    assert answer.status_code == 400
    assert "goal: expected a whole number from 1 to 1000." in answer.text
    assert server.count()["seq"] == 0


def test_a_bad_seq_is_a_sentence(admin):
    assert admin.post("undo", seq="x").status_code == 400
    assert admin.post("undo").status_code == 409


def test_signing_out_ends_the_session_for_good(admin, server, watch):
    name = f"button_session_{server.port}"
    cookie = f"{name}={admin.session.cookies[name]}"
    screen = watch(server, headers={"Cookie": cookie})
    assert screen.press()["ok"] is True
    until(lambda: screen.infos, "info")
    answer = admin.post("logout")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/login")
    again = requests.get(
        server.url + "/admin", headers={"Cookie": cookie}, timeout=DEADLINE, allow_redirects=False
    )
    assert again.status_code == 302
    until(lambda: not screen.client.connected, "the session's socket to be closed")


def test_a_text_browser_that_takes_attributes_for_cookies_stays_signed_in(admin, server):
    """Lynx sends `SameSite=Lax` back as if it were a cookie, in front of the others."""
    name = f"button_session_{server.port}"
    cookie = f"SameSite=Lax; {name}={admin.session.cookies[name]}; x="
    page = requests.get(
        server.url + "/admin", headers={"Cookie": cookie}, timeout=DEADLINE, allow_redirects=False
    )
    assert page.status_code == 200


def test_a_new_password_ends_all_sessions(start, visit):
    server = start(admin_password=None)
    first = next(line.split()[-1] for line in server.log if "Admin password:" in line)
    one, two = visit(server), visit(server)
    assert one.sign_in(first).status_code == 302
    assert two.sign_in(first).status_code == 302
    assert one.post("password", password="wrong", new="next word").status_code == 400
    assert one.post("password", password=first, new="x" * 7).status_code == 400
    assert one.post("password", password=first, new="next word", again="next wort").status_code == 400
    assert one.post("password", password=first, new="").status_code == 400
    assert one.post("password", password=first, new="x" * 257).status_code == 400
    answer = one.post("password", password=first, new="next word", again="next word")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/login")
    assert two.get().url == server.url + "/admin/login"
    assert two.sign_in("next word").status_code == 302


def test_a_password_of_the_settings_cannot_be_changed_here(admin):
    answer = admin.post("password", password=PASSWORD, new="other")
    assert answer.status_code == 409
    assert "BUTTON_ADMIN_PASSWORD" in answer.text


def test_the_history_as_csv(admin, server):
    admin.post("press")
    lines = admin.get("/history.csv").text.splitlines()
    assert lines[0] == "seq,at,kind,source,count,goal,undoes"
    assert re.fullmatch(r"1,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z,press,admin,19,20,", lines[1])


def test_admin_pages_are_kept_by_nobody(admin, server):
    for path in ("", "/login", "/history.csv"):
        assert admin.get(path).headers["Cache-Control"] == "no-store"
        assert "Content-Encoding" not in admin.get(path).headers


def test_behind_https_the_cookie_is_secure(start, visit):
    server = start(trusted_proxies=1)
    visitor = visit(server)
    token = visitor.token()
    answer = visitor.post("login", token=token, password=PASSWORD, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH"])
def test_wrong_methods_change_nothing(admin, server, method):
    for path in ("press", "undo", "reset", "goal", "login", "logout", "password"):
        answer = admin.session.request(method, f"{server.url}/admin/{path}", timeout=DEADLINE)
        assert answer.status_code in (200, 405)
    assert server.count()["seq"] == 0
    assert not [line for line in server.log if "Traceback" in line]
