"""The schema of audit messages, and what is right by it."""

from pathlib import Path
from typing import Any

from lxml import etree

_SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).with_name("schema.rng")))


def problems(message: bytes) -> str:
    """Return what is wrong with a message, empty where nothing is."""
    document: Any = etree.fromstring(message)
    return "" if _SCHEMA.validate(document) else str(_SCHEMA.error_log)
