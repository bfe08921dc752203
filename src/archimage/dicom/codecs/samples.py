"""Samples on their way into codestreams of a given precision, and back into the type that a description gives them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from archimage.dicom.codecs.description import PixelDescription

Array = npt.NDArray[Any]
"""(rows, columns[, samples]) of an integer or floating type in the machine's byte order."""


def precision_of(array: Array, description: PixelDescription) -> int:
    """Return how many bits a lossless codestream needs: those below High Bit, or all if something stands above it.

    Older objects keep overlays in the bits that their pixels leave free.
    """
    bits = description.high_bit + 1
    if bits == description.bits_allocated:
        return bits
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if description.signed else (0, (1 << bits) - 1)
    fits = array.size == 0 or (int(array.min()) >= lowest and int(array.max()) <= highest)
    return bits if fits else description.bits_allocated


def to_unsigned(array: Array, precision: int) -> Array:
    """Return the low bits of each sample, in the smallest unsigned type that holds them."""
    unsigned = array.view(array.dtype.str.replace("i", "u"))
    if array.dtype.kind == "i" and precision < 8 * array.itemsize:
        unsigned = unsigned & unsigned.dtype.type((1 << precision) - 1)
    return np.ascontiguousarray(unsigned.astype(np.uint8 if precision <= 8 else np.uint16, copy=False))


def from_precision(array: Array, description: PixelDescription, precision: int) -> Array:
    """Return decoded samples in the type described; where it is signed, the sign stands in their highest bit."""
    if array.dtype == description.dtype:
        return array
    target = np.dtype(description.dtype)
    if description.signed and array.dtype.kind == "u":
        spare = 8 * target.itemsize - precision
        widened = array.astype(target.str.replace("i", "u")) << spare
        return widened.view(target) >> spare
    if not description.signed and array.dtype.kind == "i":
        mask = (1 << precision) - 1
        return (array.astype(target.str.replace("u", "i")) & mask).astype(target)
    return array.astype(target)


def clipped(array: Array, description: PixelDescription) -> Array:
    """Bring what a lossy codestream of higher precision yields back into the range of Bits Stored."""
    bits = description.high_bit + 1
    if bits == description.bits_allocated:
        return array
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if description.signed else (0, (1 << bits) - 1)
    return array.clip(lowest, highest)


def stored_values(array: Array, description: PixelDescription) -> Array:
    """Return samples of Bits Stored only, signs extended: without overlays in the bits that pixels leave free.

    Ref: PS3.5 §8.1.1.
    """
    spare = description.bits_allocated - description.high_bit - 1
    below = description.high_bit + 1 - description.bits_stored
    if description.floating or description.bits_allocated == 1 or not spare + below:
        return array
    return array << spare >> spare + below
