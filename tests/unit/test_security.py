"""Cookie parsing and login throttling by network."""

import logging
import re

import pytest

from settings import Settings
from web.security import SecurityMiddleware, cookie, sanitize
from web.throttle import network


def test_non_ascii_cookies_are_ignored():
    request = {"HTTP_COOKIE": 'a=1; b=\xff; c="2"; d'}
    sanitize(request)
    assert [cookie(request, name) for name in "abcd"] == ["1", None, "2", ""]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:51234", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_logins_are_throttled_by_network(address, expected):
    assert network(address) == expected


@pytest.mark.parametrize(
    ("origin", "can_be_allowed"),
    [
        ("https://evil.example", True),
        ("null", True),
        ("FILE://", True),
        ("capacitor://localhost", True),
        ("file:///", False),
        ("https://evil.example/page", False),
        ("", False),
        ("\xe9://x", False),
    ],
)
def test_setting_that_the_log_names_allows_the_rejected_origin(origin, can_be_allowed, caplog):
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/admin/press", "HTTP_HOST": "a", "HTTP_ORIGIN": origin}
    statuses = []

    def request(allowed):
        app = SecurityMiddleware(lambda _environ, start: start("200 OK", []), allowed, lambda _: None)
        app(dict(environ, **{"wsgi.url_scheme": "http"}), lambda status, *_: statuses.append(status))

    with caplog.at_level(logging.WARNING):
        request(())
    (line,) = caplog.messages
    named = re.search(r"set BUTTON_ALLOWED_ORIGINS=(\S+),", line)
    assert (named is not None) == can_be_allowed
    if named:
        request(Settings.from_environ({"BUTTON_ALLOWED_ORIGINS": named[1]}).allowed_origins)
        assert statuses == ["403 FORBIDDEN", "200 OK"]
