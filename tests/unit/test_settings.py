"""The settings table and its validation."""

import re

import pytest

from settings import SettingError, Settings, environment_file, table


def test_unset_settings_have_their_defaults():
    settings = Settings.from_environ({})
    assert (settings.port, settings.goal, settings.pin, settings.hardware) == (8000, None, (11,), "auto")
    assert settings.database == "sqlite:///button.db"
    assert settings.admin_password is None


def test_environment_variables_override_the_defaults():
    settings = Settings.from_environ({"BUTTON_GOAL": "30", "BUTTON_PIN": "11,13", "BUTTON_LOG": "DEBUG"})
    assert (settings.goal, settings.pin, settings.log) == (30, (11, 13), "debug")


def test_empty_value_means_unset():
    assert Settings.from_environ({"BUTTON_GOAL": ""}).goal is None


def test_port_falls_back_to_the_variable_of_the_platform():
    assert Settings.from_environ({"PORT": "5000"}).port == 5000
    assert Settings.from_environ({"PORT": "5000", "BUTTON_PORT": "6000"}).port == 6000


def test_error_names_the_setting_and_the_expected_value():
    with pytest.raises(SettingError) as caught:
        Settings.from_environ({"BUTTON_GOAL": "twenty"})
    assert str(caught.value) == "BUTTON_GOAL: expected a whole number from 1 to 1000, got 'twenty'"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GOAL", "0"),
        ("GOAL", "1001"),
        ("GOAL", "२०"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PIN", "2"),
        ("PIN", "11,11"),
        ("PIN", ""),
        ("HARDWARE", "lamp"),
        ("DATABASE", "button.db"),
        ("DATABASE", "mysql://localhost/b"),
        ("TITLE", "two\nlines"),
        ("API_TOKEN", "two words"),
        ("API_TOKEN", "line\n"),
        ("ADMIN_PASSWORD", "x" * 257),
        ("ALLOWED_ORIGINS", "example.com"),
        ("ALLOWED_ORIGINS", "https://a.example/path"),
        ("TRUSTED_PROXIES", "many"),
        ("MAX_CLIENTS", "0"),
        ("NOUN", "a" * 33),
        ("FEED", "tcp://a..b:5555"),
        ("FEED", "connect:tcp://a..b:5555"),
        ("LOG", "loud"),
    ],
)
def test_invalid_values_are_rejected(name, value):
    variable = f"BUTTON_{name}"
    if not value:
        assert Settings.from_environ({variable: value}) == Settings()
        return
    with pytest.raises(SettingError, match=f"^{variable}: expected "):
        Settings.from_environ({variable: value})


@pytest.mark.parametrize("name", ["ADMIN_PASSWORD", "API_TOKEN", "DATABASE"])
def test_error_does_not_contain_a_secret(name):
    with pytest.raises(SettingError) as caught:
        Settings.from_environ({f"BUTTON_{name}": "hidden \n" * 50})
    assert "hidden" not in str(caught.value)


def test_table_lists_each_setting_once():
    names = [name for name, _, _ in table()]
    assert len(set(names)) == len(names)
    assert all(name.startswith("BUTTON_") and meaning for name, _, meaning in table())


def test_everyday_settings_come_first():
    names = [name.removeprefix("BUTTON_") for name, _, _ in table()]
    everyday = [
        "TITLE",
        "GOAL",
        "NOUN",
        "HORN",
        "PIN",
        "LED_PIN",
        "HOLD",
        "SITE",
        "ADMIN_PASSWORD",
        "BACKUPS",
    ]
    assert names[: len(everyday)] == everyday


def test_environment_file_has_the_order_of_the_table():
    names = re.findall("^#(BUTTON_[A-Z_]+)=", environment_file(""), re.M)
    assert names == [name for name, _, _ in table()]


def test_default_heading_has_the_noun():
    assert Settings.from_environ({}).heading == "Deals till {goal} deal goal"
    settings = Settings.from_environ({"BUTTON_NOUN": "sign-up,sign-ups"})
    assert settings.heading == "Sign-ups till {goal} sign-up goal"
    assert Settings.from_environ({"BUTTON_TITLE": "Till lunch"}).heading == "Till lunch"


def test_noun_of_32_characters_gets_its_plural():
    assert Settings.from_environ({"BUTTON_NOUN": "a" * 32}).noun == ("a" * 32, "a" * 32 + "s")


def test_default_port_of_an_allowed_origin_is_left_out_as_by_browsers():
    origins = "https://a.example:443,http://b.example:80,https://c.example:80,http://[::1]:80"
    assert Settings.from_environ({"BUTTON_ALLOWED_ORIGINS": origins}).allowed_origins == (
        "https://a.example", "http://b.example", "https://c.example:80", "http://[::1]",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"secret\nmore", "secret"),
        (b"secret\r\n", "secret"),
        ("one\u2028line\x0c".encode(), "one\u2028line\x0c"),
        (b"secret\n" + "\u00e9".encode() * 4000, "secret"),
    ],
)
def test_secret_is_the_first_line_of_its_file(tmp_path, content, value):
    path = tmp_path / "secret"
    path.write_bytes(content)
    found = Settings.from_environ({"BUTTON_ADMIN_PASSWORD_FILE": str(path)})
    assert found.admin_password == value
