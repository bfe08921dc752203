"""Finds the head in a series of slices, and what of it has to go so that no face can be made of it (PS3.15 §E.3.2).

The skin is what is met first from the front. Over blocks of 20 mm, from above the eyes to below the chin, everything
before an upright plane goes. It stands at least `LEAST_MM` behind the foremost skin of its block and `BEHIND_MM` behind
the hindmost, but no more than `MOST_MM` behind the foremost beside the brain, and never behind the head's middle.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from archimage.dicom.deidentify.coarse import CELL_MM, Mask, Volume, solid
from archimage.dicom.deidentify.placement import Floats
from archimage.dicom.deidentify.shell import BLOCK_MM, Shell
from archimage.errors import NotAcceptableError

LEAST_MM: Final = 25.0
MOST_MM: Final = 60.0
_MOST_BELOW_MM: Final = 90.0
BEHIND_MM: Final = 15.0

_ABOVE_EYES, _BELOW_BRAIN, _BELOW_CHIN, _CHIN = 0.3, 0.75, 1.4, 1.15
"""Distances from the vertex, as shares of the head's length from front to back."""

_CT_TISSUE: Final = -300.0
_MR_TISSUE: Final = 0.1
_WIDTHS_MM, _LENGTHS_MM = (100.0, 210.0), (120.0, 250.0)
_CROWN_MM, _MEASURED_MM = 40, 100
_TRUNK_MM: Final = 240.0
_TRUNK_FILLS: Final = 0.6
_HEADS: Final = frozenset(
    {
        "",
        "HEAD",
        "BRAIN",
        "SKULL",
        "FACE",
        "HEADNECK",
        "NECK",
        "ORBIT",
        "SINUS",
        "EAR",
        "IAC",
        "PITUITARY",
        "TMJ",
        "JAW",
    }
)
_TRUNKS: Final = frozenset({"ABDOMEN", "PELVIS", "ABDOMENPELVIS", "LSPINE"})
"""Not the chest, whose images may begin at the chin."""
_CUT_OFF: Final = 0.02
_LEFT: Final = 0.1


def shell_of(volume: Volume, body_part: str, *, ct: bool) -> Shell:
    """Return what has to be removed: nothing of a trunk that is safely none of a head.

    Raises:
        NotAcceptableError: whether a face is there, or where it is, cannot be told; the message says why.
    """
    body = solid(volume.inside & (volume.values > _threshold(volume, ct=ct)))
    if not body.any():
        raise NotAcceptableError("no head can be told from the air in its series")
    if body_part in _TRUNKS and _is_trunk(body, volume):
        return Shell()
    if body_part not in _HEADS:
        raise NotAcceptableError("its series is of another part of the body, and may show a face all the same")
    return _Head(body, volume).shell()


def _threshold(volume: Volume, *, ct: bool) -> float:
    if ct:
        return _CT_TISSUE
    low, high = np.percentile(volume.values[volume.inside], (2, 98))
    return float(low + _MR_TISSUE * (high - low))


def _is_trunk(body: Mask, volume: Volume) -> bool:
    """Tell whether the uppermost plane of the images cuts through one thing that is wider than a head."""
    counts = volume.inside.sum(axis=(1, 2))
    top = int(np.flatnonzero(counts >= counts.max() / 2)[-1])
    (front, back), (right, left) = (_extent(body[top : top + 1], axis) for axis in (1, 2))
    filled = float(body[top].sum()) * CELL_MM**2  # a head between raised arms leaves gaps
    return left - right >= _TRUNK_MM and filled >= _TRUNK_FILLS * (left - right) * (back - front)


def _extent(planes: Mask, axis: int) -> tuple[float, float]:
    """Return between which places planes have something along an axis, in mm from the first cell's beginning."""
    places = np.flatnonzero(planes.any(axis=(0, 3 - axis)))
    return (float(places[0]) * CELL_MM, float(places[-1] + 1) * CELL_MM) if places.size else (0.0, 0.0)


class _Head:
    """A head in a volume, from the vertex down."""

    def __init__(self, body: Mask, volume: Volume) -> None:
        self._body = body
        self._volume = volume
        self._top = int(np.flatnonzero(body.any(axis=(1, 2)))[-1])
        self._check_vertex()
        bottom, upper = (self._top - int(distance / CELL_MM) for distance in (_MEASURED_MM, _CROWN_MM))
        if bottom < 0:
            raise NotAcceptableError(f"its series shows less than {_MEASURED_MM} mm of a head")
        (front, back), (right, left) = (_extent(body[bottom:upper], axis) for axis in (1, 2))
        self._width, self._length = left - right, back - front
        for size, (least, most) in ((self._width, _WIDTHS_MM), (self._length, _LENGTHS_MM)):
            if not least <= size <= most:
                raise NotAcceptableError("what its series shows has not the size of a head, or not all of one")
        self._middle_y = volume.y + (front + back - CELL_MM) / 2
        self._middle_x = volume.x + (right + left - CELL_MM) / 2

    def _check_vertex(self) -> None:
        """Refuse a head that is cut off at the top."""
        lid = self._body.copy()
        lid[:-1] &= ~self._body[1:]
        lid[: max(0, self._top - int(_CROWN_MM / CELL_MM))] = False
        above = np.zeros_like(lid)
        above[:-1] = self._volume.inside[1:]
        if np.count_nonzero(lid & ~above) > _CUT_OFF * np.count_nonzero(lid):
            raise NotAcceptableError("the top of the head is not in its series, without which no face is looked for")

    def shell(self) -> Shell:
        """Return what lies before the planes of the blocks."""
        top = self._volume.z + self._top * CELL_MM
        upper, lower = top - _ABOVE_EYES * self._length, top - _BELOW_CHIN * self._length
        rows = int(np.ceil((upper - lower) / BLOCK_MM))
        columns = 2 * int(np.ceil(self._width / 2 / BLOCK_MM)) + 2
        bottom, right = upper - rows * BLOCK_MM, self._middle_x - columns / 2 * BLOCK_MM
        height, _, width = self._body.shape
        z = self._volume.z + CELL_MM * np.arange(height, dtype=np.float64)
        x = self._volume.x + CELL_MM * np.arange(width, dtype=np.float64)
        skin = self._skin()
        blocks = _blocks(z, bottom), _blocks(x, right)
        limits = np.full((rows, columns), self._middle_y)
        for row, column in np.ndindex(rows, columns):
            most = MOST_MM if bottom + (row + 1) * BLOCK_MM > top - _BELOW_BRAIN * self._length else _MOST_BELOW_MM
            limits[row, column] = self._limit(skin[np.ix_(blocks[0] == row, blocks[1] == column)], most)
        self._check_left(skin, Shell(right, bottom, _rows(limits)), z, x)
        return Shell(right, bottom, _rows(limits))

    def _skin(self) -> Floats:
        """Return y of the skin by (z, x), seen from the front; infinite where it lies behind the middle of the head."""
        first = self._volume.y + (self._body.argmax(axis=1) - 0.5) * CELL_MM
        skin: Floats = np.where(self._body.any(axis=1) & (first < self._middle_y), first, np.inf)
        return skin

    def _limit(self, skin: Floats, most: float) -> float:
        """Return where the plane of a block stands; the middle of the head where there is no skin before that."""
        known = skin[np.isfinite(skin)]
        if not known.size:
            return self._middle_y
        foremost, hindmost = float(known.min()), float(known.max())
        behind = min(hindmost + BEHIND_MM, foremost + most)
        return min(max(foremost + LEAST_MM, behind), self._middle_y)

    def _check_left(self, skin: Floats, shell: Shell, z: Floats, x: Floats) -> None:
        """Refuse where too much of the face's skin lies behind the planes: then it is no face that was found."""
        limits = np.array(shell.limits)
        top = self._volume.z + self._top * CELL_MM
        row, column = _blocks(z, shell.bottom), _blocks(x, shell.right)
        tall = (row >= 0) & (row < limits.shape[0]) & (z > top - _CHIN * self._length)
        wide = (column >= 0) & (column < limits.shape[1]) & (np.abs(x - self._middle_x) < 0.35 * self._width)
        seen = skin[np.ix_(tall, wide)]
        left = np.isfinite(seen) & (seen > limits[np.ix_(row[tall], column[wide])] - CELL_MM / 2)
        if int(left.sum()) > _LEFT * max(1, int(np.isfinite(seen).sum())):
            raise NotAcceptableError("where the face in its series is cannot be told from what lies before it")


def _blocks(places: Floats, start: float) -> npt.NDArray[np.int64]:
    """Return in which block each place is."""
    numbers: npt.NDArray[np.int64] = np.floor((places - start) / BLOCK_MM).astype(np.int64)
    return numbers


def _rows(limits: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in limits)
