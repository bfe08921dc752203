"""True colour: RGB and the YBR forms, of any depth, to 8 bits of red, green and blue (PS3.3 §C.7.6.3.1.2)."""

from collections.abc import Sequence
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
_WHITE: Final = (0.9642, 1.0, 0.8249)
"""D50, that of the profile connection space."""
_FROM_XYZ: Final = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)


def true_colour(samples: npt.NDArray[Any], photometric: str, bits_stored: int) -> Picture:
    """Return 8 bits of red, green, blue for a frame of three samples a pixel.

    Raises:
        InvalidDatasetError: it has not three whole numbers.
    """
    if samples.ndim != 3 or samples.shape[2] != 3 or samples.dtype.kind not in "iu":
        raise InvalidDatasetError(f"{photometric} has three whole numbers in a pixel")
    picture = _eight_bits(samples.view(f"u{samples.dtype.itemsize}"), bits_stored)  # colours have no sign
    if photometric in _FULL_RANGE:
        return _from_full_range(picture)
    if photometric in _PARTIAL_RANGE:
        moved = picture.astype(np.float32) - np.array([16, 128, 128], np.float32)
        return (moved @ _FROM_PARTIAL + 0.5).clip(0, 255).astype(np.uint8)
    return picture


def _eight_bits(samples: npt.NDArray[Any], bits_stored: int) -> Picture:
    bits = min(bits_stored, samples.dtype.itemsize * 8)
    if bits >= 8:
        return (samples >> (bits - 8)).astype(np.uint8) if bits > 8 else samples.astype(np.uint8, copy=False)
    return (samples.astype(np.uint16) * 255 // ((1 << bits) - 1)).astype(np.uint8)


def _from_full_range(picture: Picture) -> Picture:
    rows, columns, _ = picture.shape
    image = Image.frombuffer("YCbCr", (columns, rows), np.ascontiguousarray(picture), "raw", "YCbCr", 0, 1)
    return np.asarray(image.convert("RGB"))


def from_cielab(encoded: Sequence[float]) -> tuple[int, int, int]:
    """Return red, green, blue of sRGB for a colour as data sets hold it: L*, a*, b* in 16 bits (PS3.3 §C.10.7.1.1)."""
    lightness = encoded[0] / 0xFFFF * 100
    a, b = (value / 0xFFFF * 255 - 128 for value in encoded[1:3])
    y = (lightness + 16) / 116
    xyz = np.array([_WHITE[0] * _linear(y + a / 500), _WHITE[1] * _linear(y), _WHITE[2] * _linear(y - b / 200)])
    light = (_FROM_XYZ @ xyz).clip(0, 1)
    curved = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    red, green, blue = (int(level) for level in np.rint(curved * 255))
    return red, green, blue


def _linear(value: float) -> float:
    return value**3 if value > 6 / 29 else (value - 4 / 29) * 3 * (6 / 29) ** 2
