"""A series of slices as one coarse volume in the patient's axes, in which a head can be told from what is around it.

Arrays are (z, y, x): from the feet up, from the front to the back, from the patient's right to the left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from archimage.dicom.codecs.samples import Array
from archimage.dicom.deidentify.placement import Floats, Placement
from archimage.errors import NotAcceptableError

CELL_MM: Final = 4.0
_LARGEST_MM: Final = 800.0

Cells = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def factors(placement: Placement) -> tuple[int, int]:
    """Return how many rows and columns of a slice make about the size of a cell."""
    down, right = (float(np.linalg.norm(step)) for step in (placement.next_row, placement.next_column))
    return max(1, int(CELL_MM / down)), max(1, int(CELL_MM / right))


def coarsened(array: Array, by: tuple[int, int]) -> Cells:
    """Return the means of blocks of (rows, columns); what is left at the end counts for its neighbours."""
    padded = np.pad(
        array.astype(np.float32), [(0, -size % step) for size, step in zip(array.shape, by, strict=True)], "edge"
    )
    rows, columns = (size // step for size, step in zip(padded.shape, by, strict=True))
    means: Cells = padded.reshape(rows, by[0], columns, by[1]).mean(axis=(1, 3), dtype=np.float32)
    return means


@dataclass(frozen=True, slots=True)
class Volume:
    """Values in cells, with which of them are within the images at all, and where the middle of the first cell is."""

    values: Cells
    inside: Mask
    x: float
    y: float
    z: float


def volume_of(stack: Cells, placements: Sequence[Placement], by: tuple[int, int]) -> Volume:
    """Turn coarsened slices, (slices, rows, columns) in their order, into cells: the nearest sample for each.

    Raises:
        NotAcceptableError: it is larger than images of a head are.
    """
    first, last = placements[0], placements[-1]
    start = np.array(first.position)
    right, down = np.array(first.next_column), np.array(first.next_row)
    start = start + right * (by[1] - 1) / 2 + down * (by[0] - 1) / 2
    step = (np.array(last.position) - np.array(first.position)) / (len(placements) - 1)
    axes = np.stack([step, down * by[0], right * by[1]], axis=1)
    ends = np.indices((2, 2, 2)).reshape(3, -1) * (np.array(stack.shape)[:, None] - 1)
    corners = start[:, None] + axes @ ends
    low, high = corners.min(axis=1), corners.max(axis=1)
    if (high - low).max() > _LARGEST_MM:
        raise NotAcceptableError(f"its series is larger than {_LARGEST_MM:.0f} mm: no face is looked for in it")
    counts = np.ceil((high - low) / CELL_MM).astype(int) + 1
    values = np.zeros(counts[::-1], np.float32)
    inside = np.zeros(counts[::-1], bool)
    _fill(values, inside, stack, np.linalg.inv(axes), low - start)
    return Volume(values, inside, *(float(one) for one in low))


def _fill(values: Cells, inside: Mask, stack: Cells, inverse: Floats, offset: Floats) -> None:
    """Put the nearest sample into each cell, plane by plane."""
    _, height, width = values.shape
    y, x = np.indices((height, width)) * CELL_MM
    sizes = np.array(stack.shape)[:, None, None]
    for number in range(len(values)):
        points = np.stack([x, y, np.full_like(x, number * CELL_MM)]) + offset[:, None, None]
        nearest = np.rint(np.tensordot(inverse, points, 1)).astype(int)
        inside[number] = ((nearest >= 0) & (nearest < sizes)).all(axis=0)
        where = tuple(nearest[:, inside[number]])
        values[number][inside[number]] = stack[where]


def spread(mask: Mask, axes: tuple[int, ...] = (0, 1, 2)) -> Mask:
    """Return a mask grown by a cell along axes."""
    grown = mask.copy()
    for axis in axes:
        before, after = [slice(None)] * 3, [slice(None)] * 3
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        grown[tuple(after)] |= mask[tuple(before)]
        grown[tuple(before)] |= mask[tuple(after)]
    return grown


def shrunk(mask: Mask) -> Mask:
    """Return a mask less its outermost cells; what is beyond the volume counts as none of it."""
    outside = np.pad(~mask, 1, constant_values=True)
    core: Mask = ~spread(outside)[1:-1, 1:-1, 1:-1]
    return core


def flooded(seed: Mask, within: Mask, axes: tuple[int, ...] = (0, 1, 2)) -> Mask:
    """Return what of a mask is connected with a seed in it along axes."""
    reached, before = seed & within, -1
    while (count := int(np.count_nonzero(reached))) != before:
        before = count
        reached = spread(reached, axes) & within
    return reached


def thickest(mask: Mask) -> Mask:
    """Return of the connected parts of a mask the one with the thickest core."""
    core, smaller = mask, shrunk(mask)
    while smaller.any():
        core, smaller = smaller, shrunk(smaller)
    seed = np.zeros_like(mask)
    if core.any():
        seed[tuple(np.argwhere(core)[0])] = True
    return flooded(seed, mask)


def solid(tissue: Mask) -> Mask:
    """Return the thickest thing, its holes filled plane by plane, without what is thinner than some cells."""
    padded = np.pad(tissue, ((0, 0), (1, 1), (1, 1)))
    edge = np.ones_like(padded)
    edge[:, 1:-1, 1:-1] = False
    filled: Mask = ~flooded(edge, ~padded, (1, 2))[:, 1:-1, 1:-1]
    opened = spread(shrunk(filled))
    return thickest(opened)
