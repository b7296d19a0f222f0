"""The admin page, its authentication and its forms."""

import re
import threading

import pytest
import requests
from server import DEADLINE, PASSWORD, Server, until
from site_app import SiteVisitor


@pytest.fixture
def signed_in(server, visit):
    """A visitor who is signed in to the test's server process."""
    visitor = visit(server)
    assert visitor.sign_in().status_code == 302
    return visitor


def test_requests_without_a_session_are_redirected_to_login(site):
    before = site.count()
    visitor = SiteVisitor(site)
    assert visitor.get().request.path == "/admin/login"
    for path in ("press", "undo", "reset", "goal", "password", "logout"):
        response = visitor.post(path)
        assert (response.status_code, response.headers["Location"]) == (302, "/admin/login")
    assert visitor.get("/history.csv").request.path == "/admin/login"
    assert site.count() == before


def test_correct_password_starts_a_session(site):
    site.ensure_password()
    visitor = SiteVisitor(site)
    response = visitor.sign_in()
    assert (response.status_code, response.headers["Location"]) == (302, "/admin")
    cookie = response.headers["Set-Cookie"]
    assert f"button_session_{site.port}=" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert visitor.get().request.path == "/admin"


@pytest.mark.parametrize("password", ["", "wrong", "x" * 300, "correct horse "])
def test_wrong_password_gets_401_and_the_form(site, password):
    site.ensure_password()
    response = SiteVisitor(site).sign_in(password)
    assert response.status_code == 401
    assert 'name="password"' in response.text


def test_wrong_passwords_are_throttled_per_address(open_site):
    site = open_site(trusted_proxies=1)
    site.ensure_password()
    bad, good = SiteVisitor(site, address="10.0.0.1"), SiteVisitor(site, address="10.0.0.2")
    token = bad.token()
    responses = [bad.post("login", token=token, password="wrong") for _ in range(30)]
    assert [response.status_code for response in responses[:5]] == [401] * 5
    throttled = [response for response in responses[5:] if response.status_code == 429]
    assert len(throttled) > 20
    assert all(int(response.headers["Retry-After"]) >= 1 for response in throttled)
    assert bad.post("login", token=token, password=PASSWORD).status_code == 429
    assert good.sign_in().status_code == 302


def test_forwarded_address_is_used_only_behind_a_trusted_proxy(site):
    site.ensure_password()
    for number in range(5):
        SiteVisitor(site, address=f"10.0.0.{number}").sign_in("wrong")
    assert SiteVisitor(site, address="10.0.0.99").sign_in("wrong").status_code == 429


def test_forms_require_a_csrf_token(admin, site):
    before = site.count()
    for token in ("", "wrong", "ä"):
        assert admin.post("press", token=token).status_code == 400
    assert site.count() == before


def test_login_requires_a_csrf_token(site):
    site.ensure_password()
    visitor = SiteVisitor(site)
    assert visitor.post("login", token="wrong", password=PASSWORD).status_code == 400
    other = SiteVisitor(site).token()
    visitor.get()
    assert visitor.post("login", token=other, password=PASSWORD).status_code == 400


def test_foreign_origin_gets_403_before_any_other_check(admin, site):
    before = site.count()
    for client in (admin, SiteVisitor(site)):
        for origin in ("https://evil.example", "null", site.url + "0"):
            response = client.post("press", headers={"Origin": origin})
            assert response.status_code == 403
            assert f"ws://localhost:{site.port} " in response.headers["Content-Security-Policy"]
    assert admin.post("press", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert site.count() == before
    assert admin.post("press", headers={"Origin": site.url}).status_code == 302


def test_each_form_changes_the_count(admin, site):
    for path, fields, state in (
        ("press", {}, (19, 20)),
        ("goal", {"goal": "25"}, (24, 25)),
        ("reset", {}, (25, 25)),
        ("undo", {"seq": "3"}, (24, 25)),
        ("undo", {}, (19, 20)),
    ):
        response = admin.post(path, **fields)
        assert (response.status_code, response.headers["Location"]) == (302, "/admin")
        assert (site.count()["count"], site.count()["goal"]) == state
    page = admin.get().text
    assert page.count("undone") >= 2
    assert {event["source"] for event in site.history()} == {"admin"}


def test_double_submit_counts_once(signed_in, server):
    page = signed_in.get().text
    key = re.search(r'name="key" value="(\w+-press)"', page)[1]
    token = signed_in.token()
    responses = []
    threads = [
        threading.Thread(target=lambda: responses.append(signed_in.post("press", token=token, key=key)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [response.status_code for response in responses] == [302, 302]
    assert server.count()["seq"] == 1


def test_undo_from_an_outdated_page_gets_409(admin, site):
    admin.post("press")
    seq = re.search(r'name="seq" value="(\d+)"', admin.get().text)[1]
    site.press()
    response = admin.post("undo", seq=seq)
    assert response.status_code == 409
    assert "the newest change that can be undone" in response.text
    assert site.count()["count"] == 18


@pytest.mark.parametrize("goal", ["0", "1001", "abc", "", "-5", "2.5", "٢٠", "9" * 10_000])
def test_invalid_goal_gets_400_with_an_explanation(admin, site, goal):
    response = admin.post("goal", goal=goal)
    assert response.status_code == 400
    assert "goal: expected a whole number from 1 to 1000." in response.text
    assert site.count()["seq"] == 0


def test_invalid_seq_gets_400_and_nothing_to_undo_gets_409(admin):
    assert admin.post("undo", seq="x").status_code == 400
    assert admin.post("undo").status_code == 409


def test_logout_ends_the_session_and_closes_its_sockets(signed_in, server, watch):
    name = f"button_session_{server.port}"
    cookie = f"{name}={signed_in.session.cookies[name]}"
    screen = watch(server, headers={"Cookie": cookie})
    assert screen.press()["ok"] is True
    until(lambda: screen.infos, "an info event")
    response = signed_in.post("logout")
    assert (response.status_code, response.headers["Location"]) == (302, "/admin/login")
    page = requests.get(
        server.url + "/admin", headers={"Cookie": cookie}, timeout=DEADLINE, allow_redirects=False
    )
    assert page.status_code == 302
    until(lambda: not screen.client.connected, "the session's socket to be closed")


def test_cookie_attributes_sent_as_cookies_are_ignored(signed_in, server):
    """Lynx sends `SameSite=Lax` as if it were a cookie, before the real ones."""
    name = f"button_session_{server.port}"
    cookie = f"SameSite=Lax; {name}={signed_in.session.cookies[name]}; x="
    page = requests.get(
        server.url + "/admin", headers={"Cookie": cookie}, timeout=DEADLINE, allow_redirects=False
    )
    assert page.status_code == 200


def test_new_password_ends_all_sessions(open_site):
    site = open_site(admin_password=None)
    first = site.ensure_password()
    one, two = SiteVisitor(site), SiteVisitor(site)
    assert one.sign_in(first).status_code == 302
    assert two.sign_in(first).status_code == 302
    assert one.post("password", password="wrong", new="next word").status_code == 400
    assert one.post("password", password=first, new="x" * 7).status_code == 400
    assert one.post("password", password=first, new="next word", again="next wort").status_code == 400
    assert one.post("password", password=first, new="").status_code == 400
    assert one.post("password", password=first, new="x" * 257).status_code == 400
    response = one.post("password", password=first, new="next word", again="next word")
    assert (response.status_code, response.headers["Location"]) == (302, "/admin/login")
    assert two.get().request.path == "/admin/login"
    assert two.sign_in("next word").status_code == 302


def test_configured_password_cannot_be_changed_on_the_page(admin):
    response = admin.post("password", password=PASSWORD, new="other")
    assert response.status_code == 409
    assert "BUTTON_ADMIN_PASSWORD" in response.text


def test_history_is_exported_as_csv(admin, site):
    admin.post("press")
    lines = admin.get("/history.csv").text.splitlines()
    assert lines[0] == "seq,at,kind,source,count,goal,undoes"
    assert re.fullmatch(r"1,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z,press,admin,19,20,", lines[1])


def test_admin_pages_are_neither_cached_nor_compressed(admin, site):
    for path in ("", "/login", "/history.csv"):
        assert admin.get(path).headers["Cache-Control"] == "no-store"
        assert "Content-Encoding" not in admin.get(path).headers


def test_session_cookie_is_secure_behind_https(open_site):
    site = open_site(trusted_proxies=1)
    site.ensure_password()
    visitor = SiteVisitor(site)
    token = visitor.token()
    response = visitor.post("login", token=token, password=PASSWORD, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in response.headers["Set-Cookie"]


def test_browser_keeps_sessions_of_two_servers_on_one_host(tmp_path, server, visit):
    """Browsers send cookies to every port of a host."""
    (tmp_path / "other").mkdir()
    other, visitor = Server(tmp_path / "other"), visit(server)
    for each in (server, other):
        visitor.server = each
        assert visitor.sign_in().status_code == 302
    for each in (server, other):
        visitor.server = each
        assert visitor.post("press").status_code == 302
        assert each.count()["seq"] == 1
    other.stop()


def test_https_and_http_use_different_cookies(start, visit):
    """Over http, browsers do not replace a Secure cookie, so with one name no sign-in would last."""
    visitor = visit(start(trusted_proxies=1))
    https, http = {"X-Forwarded-Proto": "https"}, {}
    names = []
    for headers in (https, http):
        response = visitor.post("login", token=visitor.token(), password=PASSWORD, headers=headers)
        names.append(set(re.findall(r"(button_\w+)=", response.headers.get("Set-Cookie", ""))))
    assert names[0] and names[1]
    assert not names[0] & names[1]
    assert visitor.get().url.endswith("/admin")


@pytest.mark.parametrize("form", ["press", "undo", "reset", "goal", "count", "password", "logout"])
def test_get_of_a_form_url_redirects_to_the_admin_page(site, form):
    response = site.get(f"/admin/{form}")
    assert (response.status_code, response.headers["Location"]) == (302, "/admin")


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH"])
def test_unsupported_methods_change_nothing(admin, site, method):
    for path in ("press", "undo", "reset", "goal", "login", "logout", "password"):
        response = admin.client.open(
            f"/admin/{path}", method=method, base_url=site.url, follow_redirects=True
        )
        assert response.status_code in (200, 405)
    assert site.count()["seq"] == 0
