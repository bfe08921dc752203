"""Lookup tables as data sets hold them: three numbers that describe them, and their entries in 8 or 16 bits.

Ref: PS3.3 §C.11.1.1.1, §C.11.2.1.1, §C.7.6.3.1.5.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from archimage.dicom.render.attributes import Key, integers_of, values_of
from archimage.errors import InvalidDatasetError

_MOST_ENTRIES = 1 << 16


@dataclass(frozen=True, slots=True)
class Descriptor:
    """How many entries a table has, the value that its first entry stands for, and the bits of an entry."""

    count: int
    first: int
    bits: int

    @classmethod
    def of(cls, source: Dataset, key: Key, *, signed: bool) -> "Descriptor":
        """Read a descriptor; signed tells how the first mapped value is to be taken.

        Raises:
            InvalidDatasetError: it is not three numbers, or they describe no table.
        """
        numbers = integers_of(source, key)
        if len(numbers) != 3 or not 1 <= numbers[2] <= 16:
            raise InvalidDatasetError("the descriptor of a lookup table is three numbers, the last at most 16")
        count, first, bits = numbers
        return cls(count & 0xFFFF or _MOST_ENTRIES, first - 0x10000 if signed and first > 0x7FFF else first, bits)


@dataclass(frozen=True, slots=True)
class LookupTable:
    """Entries for the values from first on; bits is how many of an entry count."""

    first: int
    bits: int
    entries: npt.NDArray[Any]

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the entry of each value, the first and the last one for what lies outside."""
        finite = np.nan_to_num(values, nan=self.first, posinf=np.inf, neginf=-np.inf)
        offsets = np.clip(np.rint(finite) - self.first, 0, len(self.entries) - 1)
        found: npt.NDArray[Any] = self.entries[offsets.astype(np.intp)]
        return found

    def fractions(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the entries as fractions of the highest that their bits allow."""
        return self(values) / float((1 << self.bits) - 1)


def lookup_table(item: Dataset, *, signed: bool) -> LookupTable:
    """Read the table of a modality, VOI or presentation LUT sequence's item.

    Raises:
        InvalidDatasetError: there is none that can be read.
    """
    descriptor = Descriptor.of(item, "LUTDescriptor", signed=signed)
    entries = entries_of(item, "LUTData", descriptor)
    return LookupTable(descriptor.first, used_bits(descriptor, entries), entries)


def used_bits(descriptor: Descriptor, entries: npt.NDArray[Any]) -> int:
    """Return the bits that entries have: more than described, or 8 instead of 16, where the descriptor is wrong."""
    needed = int(entries.max()).bit_length()
    if descriptor.bits == 16 and needed <= 8:
        return 8
    return max(needed, descriptor.bits)


def entries_of(source: Dataset, key: Key, descriptor: Descriptor) -> npt.NDArray[Any]:
    """Return a table's entries; of fewer than described those that are there.

    Raises:
        InvalidDatasetError: there are none.
    """
    words = words_of(source, key)
    if descriptor.bits <= 8 and 2 * len(words) <= descriptor.count + 1:
        entries: npt.NDArray[Any] = words.astype("<u2").view(np.uint8)[: descriptor.count]
    else:
        entries = words[: descriptor.count]
    if not len(entries):
        raise InvalidDatasetError("a lookup table has no entries")
    return entries


def words_of(source: Dataset, key: Key) -> npt.NDArray[np.uint16]:
    """Return the 16-bit words of an element that may have been read as bytes or as numbers."""
    values = values_of(source, key)
    if values and isinstance(values[0], bytes):
        raw = values[0][: len(values[0]) & ~1]
        return np.frombuffer(raw, _word_type(source)).astype(np.uint16)
    try:
        return (np.array(values, np.int64) & 0xFFFF).astype(np.uint16)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidDatasetError("the entries of a lookup table are no numbers") from error


def _word_type(source: Dataset) -> str:
    """Return the byte order that a data set came in; pydicom leaves that of OW as it is."""
    return ">u2" if source.original_encoding[1] is False else "<u2"
