"""True colour: RGB and the YBR forms, of any depth, to 8 bits of red, green and blue (PS3.3 §C.7.6.3.1.2)."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from archimage.errors import InvalidDatasetError

Picture = npt.NDArray[np.uint8]

_FULL_RANGE: Final = frozenset({"YBR_FULL", "YBR_FULL_422"})
_PARTIAL_RANGE: Final = frozenset({"YBR_PARTIAL_422", "YBR_PARTIAL_420"})
_DECODED: Final = frozenset({"RGB", "YBR_ICT", "YBR_RCT"})
"""A decoder gives red, green, blue for the two transforms of JPEG 2000."""
TRUE_COLOUR: Final = _FULL_RANGE | _PARTIAL_RANGE | _DECODED

_FROM_PARTIAL: Final = np.array([[1.1644, 0, 1.596], [1.1644, -0.3917, -0.8129], [1.1644, 2.0173, 0]], np.float32).T


def true_colour(samples: npt.NDArray[Any], photometric: str, bits_stored: int) -> Picture:
    """Return 8 bits of red, green, blue for a frame of three samples a pixel.

    Raises:
        InvalidDatasetError: it has not three.
    """
    if samples.ndim != 3 or samples.shape[2] != 3:
        raise InvalidDatasetError(f"{photometric} has three samples in a pixel")
    picture = _eight_bits(samples, bits_stored)
    if photometric in _FULL_RANGE:
        return _from_full_range(picture)
    if photometric in _PARTIAL_RANGE:
        moved = picture.astype(np.float32) - np.array([16, 128, 128], np.float32)
        return (moved @ _FROM_PARTIAL + 0.5).clip(0, 255).astype(np.uint8)
    return picture


def _eight_bits(samples: npt.NDArray[Any], bits_stored: int) -> Picture:
    if samples.dtype.kind == "f":
        return (samples.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    if bits_stored == 8:
        return samples.astype(np.uint8, copy=False)
    if bits_stored > 8:
        return (samples >> (bits_stored - 8)).astype(np.uint8)
    return (samples.astype(np.uint16) * 255 // ((1 << max(bits_stored, 1)) - 1)).astype(np.uint8)


def _from_full_range(picture: Picture) -> Picture:
    rows, columns, _ = picture.shape
    image = Image.frombuffer("YCbCr", (columns, rows), np.ascontiguousarray(picture), "raw", "YCbCr", 0, 1)
    return np.asarray(image.convert("RGB"))
