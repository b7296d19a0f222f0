"""Cookie parsing and login throttling by network."""

import pytest

from web.security import cookie, network, sanitize


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
