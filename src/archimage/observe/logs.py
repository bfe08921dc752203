"""Logging: one line per event on standard error, for our own loggers and for those of libraries alike.

What came from a peer is told with every character that is not printable written as an escape, so that no name or AE
title can break a line, colour a terminal or turn its direction. Patients stand in no line unless a setting says so.
"""

import logging
import re
import sys
from functools import partial
from typing import Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from archimage import spans
from archimage.config_observing import LogConfig
from archimage.logger import CATEGORIES, PATIENT, PREFIX
from archimage.observe.text import LIMIT, escape

_CHATTY: Final = ("alembic", "uvicorn")
"""Libraries whose news is not the operator's."""
_LIBRARIES: Final = "error"
"""The category of what libraries tell: warnings and worse."""
_QUOTING: Final = frozenset({"association", "security"})
"""Categories whose events quote AE titles and settings; data sets have no part in them."""
_QUOTED: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
TRACEBACK_LIMIT: Final = 8_000  # characters


def escape_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape every value of an event (a structlog processor)."""
    for key, value in event.items():
        if isinstance(value, bool | int | float) or value is None:
            continue
        event[key] = escape(str(value), TRACEBACK_LIMIT if key == "exception" else LIMIT)
    return event


def add_category(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Tell the category of an event, of a library's its logger too (a structlog processor)."""
    name = str(event.pop("logger", ""))
    if name.startswith(PREFIX):
        event["category"] = name.removeprefix(PREFIX)
    else:
        event.update(category=_LIBRARIES, logger=name)
    return event


def add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Tell the trace that an event belongs to, where there is one (a structlog processor)."""
    span = spans.current()
    if span is not None:
        event["trace"] = span.traceparent.split("-")[1]
    return event


def add_patient(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Tell what is known of the patient as values of their own (a structlog processor)."""
    for key, value in event.pop(PATIENT, {}).items():
        event[f"{PATIENT}_{key}"] = value
    return event


def drop_patient(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Tell nothing of patients, and nothing that an error quotes: that may be anybody's (a structlog processor)."""
    event.pop(PATIENT, None)
    if event["category"] not in _QUOTING and "reason" in event:
        event["reason"] = _unquoted(str(event["reason"]))
    if "exception" in event:
        lines = str(event["exception"]).split("\n")
        event["exception"] = "\n".join(line if line.startswith(" ") else _unquoted(line) for line in lines)
    return event


def _unquoted(text: str) -> str:
    """Leave out what stands in quotation marks; our errors quote by them whatever is not their own."""
    return _QUOTED.sub("'...'", text)


def configure(settings: LogConfig, stream: TextIO | None = None, *, node: str = "") -> None:
    """Send every logger of the process to stream (standard error), as `key=value` or JSON lines; all name the node."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        add_trace,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                add_category,
                add_patient if settings.patient_data else drop_patient,
                escape_values,
                *([partial(_add_node, node)] if node else []),
                _renderer(settings.format),
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    _set_levels(root, settings)


def _add_node(node: str, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["node"] = node
    return event


def _set_levels(root: logging.Logger, settings: LogConfig) -> None:
    root.setLevel(settings.level.upper())
    for category in CATEGORIES:
        logging.getLogger(PREFIX + category).setLevel(settings.levels.get(category, settings.level).upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _renderer(style: Literal["text", "json"]) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer(sort_keys=False)
    order = ["timestamp", "level", "category", "event"]
    return structlog.processors.LogfmtRenderer(key_order=order, drop_missing=True)
