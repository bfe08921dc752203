"""Loggers by category: what an operator turns up or down by itself (`log.levels`), and finds again.

A value named `patient` is told only where `log.patient_data` says so: whatever a data set, a query or a person said of
a patient goes there and nowhere else.
"""

import logging
from typing import Final, get_args

import structlog
from structlog.stdlib import BoundLogger

from archimage.config_observing import LogCategory

CATEGORIES: Final[tuple[LogCategory, ...]] = get_args(LogCategory)
PREFIX: Final = "archimage."
PATIENT: Final = "patient"
_STANDARD: Final = {category: logging.getLogger(PREFIX + category) for category in CATEGORIES}


def logger(category: LogCategory) -> BoundLogger:
    """Return what tells of events of a category."""
    found: BoundLogger = structlog.get_logger(PREFIX + category)
    return found


def is_detailed(category: LogCategory) -> bool:
    """Tell whether what is told of a category goes down to every single thing; to ask costs 0.1 us, to tell 50."""
    return _STANDARD[category].isEnabledFor(logging.DEBUG)
