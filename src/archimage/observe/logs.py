"""Logging: one line per event on standard error, for structlog and for the standard library's loggers alike.

What came from a peer is told with every character that is not printable written as an escape, so that no name or AE
title can break a line, colour a terminal or turn its direction.
"""

import logging
import sys
from typing import Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from archimage.observe.text import LIMIT, escape

_CHATTY: Final = ("alembic", "uvicorn")
"""Libraries whose news is not the operator's."""
TRACEBACK_LIMIT: Final = 8_000  # characters


def escape_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape every value of an event (a structlog processor)."""
    for key, value in event.items():
        if isinstance(value, bool | int | float) or value is None:
            continue
        event[key] = escape(str(value), TRACEBACK_LIMIT if key == "exception" else LIMIT)
    return event


def configure(level: str, style: Literal["text", "json"], stream: TextIO | None = None) -> None:
    """Send every logger of the process to stream (standard error), from level on, as `key=value` or JSON lines."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
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
                escape_values,
                _renderer(style),
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _renderer(style: Literal["text", "json"]) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer(sort_keys=False)
    return structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], drop_missing=True)
