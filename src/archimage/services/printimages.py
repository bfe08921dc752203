"""What an image box and a presentation LUT bring, compared with what they say of it.

Ref: PS3.3 §C.13.5, §C.11.4.
"""

import base64
import struct
from typing import Final

from archimage.dicom.film.description import BoxImage, PresentationLut
from archimage.errors import RefusedOperationError
from archimage.protocol.status import Status
from archimage.services.datasets import Model, is_empty, items, text, texts
from archimage.services.printattributes import (
    BEHAVIOUR,
    MAGNIFICATION,
    MAX_DENSITY,
    MIN_DENSITY,
    POLARITY,
    REQUESTED_SIZE,
    invalid,
    number,
)

GREY_SEQUENCE, COLOUR_SEQUENCE = 0x20200110, 0x20200111
LUT_SEQUENCE, LUT_SHAPE = 0x20500010, 0x20500020
_LUT_DESCRIPTOR, _LUT_DATA = 0x00283002, 0x00283006
_SAMPLES, _PHOTOMETRIC, _PLANAR = 0x00280002, 0x00280004, 0x00280006
_ROWS, _COLUMNS, _ASPECT = 0x00280010, 0x00280011, 0x00280034
_ALLOCATED, _STORED, _HIGH, _REPRESENTATION = 0x00280100, 0x00280101, 0x00280102, 0x00280103
_PIXEL_DATA: Final = 0x7FE00010
_REQUIRED: Final = (_SAMPLES, _PHOTOMETRIC, _ROWS, _COLUMNS, _ALLOCATED, _STORED, _HIGH, _REPRESENTATION)
_SHAPES: Final = frozenset({"IDENTITY", "LIN OD", "INVERSE"})
_ENTRIES: Final = frozenset({0, *range(2, 0x10000)})
_MOST_ASPECT: Final = 100.0


def box_image(values: Model, item: Model, pixels: memoryview | None, *, colour: bool, position: int) -> BoxImage:
    """Return the image that an item of an image sequence holds; values are the attributes of its box.

    Raises:
        RefusedOperationError: what it says of its pixels is missing, wrong, or not true.
    """
    for tag in _REQUIRED:
        if is_empty(item, tag):
            raise RefusedOperationError(
                "the image lacks an attribute", status=Status.MISSING_ATTRIBUTE, offending=(tag,)
            )
    if not pixels:
        raise RefusedOperationError(
            "the image lacks its pixels", status=Status.MISSING_ATTRIBUTE, offending=(_PIXEL_DATA,)
        )
    bits = _bits(item, colour=colour)
    photometric = _photometric(item, colour=colour)
    rows, columns = _whole(item, _ROWS), _whole(item, _COLUMNS)
    samples = 3 if colour else 1
    length = rows * columns * samples * (1 if bits == 8 else 2)
    if not rows or not columns or len(pixels) not in {length, length + length % 2}:
        raise invalid(_PIXEL_DATA, f"{len(pixels)} bytes of pixels, where {length} are needed")
    return BoxImage(
        position,
        rows,
        columns,
        bits,
        length,
        samples=samples,
        planar=colour and text(item, _PLANAR) == "1",
        inverted=(photometric == "MONOCHROME1") != (text(values, POLARITY) == "REVERSE"),
        aspect=_aspect(item),
        magnification=text(values, MAGNIFICATION),
        requested_mm=number(text(values, REQUESTED_SIZE)),
        behaviour=text(values, BEHAVIOUR),
        min_density=density(values, MIN_DENSITY),
        max_density=density(values, MAX_DENSITY),
    )


def density(values: Model, tag: int) -> int | None:
    """Return a density in hundredths, None where it is not given."""
    given = text(values, tag)
    return int(given) if given else None


def presentation_lut(model: Model) -> PresentationLut:
    """Return the presentation LUT of an N-CREATE; RefusedOperationError where it is none."""
    shape, tables = text(model, LUT_SHAPE), items(model, LUT_SEQUENCE)
    if not shape and not tables:
        raise RefusedOperationError(
            "a presentation LUT has a shape or a table", status=Status.MISSING_ATTRIBUTE, offending=(LUT_SHAPE,)
        )
    if shape and (tables or shape not in _SHAPES):
        raise invalid(LUT_SHAPE)
    return PresentationLut(shape) if shape else _table(tables[0])


def _table(item: Model) -> PresentationLut:
    descriptor = [int(value) for value in texts(item, _LUT_DESCRIPTOR) if value.lstrip("-").isdigit()]
    if len(descriptor) != 3 or descriptor[0] not in _ENTRIES or descriptor[1] or not 10 <= descriptor[2] <= 16:
        raise invalid(_LUT_DESCRIPTOR)
    found = item.get(f"{_LUT_DATA:08X}", {})
    raw = base64.b64decode(found.get("InlineBinary", ""))
    table = struct.unpack(f"<{len(raw) // 2}H", raw[: len(raw) // 2 * 2]) or tuple(found.get("Value", ()))
    entries, bits = descriptor[0] or 1 << 16, descriptor[2]
    if len(table) != entries or not all(isinstance(value, int) and 0 <= value < 1 << bits for value in table):
        raise invalid(_LUT_DATA)
    return PresentationLut("", table, bits)


def _bits(item: Model, *, colour: bool) -> int:
    allocated, stored, high = (_whole(item, tag) for tag in (_ALLOCATED, _STORED, _HIGH))
    if allocated not in ({8} if colour else {8, 16}):
        raise invalid(_ALLOCATED)
    if not (stored == 8 if allocated == 8 else 8 < stored <= 16):
        raise invalid(_STORED)
    if high != stored - 1:
        raise invalid(_HIGH)
    if _whole(item, _REPRESENTATION):
        raise invalid(_REPRESENTATION)
    return stored


def _photometric(item: Model, *, colour: bool) -> str:
    photometric = text(item, _PHOTOMETRIC)
    if photometric not in ({"RGB"} if colour else {"MONOCHROME1", "MONOCHROME2"}):
        raise invalid(_PHOTOMETRIC)
    if _whole(item, _SAMPLES) != (3 if colour else 1):
        raise invalid(_SAMPLES)
    if text(item, _PLANAR) not in {"", "0", "1"}:
        raise invalid(_PLANAR)
    return photometric


def _whole(item: Model, tag: int) -> int:
    value = text(item, tag)
    return int(value) if value.isascii() and value.isdigit() else -1


def _aspect(item: Model) -> float:
    """Return the height of a pixel by its width."""
    given = [number(value) for value in texts(item, _ASPECT)]
    if not given:
        return 1.0
    if len(given) != 2 or min(given) <= 0 or not 1 / _MOST_ASPECT <= given[0] / given[1] <= _MOST_ASPECT:
        raise invalid(_ASPECT)
    return given[0] / given[1]
