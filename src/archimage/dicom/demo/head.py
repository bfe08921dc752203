"""An invented head for magnetic resonance: tissues at any place, and how bright each is in three contrasts.

No person was ever scanned for it. Lengths in millimetres: x to the left, y to the back, z to the top of the head.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from archimage.dicom.demo.canvas import Mask, Plane, soften

Places = npt.NDArray[np.float32]
Tissues = npt.NDArray[np.uint8]


class Tissue(IntEnum):
    """What the head is made of."""

    AIR = 0
    FAT = 1
    BONE = 2
    MARROW = 3
    FLUID = 4
    GREY = 5
    WHITE = 6
    LESION = 7
    MUSCLE = 8


# Brightness of each tissue, in the order of Tissue.
CONTRASTS: Final[Mapping[str, tuple[float, ...]]] = MappingProxyType(
    {
        "T1": (8, 1500, 60, 1050, 180, 560, 860, 480, 520),
        "T2": (8, 900, 50, 620, 1500, 800, 500, 1150, 330),
        "FLAIR": (8, 760, 50, 480, 110, 800, 560, 1450, 350),
    }
)


class _Blob(NamedTuple):
    """An ellipsoid of one tissue: centre and half axes; mirrored where it lies beside the middle."""

    x: float
    y: float
    z: float
    rx: float
    ry: float
    rz: float
    tissue: Tissue


_NECK: Final = (
    _Blob(0, 24, -250, 59, 64, 218, Tissue.FAT),
    _Blob(0, -46, -64, 57, 56, 70, Tissue.FAT),
    _Blob(0, 24, -250, 54, 59, 214, Tissue.MUSCLE),
    _Blob(0, -46, -64, 52, 50, 65, Tissue.MUSCLE),
    _Blob(0, 82, -115, 40, 9, 60, Tissue.FAT),
    _Blob(20, 52, -120, 3, 24, 70, Tissue.FAT),
    _Blob(38, 34, -120, 10, 3, 70, Tissue.FAT),
    _Blob(40, 2, -125, 6, 7, 60, Tissue.FLUID),
    *(_Blob(0, 6, -84 - 18 * level, 13, 9, 7.5, Tissue.MARROW) for level in range(4)),
    *(_Blob(0, 50, -94 - 18 * level, 5, 15, 5, Tissue.MARROW) for level in range(3)),
    _Blob(0, 24, -110, 11, 9, 70, Tissue.FLUID),
)
_FACE: Final = (
    _Blob(0, -93, -32, 7, 10, 16, Tissue.FAT),
    _Blob(0, -100, -52, 13, 17, 13, Tissue.FAT),
    _Blob(36, -66, -64, 13, 18, 26, Tissue.FAT),
    _Blob(41, -30, -80, 4, 20, 32, Tissue.MARROW),
    _Blob(0, -78, -77, 27, 16, 9, Tissue.MARROW),
    _Blob(0, -72, -108, 32, 22, 10, Tissue.BONE),
    _Blob(0, -72, -108, 29, 19, 7, Tissue.MARROW),
    _Blob(0, -80, -92, 26, 14, 7, Tissue.BONE),
    _Blob(0, -58, -93, 22, 27, 14, Tissue.MUSCLE),
    _Blob(0, -72, -54, 13, 28, 17, Tissue.AIR),
    _Blob(6, -64, -58, 3, 19, 5, Tissue.MUSCLE),
    _Blob(0, -66, -54, 1.6, 26, 17, Tissue.MUSCLE),
    _Blob(30, -66, -56, 13, 14, 15, Tissue.AIR),
    _Blob(0, -4, -46, 17, 9, 18, Tissue.MARROW),
    _Blob(0, -26, -42, 13, 13, 8, Tissue.AIR),
    _Blob(0, -26, -88, 10, 6, 28, Tissue.AIR),
    _Blob(0, -30, -132, 8, 8, 30, Tissue.AIR),
    _Blob(31, -62, -22, 18, 25, 18, Tissue.FAT),
    _Blob(20, -50, -22, 4, 20, 5, Tissue.MUSCLE),
    _Blob(31, -72, -22, 12, 12.5, 12, Tissue.FLUID),
    _Blob(31, -81, -22, 5, 2.5, 5, Tissue.GREY),
)
_SINUS: Final = (_Blob(0, -86.5, 6, 17, 3.5, 11, Tissue.AIR),)
_DEEP: Final = (
    _Blob(0, 6, 24, 9, 38, 12, Tissue.WHITE),
    _Blob(26, -2, 2, 9, 26, 15, Tissue.WHITE),
    _Blob(27, -6, 2, 6, 18, 11, Tissue.GREY),
    _Blob(12, 8, 4, 9, 15, 10, Tissue.GREY),
    _Blob(16, -22, 14, 6, 9, 11, Tissue.GREY),
    _Blob(9, -20, 16, 5.5, 16, 7.5, Tissue.FLUID),
    _Blob(13, 12, 20, 6, 20, 7, Tissue.FLUID),
    _Blob(24, 32, 6, 6, 14, 8, Tissue.FLUID),
    _Blob(0, 4, 2, 2.2, 14, 10, Tissue.FLUID),
    _Blob(0, 26, -46, 16, 15, 22, Tissue.WHITE),
    _Blob(0, 24, -100, 7, 6.5, 60, Tissue.WHITE),
    _Blob(0, 40, -44, 7, 6, 9, Tissue.FLUID),
    _Blob(0, -8, -34, 5, 5, 6, Tissue.GREY),
)
# The layers of the skull from the outside: up to which share of its radius, and what there is.
_SKULL: Final = (
    (1.0, Tissue.FAT), (0.94, Tissue.BONE), (0.92, Tissue.MARROW), (0.895, Tissue.BONE), (0.87, Tissue.FLUID),
)  # fmt: skip
_INSIDE: Final = 0.87
_LESIONS: Final = (
    (26, 22, 26, 4.5, 3.5, 4), (-24, 10, 30, 3.5, 5, 3.5), (-30, 30, 18, 5, 4, 5), (22, -30, 22, 3, 4, 3),
    (-18, -34, 24, 4, 3, 3), (34, 2, 30, 3, 3, 3),
)  # fmt: skip


def tissues(x: Places, y: Places, z: Places) -> Tissues:
    """Tell the tissue at every place; x, y and z broadcast to one plane."""
    x, y, z = np.broadcast_arrays(x, y, z)
    radius = np.sqrt((x / 78) ** 2 + (y / 97) ** 2 + (np.minimum(z, z * 0.9) / 94) ** 2)
    base = _base(x, y)
    found = np.full(x.shape, Tissue.AIR, np.uint8)
    everywhere = np.ones(x.shape, np.bool_)
    _paint(found, _NECK, (x, y, z), everywhere)
    _paint(found, _FACE, (x, y, z), everywhere)
    upper = z > base - 2.5
    for limit, tissue in _SKULL:
        found[(radius <= limit) & (upper | (found == Tissue.AIR) & (z > base - 16))] = tissue
    _paint(found, _SINUS, (x, y, z), everywhere)
    _brain(found, (x, y, z), radius, base)
    return found


def _base(x: Places, y: Places) -> Plane:
    """Return how high the base of the skull is: steps that go down to the back, the middle higher than its sides."""
    lateral = np.clip((np.abs(x) - 10) / 22, 0, 1)
    steps = 20 * lateral / (1 + np.exp(-(y + 34) / 5)) + (48 - 20 * lateral) / (1 + np.exp(-(y - 16) / 6))
    base: Plane = (-27 - steps).astype(np.float32, copy=False)
    return base


def _paint(found: Tissues, blobs: tuple[_Blob, ...], places: tuple[Places, Places, Places], within: Mask) -> None:
    """Set the tissue inside each blob, one after the other."""
    x, y, z = places
    side = np.abs(x)
    for blob in blobs:
        inside = ((side - blob.x) / blob.rx) ** 2 + ((y - blob.y) / blob.ry) ** 2 + ((z - blob.z) / blob.rz) ** 2 <= 1
        found[inside & within] = blob.tissue


def _brain(found: Tissues, places: tuple[Places, Places, Places], radius: Plane, base: Plane) -> None:
    """Put the cerebrum with its folds, the cerebellum and what lies deep inside into the skull."""
    x, y, z = places
    found[(radius <= _INSIDE) & (np.abs(z - base) < 2.5)] = Tissue.BONE
    inside = (radius <= _INSIDE) & (z > base + 2.5)
    found[inside] = Tissue.FLUID
    floor = np.where(y < 14, base + 3, -24 + 0.1 * (y - 14))
    _cerebrum(found, places, inside & (radius <= 0.855) & (z > floor), np.minimum((0.855 - radius) * 88, z - floor))
    _cerebellum(found, places, inside & (radius <= 0.855) & (z < floor - 3))
    _paint(found, _DEEP, places, inside | ((z < -50) & (radius > 0.5)))
    white = found == Tissue.WHITE
    for cx, cy, cz, rx, ry, rz in _LESIONS:
        spot = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2 <= 1
        found[spot & white] = Tissue.LESION


def _cerebrum(found: Tissues, places: tuple[Places, Places, Places], where: Mask, depth: Plane) -> None:
    """Fold grey matter around white; depth is the distance from the surface, in mm."""
    x, y, z = places
    folds = _folds(x, y, z)
    gap = np.abs(x) + np.where((z > 26) | (np.abs(y) > 46), 0, 9)  # the halves are joined in the middle
    near = np.minimum(np.maximum(depth, 0), gap * 1.1)
    sulcus = (np.abs(folds) < 0.16 - near * 0.008) & (near < 17)
    grey = (near < 3.6) | ((np.abs(folds) < 0.62 - near * 0.012) & (near < 24))
    found[where] = Tissue.WHITE
    found[where & grey] = Tissue.GREY
    found[where & (sulcus | (gap < 1.3))] = Tissue.FLUID


def _cerebellum(found: Tissues, places: tuple[Places, Places, Places], where: Mask) -> None:
    """Fill the back of the base: petrous bone in front, behind it leaves around a white core."""
    x, y, z = places
    side = np.abs(x)
    found[where & (y > -12) & (y < 30) & (side > 18)] = Tissue.BONE
    behind = where & (y > 22 + 0.16 * side)
    away = np.sqrt((x / 1.5) ** 2 + (y - 36) ** 2 + (z + 44) ** 2)
    leaves = np.sin(away * 2.1 + 1.6 * np.sin(0.13 * x) + 1.4 * np.sin(0.11 * z)) > np.where(away < 13, 0.9, -0.5)
    found[behind] = np.where(leaves, Tissue.GREY, Tissue.WHITE)[behind]


def _folds(x: Places, y: Places, z: Places) -> Plane:
    """Return a smooth field whose zeros run like the furrows of a brain."""
    bend = np.sin(x * 0.061 + 1.3) * 2.1 + np.sin(y * 0.047 + z * 0.052) * 2.4
    waves = np.sin(x * 0.21 + bend) + np.sin(y * 0.19 - z * 0.06 + 0.9 * bend) + np.sin(z * 0.22 + x * 0.07 - bend)
    field: Plane = (waves / 1.6).astype(np.float32)
    return field


def brightness(found: Tissues, contrast: str, noise: np.random.Generator) -> Plane:
    """Return what a scanner sees of a plane of tissues: blurred, shaded by the coil, noisy as a magnitude is."""
    levels = np.asarray(CONTRASTS[contrast], np.float32)
    signal = soften(levels[found])
    rows, columns = (np.linspace(-1, 1, size, dtype=np.float32) for size in signal.shape)
    signal *= 1.06 - 0.12 * (rows[:, None] - 0.2) ** 2 - 0.1 * columns[None, :] ** 2
    real = signal + noise.standard_normal(signal.shape, np.float32) * 17
    imaginary = noise.standard_normal(signal.shape, np.float32) * 17
    magnitude: Plane = np.hypot(real, imaginary)
    return magnitude
