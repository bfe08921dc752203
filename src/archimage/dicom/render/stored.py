"""What a header says of its stored pixel values, and the values without what else shares their cells (PS3.5 §8.1.1)."""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from archimage.dicom.render.attributes import integer_of, number_of
from archimage.errors import InvalidDatasetError

Array = npt.NDArray[Any]

_MOST_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class StoredForm:
    """How a pixel lies in its cell."""

    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool

    @classmethod
    def of(cls, header: Dataset) -> Self:
        """Read the Image Pixel attributes; what is missing is taken as 16 bits that are all used.

        Raises:
            InvalidDatasetError: they describe no pixel.
        """
        allocated = integer_of(header, "BitsAllocated", 16)
        stored = integer_of(header, "BitsStored", allocated)
        if not 1 <= stored <= _MOST_BITS:
            raise InvalidDatasetError(f"a pixel cannot have {stored} bits")
        high = integer_of(header, "HighBit", stored - 1)
        return cls(allocated, stored, high, integer_of(header, "PixelRepresentation") == 1)

    @property
    def extent(self) -> tuple[int, int]:
        """Return the lowest and the highest value that can be stored."""
        if self.signed:
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1

    def values(self, cells: Array) -> Array:
        """Return the pixel values of cells, without overlay bits and with their sign."""
        width = cells.dtype.itemsize * 8
        if cells.dtype.kind not in "iu" or not 1 <= self.bits_stored <= self.high_bit + 1 <= width:
            return cells
        cells = cells.astype(cells.dtype.newbyteorder("="), copy=False)
        cells = cells.view(f"i{cells.dtype.itemsize}") if self.signed else cells
        if self.bits_stored == width:
            return cells
        shifted: Array = cells << (width - 1 - self.high_bit) >> (width - self.bits_stored)
        return shifted

    def value(self, number: float) -> float:
        """Return a value of an attribute that is US or SS, with the pixels' sign whichever VR it was written in."""
        return number - 0x10000 if self.signed and number > 0x7FFF else number


def padding_of(header: Dataset, form: StoredForm) -> tuple[float, float] | None:
    """Return the range of stored values that stand for no pixel, None when there is none (PS3.3 §C.7.5.1.1.2)."""
    value = number_of(header, "PixelPaddingValue")
    if value is None:
        return None
    limit = number_of(header, "PixelPaddingRangeLimit")
    first, last = form.value(value), form.value(value if limit is None else limit)
    return min(first, last), max(first, last)


def padded(values: Array, padding: tuple[float, float] | None) -> npt.NDArray[np.bool_] | None:
    """Return where values are padding, None when none is."""
    if padding is None:
        return None
    mask = (values >= padding[0]) & (values <= padding[1])
    return mask if mask.any() else None
