"""Reading attributes for rendering: typed, tolerant of what is missing, and per frame where functional groups say so.

Ref: PS3.3 §C.7.6.16.
"""

from collections.abc import Sequence
from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from archimage.errors import InvalidDatasetError

Key = str | int
"""A keyword, or a tag where a repeating group has none."""

_ALL: Final = slice(None)
_FIRST: Final = slice(1)


def values_of(source: Dataset, key: Key) -> list[object]:
    """Return the values of an attribute, none when it is missing or empty.

    Raises:
        InvalidDatasetError: its bytes are no values of its VR.
    """
    value = _value(source, key)
    if value is None or (isinstance(value, str | bytes) and not value):
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]


def _value(source: Dataset, key: Key) -> object:
    try:
        element = source.get(key) if isinstance(key, str) else source.get((key >> 16, key & 0xFFFF))
        return element.value if isinstance(element, DataElement) else element
    except Exception as error:
        raise InvalidDatasetError(f"attribute {_name(key)} cannot be read") from error


def numbers_of(source: Dataset, key: Key) -> list[float]:
    """Return the values of an attribute as numbers.

    Raises:
        InvalidDatasetError: they are none.
    """
    try:
        return [float(value) for value in values_of(source, key)]  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidDatasetError(f"attribute {_name(key)} is no number") from error


def number_of(source: Dataset, key: Key) -> float | None:
    """Return the first value of an attribute as a number, None when it has none."""
    numbers = numbers_of(source, key)
    return numbers[0] if numbers else None


def integers_of(source: Dataset, key: Key) -> list[int]:
    """Return the values of an attribute as whole numbers.

    Raises:
        InvalidDatasetError: they are none.
    """
    try:
        return [int(number) for number in numbers_of(source, key)]
    except (ValueError, OverflowError) as error:
        raise InvalidDatasetError(f"attribute {_name(key)} is no whole number") from error


def integer_of(source: Dataset, key: Key, default: int = 0) -> int:
    """Return the first value of an attribute as a whole number, default when it has none."""
    integers = integers_of(source, key)
    return integers[0] if integers else default


def text_of(source: Dataset, key: Key) -> str:
    """Return the first value of an attribute as text, empty when it has none."""
    values = values_of(source, key)
    return str(values[0]).strip() if values else ""


def items_of(source: Dataset, key: Key, which: slice = _ALL) -> list[Dataset]:
    """Return the items of a sequence, or some of them; none when it is missing.

    Raises:
        InvalidDatasetError: it cannot be read.
    """
    value = _value(source, key)
    return list(value[which]) if isinstance(value, DicomSequence) else []


def bytes_of(source: Dataset, key: Key) -> bytes:
    """Return the value of a binary attribute, empty when it is missing."""
    values = values_of(source, key)
    return values[0] if values and isinstance(values[0], bytes) else b""


def _name(key: Key) -> str:
    return key if isinstance(key, str) else f"({key >> 16:04X},{key & 0xFFFF:04X})"


class FrameAttributes:
    """The attributes of one frame: its functional groups before the shared ones, and those before the data set's own.

    number counts from 1.
    """

    __slots__ = ("_groups", "header", "number")

    def __init__(self, header: Dataset, number: int) -> None:
        self.header = header
        self.number = number
        own = items_of(header, "PerFrameFunctionalGroupsSequence", slice(number - 1, number)) if number > 0 else []
        self._groups = [*own, *items_of(header, "SharedFunctionalGroupsSequence", _FIRST)]

    def macro(self, sequence: str) -> Dataset | None:
        """Return the item of a functional group macro, None when no group has it."""
        found = (item for group in self._groups for item in items_of(group, sequence, _FIRST))
        return next(found, None)

    def source(self, sequence: str) -> Dataset:
        """Return where a macro's attributes stand: its item, or the data set itself."""
        item = self.macro(sequence)
        return self.header if item is None else item
