"""Values without meaning for every VR, and dates that are moved by days (PS3.15 §E.1.1, §E.3.6)."""

from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final

from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue

from archimage.dicom.olddates import plain_date

REMOVED: Final = "REMOVED"
DATE_VRS: Final = frozenset({"DA", "DT", "TM"})
TEXT_VRS: Final = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_NO_DAY: Final = "19000101"
_DUMMIES: Final = MappingProxyType(
    {
        "AE": REMOVED,
        "AS": "000Y",
        "AT": 0,
        "CS": REMOVED,
        "DA": _NO_DAY,
        "DS": "0",
        "DT": f"{_NO_DAY}000000",
        "FD": 0.0,
        "FL": 0.0,
        "IS": "0",
        "PN": f"{REMOVED}^",
        "SL": 0,
        "SS": 0,
        "SV": 0,
        "TM": "000000",
        "UI": "2.25.0",
        "UL": 0,
        "UR": "urn:uuid:00000000-0000-0000-0000-000000000000",
        "US": 0,
        "UV": 0,
    }
)
_BYTES_VRS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_TEMPORAL: Final = frozenset("0123456789.:+- ")
_EIGHT_ZEROS: Final = bytes(8)


def dummy(vr: str) -> Any:
    """Return a value of a VR that says nothing, and is not empty."""
    if vr in _BYTES_VRS:
        return _EIGHT_ZEROS
    return _DUMMIES.get(vr, REMOVED)


def is_temporal(text: str) -> bool:
    """Tell whether a value has no other characters than dates and times have."""
    return not set(text) - _TEMPORAL


def moved(text: str, vr: str, days: int) -> str:
    """Return a DA or DT so many days earlier, a TM as it is; a dummy where it cannot be read.

    Of a DT without a day the month or year of the day that is moved stays; a time and an offset stay as they are.
    """
    if vr == "TM":
        return text if text.replace(".", "").replace(":", "").strip().isdigit() else str(dummy(vr))
    plain = plain_date(text.strip())
    length = 8 if vr == "DA" else min(8, len(plain.partition("+")[0].partition("-")[0]))
    digits, rest = plain[:length], plain[length:]
    if (
        not digits.isdigit()
        or length not in {4, 6, 8}
        or (vr == "DA" and rest)
        or not set(rest) <= set("0123456789.+-")
    ):
        return str(dummy(vr))
    try:
        day = date(int(digits[:4]), int(digits[4:6] or "1"), int(digits[6:8] or "1")) - timedelta(days)
    except (ValueError, OverflowError):
        return str(dummy(vr))
    return day.strftime("%Y%m%d").zfill(8)[:length] + rest


def values_of(element: DataElement) -> list[str]:
    """Return the values of an element as text."""
    value = element.value
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, MultiValue | list) else [str(value)]


def put(element: DataElement, value: Any) -> bool:
    """Give an element a value, the only one of a list as itself; None is no value. Tell whether that differs."""
    if isinstance(value, list) and len(value) == 1 and element.VR != "SQ":
        (value,) = value
    before = element.value
    element.value = [] if value is None and element.VR == "SQ" else value
    return bool(before != element.value)
