"""Webhook messages and settings."""

import base64

import pytest

from integrations.webhook_message import message, retry_after, signing_key
from settings import SettingError, Settings
from storage import Event

BAD_SECRETS = ["whsec_", "whsec_*", "whsec_a", "whsec_" + "a" * 5, "whsec_" + "a" * 257, "line\n"]


@pytest.mark.parametrize("secret", BAD_SECRETS)
def test_invalid_secret_is_rejected(secret):
    with pytest.raises(SettingError, match="BUTTON_WEBHOOK_SECRET"):
        Settings.from_environ({"BUTTON_WEBHOOK_SECRET": secret})


@pytest.mark.parametrize("number", [1, 2, 3, 24, 190])
@pytest.mark.parametrize("padding", ["=", ""])
def test_base64_secret_of_any_length_is_decoded(number, padding):
    key = bytes(range(number))
    secret = "whsec_" + base64.b64encode(key).decode().rstrip("=" if not padding else "")
    assert signing_key(Settings.from_environ({"BUTTON_WEBHOOK_SECRET": secret}).webhook_secret) == key


def test_text_describes_the_change():
    def text(kind, count, goal=20):
        return message(Event(1, 0.0, kind, "button", count, goal))["text"]

    assert text("press", 0) == "A deal! The goal of 20 is reached."
    assert text("press", 20) == "A new round: 20 of 20 to go."
    assert text("press", 1, 1) == "A new round: 1 of 1 to go."
    assert text("reset", 20) == "Reset: 20 of 20 to go."


def test_message_has_its_type_and_time():
    sent = message(Event(7, 1763760000.1234, "undo", "api", 3, 20))
    assert (sent["type"], sent["timestamp"]) == ("button.undo", "2025-11-21T21:20:00.123Z")
    assert (sent["seq"], sent["at"], sent["kind"]) == (7, 1763760000.1234, "undo")


DATE = "Fri, 27 Nov 2026 23:00:00 GMT"
LATER = "Fri, 27 Nov 2026 23:02:00 GMT"


@pytest.mark.parametrize(
    ("value", "date", "delay"),
    [
        ("30", None, 30.0),
        (" 30 ", None, 30.0),
        ("0", None, 1.0),
        ("999999999", None, 3600.0),
        (LATER, DATE, 120.0),
        (DATE, LATER, 1.0),
        (LATER, None, 60.0),
        (LATER, "yesterday", 60.0),
        ("Fri, 27 Nov 2099 23:00:00 GMT", DATE, 3600.0),
        (None, DATE, None),
        ("", DATE, None),
        ("-1", DATE, None),
        ("soon", DATE, None),
        ("\u0664", DATE, None),
    ],
)
def test_retry_after_is_in_seconds_or_a_date(value, date, delay):
    one_minute_before_later = 1795820460.0
    assert retry_after(value, date, one_minute_before_later) == delay


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("https://a/b", ("https://a/b",)),
        ("https://a http://b/c", ("https://a", "http://b/c")),
        (" https://a ,\thttp://b\n", ("https://a", "http://b")),
        ("https://a,HTTPS://b", ("https://a", "HTTPS://b")),
        ("https://a/?ids=1,2,http://b", ("https://a/?ids=1,2", "http://b")),
        ("https://a https://a", ("https://a",)),
    ],
)
def test_several_urls_are_separated_by_spaces_or_commas(text, urls):
    assert Settings.from_environ({"BUTTON_WEBHOOK": text}).webhook == urls


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a-host",
        "a-host/hook",
        "http:///hook",
        "http://a..b/",
        "http://u:p@a/",
        "https://x:99999/",
        "https://a b",
    ]
    + ["https://a,b http://u:p@a/", "\n", " ".join(f"http://a/{number}" for number in range(17))],
)
def test_invalid_url_is_rejected_and_not_printed(url):
    with pytest.raises(SettingError) as error:
        Settings.from_environ({"BUTTON_WEBHOOK": url})
    assert str(error.value).startswith("BUTTON_WEBHOOK: expected ")
    assert url not in str(error.value)
