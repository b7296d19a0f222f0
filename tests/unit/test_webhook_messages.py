"""Webhook messages and settings."""

import base64

import pytest

from integrations.webhook import message, signing_key
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


@pytest.mark.parametrize(
    "url",
    ["ftp://a-host", "a-host/hook", "http:///hook", "http://a..b/", "http://u:p@a/", "https://x:99999/"],
)
def test_invalid_url_is_rejected_and_not_printed(url):
    with pytest.raises(SettingError) as error:
        Settings.from_environ({"BUTTON_WEBHOOK": url})
    assert str(error.value).startswith("BUTTON_WEBHOOK: expected ")
    assert url not in str(error.value)
