"""Every event is one line, whatever a peer wrote into it."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from archimage.observe import logs
from archimage.observe.text import LIMIT, escape

HOSTILE = "A\x1b[31m\r\nlevel=error \u202egnp.exe\u2028\x00"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_text_is_one_line_of_key_and_value() -> None:
    stream = io.StringIO()
    logs.configure("info", "text", stream)
    structlog.get_logger("net").info("association rejected", calling=HOSTILE, count=3, works=True)
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    assert 'event="association rejected"' in line
    assert "count=3" in line
    assert r"\x1b[31m" in line


def test_json_is_one_object_a_line() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    structlog.get_logger("net").info("stored", calling=HOSTILE, count=3)
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], event["logger"], event["count"]) == ("stored", "info", "net", 3)
    assert event["calling"].isprintable()


def test_a_traceback_stays_on_the_line_of_its_event() -> None:
    stream = io.StringIO()
    logs.configure("info", "text", stream)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError" in line
    assert line.isprintable()


def test_the_standard_librarys_loggers_go_the_same_way() -> None:
    stream = io.StringIO()
    logs.configure("warning", "text", stream)
    logging.getLogger("other").warning("peer said %s", HOSTILE)
    logging.getLogger("other").info("not told")
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    assert "logger=other" in line


def test_long_values_are_cut() -> None:
    assert escape("x" * (LIMIT + 1)) == "x" * LIMIT + "..."


def test_printable_text_of_every_script_is_left_alone() -> None:
    assert escape("Müller^山田^이순신 \\ =") == "Müller^山田^이순신 \\ ="
