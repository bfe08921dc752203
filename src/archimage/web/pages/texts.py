"""DICOM values as people read them; what cannot be read stays as it stands.

Ref: PS3.5 §6.2 (value representations), §6.2.1.1 (person names).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

_DATE_LENGTH: Final = 8
_TIME_LENGTH: Final = 4
_SEXES: Final[Mapping[str, str]] = MappingProxyType({"F": "female", "M": "male", "O": "other"})


def person(text: str) -> str:
    """Write a person's name: family name first, then another script's spelling in brackets."""
    groups = [_group(group) for group in text.split("=")]
    shown = [group for group in groups[:2] if group]
    if not shown:
        return next((group for group in groups if group), "")
    return shown[0] if len(shown) == 1 else f"{shown[0]} ({shown[1]})"


def _group(text: str) -> str:
    family, *given = (part.strip() for part in text.split("^"))
    rest = " ".join(part for part in given if part)
    return ", ".join(part for part in (family, rest) if part)


def date(text: str) -> str:
    """Write a date as 2024-12-31."""
    if len(text) != _DATE_LENGTH or not _is_number(text):
        return text
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"


def clock(text: str) -> str:
    """Write a time as 23:59."""
    digits = text.replace(":", "")[:_TIME_LENGTH]
    return f"{digits[:2]}:{digits[2:]}" if len(digits) == _TIME_LENGTH and _is_number(digits) else text


def sex(text: str) -> str:
    """Write a patient's sex as a word."""
    return _SEXES.get(text.strip().upper(), text)


def number(value: int) -> str:
    """Write a number with its thousands apart."""
    return f"{value:,}"


def moment(seconds: float) -> str:
    """Write a moment, in seconds since 1970, as 2024-12-31 23:59 UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


FILTERS: Final[Mapping[str, Callable[..., str]]] = MappingProxyType(
    {
        "person": person,
        "dicom_date": date,
        "dicom_time": clock,
        "sex": sex,
        "number": number,
        "moment": moment,
    }
)
"""By the names that templates use."""
