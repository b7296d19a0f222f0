"""The newest log lines, which are kept for the admin page."""

import logging

import pytest

from integrations import log_output


@pytest.fixture
def log(monkeypatch):
    """A logger whose lines go to a handler of the program and nowhere else."""

    class Writer:
        def put(self, line):
            pass

    monkeypatch.setattr(log_output, "_recent", log_output.deque(maxlen=log_output.MAX_RECENT))
    logger = logging.Logger("test")
    logger.addHandler(log_output._Handler(Writer()))
    return logger


def lines():
    return [(level, text) for _, level, text in log_output.recent()]


def test_only_the_last_hundred_lines_are_kept(log):
    for number in range(250):
        log.info("line %d", number)
    assert lines() == [("INFO", f"line {number}") for number in range(150, 250)]


def test_long_lines_are_cut(log):
    log.info("x" * 5000)
    assert lines() == [("INFO", "x" * log_output.MAX_RECENT_SIZE)]


def test_control_characters_are_escaped_and_each_line_is_one(log):
    log.warning("\x1b[31m red\x00 \u202ereversed\r\nsecond ü")
    assert lines() == [
        ("WARNING", "\\x1b[31m red\\x00 \\u202ereversed\\r"),
        ("WARNING", "second ü"),
    ]


def test_traceback_is_kept_line_by_line(log):
    try:
        raise ValueError("wrong")
    except ValueError:
        log.exception("Failed")
    assert lines()[0] == ("ERROR", "Failed")
    assert lines()[-1] == ("ERROR", "ValueError: wrong")


def test_lines_outside_the_log_are_not_kept(log, capfd):
    log_output.write_line("Admin password: secret")
    assert lines() == []


def test_record_that_cannot_be_formatted_is_left_out(log):
    log.info("%d", "text")
    assert lines() == []
