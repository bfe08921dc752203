"""Every event is one line, whatever a peer wrote into it."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from archimage.config_observing import LogCategory, LogConfig
from archimage.logger import is_detailed, logger
from archimage.observe import logs
from archimage.observe.text import LIMIT, escape
from tests.logged import logging_restored

HOSTILE = "A\x1b[31m\r\nlevel=error \u202egnp.exe\u2028\x00"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    with logging_restored():
        yield


def test_text_is_one_line_of_key_and_value() -> None:
    stream = io.StringIO()
    logs.configure(LogConfig(level="info", format="text"), stream)
    structlog.get_logger("net").info("association rejected", calling=HOSTILE, count=3, works=True)
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    assert 'event="association rejected"' in line
    assert "count=3" in line
    assert r"\x1b[31m" in line


def test_json_is_one_object_a_line() -> None:
    stream = io.StringIO()
    logs.configure(LogConfig(level="info", format="json"), stream)
    structlog.get_logger("net").info("stored", calling=HOSTILE, count=3)
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], event["logger"], event["count"]) == ("stored", "info", "net", 3)
    assert event["calling"].isprintable()


def test_a_traceback_stays_on_the_line_of_its_event() -> None:
    stream = io.StringIO()
    logs.configure(LogConfig(level="info", format="text"), stream)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError" in line
    assert line.isprintable()


def test_the_standard_librarys_loggers_go_the_same_way() -> None:
    stream = io.StringIO()
    logs.configure(LogConfig(level="warning", format="text"), stream)
    logging.getLogger("other").warning("peer said %s", HOSTILE)
    logging.getLogger("other").info("not told")
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    assert "logger=other" in line


def test_long_values_are_cut() -> None:
    assert escape("x" * (LIMIT + 1)) == "x" * LIMIT + "..."


def test_printable_text_of_every_script_is_left_alone() -> None:
    assert escape("Müller^山田^이순신 \\ =") == "Müller^山田^이순신 \\ ="


def told(category: LogCategory, values: dict[str, object], *, patient_data: bool = False) -> dict[str, object]:
    """Return the one line that an event makes."""
    stream = io.StringIO()
    logs.configure(LogConfig(format="json", patient_data=patient_data), stream)
    logger(category).info("something", **values)
    (line,) = stream.getvalue().splitlines()
    found: dict[str, object] = json.loads(line)
    return found


def test_patients_and_what_errors_quote_are_told_only_where_that_is_asked_for() -> None:
    reason = """'Demo^O\\'CT' is no date, nor is "O'Demo"; send YYYYMMDD"""
    values: dict[str, object] = {"reason": reason, "patient": {"id": "1", "name": HOSTILE}}
    quiet = told("dimse", values)
    assert quiet["reason"] == "'...' is no date, nor is '...'; send YYYYMMDD"
    assert not any("patient" in key for key in quiet)
    loud = told("dimse", values, patient_data=True)
    assert loud["reason"] == reason
    assert loud["patient_id"] == "1"
    assert str(loud["patient_name"]).isprintable()


def test_what_is_said_of_ae_titles_and_settings_is_told_whole() -> None:
    categories: tuple[LogCategory, ...] = ("association", "security")
    for category in categories:
        assert told(category, {"reason": "it calls 'NOBODY'"})["reason"] == "it calls 'NOBODY'"


def test_a_traceback_keeps_its_code_and_loses_what_its_error_quotes() -> None:
    stream = io.StringIO()
    logs.configure(LogConfig(format="json"), stream)
    try:
        int("Demo^CT")
    except ValueError:
        logger("error").exception("failed")
    text = json.loads(stream.getvalue())["exception"]
    assert "invalid literal for int() with base 10: '...'" in text


def test_a_category_has_a_level_of_its_own() -> None:
    stream = io.StringIO()
    logs.configure(LogConfig(level="error", levels={"web": "debug"}), stream)
    assert is_detailed("web")
    assert not is_detailed("dimse")
    logger("web").debug("told")
    logger("dimse").warning("not told")
    (line,) = stream.getvalue().splitlines()
    assert "category=web" in line


def test_a_librarys_line_says_whose_it_is() -> None:
    stream = io.StringIO()
    logs.configure(LogConfig(format="json"), stream)
    logging.getLogger("other.part").warning("something")
    event = json.loads(stream.getvalue())
    assert (event["category"], event["logger"]) == ("error", "other.part")
