"""Overlay planes: bit masks beside the pixels, or in bits of their cells that the pixels leave free (PS3.3 §C.9.2).

A plane that is broken or incomplete is left out: the picture below it is still worth seeing.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from archimage.dicom.render.attributes import bytes_of, integer_of, integers_of, text_of, values_of
from archimage.dicom.render.grayscale import Array
from archimage.dicom.render.images import Picture
from archimage.dicom.render.stored import StoredForm

Mask = npt.NDArray[np.bool_]

GROUPS: Final = range(0x6000, 0x6020, 2)
_ROWS, _COLUMNS, _FRAMES, _TYPE, _ORIGIN, _FIRST_FRAME = 0x10, 0x11, 0x15, 0x40, 0x50, 0x51
_BITS_ALLOCATED, _BIT_POSITION, _DATA = 0x100, 0x102, 0x3000


def overlay_masks(source: Dataset, cells: Array, number: int, groups: Iterable[int] = GROUPS) -> list[Mask]:
    """Return where the overlays of a frame are set, each (rows, columns) as the frame; of a region its outline.

    source holds the overlay groups; cells are the frame as stored, number counts frames from 1.

    Raises:
        InvalidDatasetError: an overlay's attributes cannot be read.
    """
    present = {tag.group for tag in source.keys()}  # noqa: SIM118 - a data set iterates over elements
    found = []
    for group in groups:
        if group not in present:  # asking for 16 groups took a third of a picture
            continue
        mask = overlay_mask(source, cells, number, group)
        if mask is not None:
            found.append(_outline(mask) if text_of(source, group << 16 | _TYPE) == "R" else mask)
    return found


def overlay_mask(source: Dataset, cells: Array, number: int, group: int) -> Mask | None:
    """Return where one overlay is set, None when it does not belong to the frame or has no data."""
    base = group << 16
    data = bytes_of(source, base | _DATA)
    if data:
        plane = _plane(source, base, data, number)
        return None if plane is None else _placed(plane, source, base, (cells.shape[0], cells.shape[1]))
    return _embedded(source, base, cells)


def burned(picture: Picture, masks: Sequence[Mask], level: int | tuple[int, int, int] = 255) -> Picture:
    """Return a picture in which the masks are drawn; the one given, which may be the frame itself, stays as it is."""
    if not masks:
        return picture
    drawn = picture.copy()
    for mask in masks:
        drawn[mask] = level
    return drawn


def _plane(source: Dataset, base: int, data: bytes, number: int) -> Mask | None:
    """Return the bits of the frame's plane, which may begin in the middle of a byte."""
    rows, columns = integer_of(source, base | _ROWS), integer_of(source, base | _COLUMNS)
    index = 0
    if values_of(source, base | _FRAMES):
        index = number - integer_of(source, base | _FIRST_FRAME, 1)
        if not 0 <= index < integer_of(source, base | _FRAMES):
            return None
    first = index * rows * columns
    end = first + rows * columns
    if rows < 1 or columns < 1 or end > len(data) * 8:
        return None
    packed = np.frombuffer(data, np.uint8)
    if source.original_encoding[1] is False:
        packed = packed[: len(packed) & ~1].reshape(-1, 2)[:, ::-1].reshape(-1)
    bits = np.unpackbits(packed[first // 8 : (end + 7) // 8], bitorder="little")
    return bits[first % 8 : first % 8 + rows * columns].reshape(rows, columns).astype(np.bool_)


def _placed(plane: Mask, source: Dataset, base: int, shape: tuple[int, int]) -> Mask:
    """Lay a plane over the image at its origin, row and column of the first pixel counted from 1."""
    origin = integers_of(source, base | _ORIGIN)
    row, column = (origin[0] - 1, origin[1] - 1) if len(origin) == 2 else (0, 0)
    whole = np.zeros(shape, np.bool_)
    part = plane[max(0, -row) :, max(0, -column) :]
    target = whole[max(0, row) :, max(0, column) :]
    rows, columns = min(len(part), len(target)), min(part.shape[1], target.shape[1])
    target[:rows, :columns] = part[:rows, :columns]
    return whole


def _embedded(source: Dataset, base: int, cells: Array) -> Mask | None:
    """Return an overlay that lies in a bit of each cell which the pixel does not use (retired, PS3.3 2004 §C.9.2)."""
    form = StoredForm.of(source)
    position = integer_of(source, base | _BIT_POSITION, -1)
    unused = position > form.high_bit or 0 <= position <= form.high_bit - form.bits_stored
    if (
        integer_of(source, base | _BITS_ALLOCATED, 1) < 8
        or not unused
        or cells.ndim != 2
        or cells.dtype.kind not in "iu"
    ):
        return None
    if position >= cells.dtype.itemsize * 8:
        return None
    unsigned = cells.astype(cells.dtype.newbyteorder("="), copy=False).view(f"u{cells.dtype.itemsize}")
    return (unsigned >> position & 1).astype(np.bool_)


def _outline(mask: Mask) -> Mask:
    """Return the set bits that have one beside, above or below them which is not."""
    framed = np.pad(mask, 1)
    inside = framed[:-2, 1:-1] & framed[2:, 1:-1] & framed[1:-1, :-2] & framed[1:-1, 2:]
    return mask & ~inside
