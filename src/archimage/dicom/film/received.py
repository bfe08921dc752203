"""What an image box brings: attributes as the DICOM JSON Model, and pixels, which stand in one of its sequences."""

from typing import Final

import orjson

from archimage.dicom.elements import iter_elements
from archimage.dicom.json import metadata_json
from archimage.dicom.jsonmodel import Model
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError

MAX_ATTRIBUTES_BYTES: Final = 1 << 20
"""Of all but the pixels."""
IMAGE_SEQUENCES: Final = (0x20200110, 0x20200111)
"""Basic Grayscale, Basic Color Image Sequence."""
_PIXEL_DATA: Final = 0x7FE00010
_LONGEST_VALUE: Final = 1 << 32
_CHARSET: Final = "00080005"


def decode_image_box(data: bytes, transfer_syntax_uid: str) -> tuple[Model, memoryview | None]:
    """Read an encoded data set; its pixels are a view of data, None where it has none.

    Raises:
        InvalidDatasetError: it cannot be parsed, or has pixels that are compressed or in more than one place.
        ExcessiveDatasetError: what is beside the pixels is too long.
    """
    pixels = _pixels(data, transfer_syntax_uid)
    if len(data) - (0 if pixels is None else len(pixels)) > MAX_ATTRIBUTES_BYTES:
        raise ExcessiveDatasetError(f"the attributes beside the pixels are longer than {MAX_ATTRIBUTES_BYTES} bytes")
    if not data:
        return {}, None
    written = metadata_json(data, transfer_syntax_uid, lambda _: "pixels", bulk_threshold_bytes=_LONGEST_VALUE)
    model: Model = orjson.loads(written)
    model.pop(_CHARSET, None)
    return model, pixels


def _pixels(data: bytes, transfer_syntax_uid: str) -> memoryview | None:
    found: list[memoryview] = []
    for element in iter_elements(data, transfer_syntax_uid):
        if element.tag in IMAGE_SEQUENCES:
            inner = (one for item in element.items for one in item if one.tag == _PIXEL_DATA)
            for one in inner:
                if not isinstance(one.value, memoryview):
                    raise InvalidDatasetError("the pixels of an image box are not compressed")
                found.append(one.value)
    if len(found) > 1:
        raise InvalidDatasetError("an image box has one image")
    return found[0] if found else None
