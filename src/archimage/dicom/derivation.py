"""What an image says of itself once its pixels were encoded anew (PS3.3 §C.7.6.1.1.5, §C.7.6.3, §C.12.4)."""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from archimage.dicom.codecs.description import PixelDescription, Quality
from archimage.dicom.codecs.syntaxes import (
    HTJ2K,
    JPEG_2000,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LS_NEAR,
    JPEG_XL,
    JPEG_XL_RECOMPRESSION,
)
from archimage.dicom.encode import Element, encode_elements, encode_items
from archimage.dicom.layout import layout_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

METHODS: Final[Mapping[str, str]] = MappingProxyType(
    {
        JPEG_BASELINE: "ISO_10918_1",
        JPEG_EXTENDED: "ISO_10918_1",
        JPEG_LS_NEAR: "ISO_14495_1",
        JPEG_2000: "ISO_15444_1",
        HTJ2K: "ISO_15444_15",
        JPEG_XL: "ISO_18181_1",
        JPEG_XL_RECOMPRESSION: "ISO_18181_1",
    }
)
"""Defined terms of Lossy Image Compression Method."""

_ALWAYS_LOSSY: Final = frozenset({JPEG_BASELINE, JPEG_EXTENDED, JPEG_XL_RECOMPRESSION})
_NAMESPACE: Final = uuid.UUID("5f2f1c5e-8c55-5f0e-9d3a-3d0f6f4f2b61")

_IMAGE_TYPE: Final = 0x00080008
_SOP_INSTANCE_UID: Final = 0x00080018
_DERIVATION_DESCRIPTION: Final = 0x00082111
_SOURCE_IMAGE_SEQUENCE: Final = 0x00082112
_DERIVATION_CODE_SEQUENCE: Final = 0x00089215
_PHOTOMETRIC_INTERPRETATION: Final = 0x00280004
_PLANAR_CONFIGURATION: Final = 0x00280006
_LOSSY_IMAGE_COMPRESSION: Final = 0x00282110
_LOSSY_IMAGE_COMPRESSION_RATIO: Final = 0x00282112
_LOSSY_IMAGE_COMPRESSION_METHOD: Final = 0x00282114

_LOSSY_COMPRESSION: Final = ("113040", "DCM", "Lossy Compression")
_UNCOMPRESSED_PREDECESSOR: Final = ("121320", "DCM", "Uncompressed predecessor")
_LONGEST_DESCRIPTION: Final = 1024


@dataclass(frozen=True, slots=True)
class Changes:
    """Elements that `reencode` puts in place of others, and items that it adds to sequences, encoded for one syntax."""

    transfer_syntax_uid: str
    replaced: dict[int, bytes] = field(default_factory=dict)
    appended: dict[int, bytes] = field(default_factory=dict)

    def put_text(self, tag: int, vr: str, text: str) -> None:
        """Put an element of text."""
        self.put(tag, vr, text.encode("latin-1", "replace"))

    def put_number(self, tag: int, number: int) -> None:
        """Put an element of VR US."""
        self.put(tag, "US", number.to_bytes(2, "little" if layout_of(self.transfer_syntax_uid).little else "big"))

    def put(self, tag: int, vr: str, value: bytes) -> None:
        """Put an element."""
        self.replaced[tag] = encode_elements([(tag, vr, value)], self.transfer_syntax_uid)

    def drop(self, tag: int) -> None:
        """Leave an element out."""
        self.replaced[tag] = b""

    def add_item(self, tag: int, elements: list[Element]) -> None:
        """Add an item to a sequence."""
        self.appended[tag] = encode_items([elements], self.transfer_syntax_uid)

    def code_item(self, code: tuple[str, str, str]) -> bytes:
        """Encode the value of a code sequence of one item."""
        return encode_items([_code(code)], self.transfer_syntax_uid)


def _code(code: tuple[str, str, str]) -> list[Element]:
    """Make the item of a code: value, scheme, meaning (PS3.3 §8.8)."""
    tags = (0x00080100, 0x00080102, 0x00080104)
    return [(tag, vr, text.encode("ascii")) for tag, vr, text in zip(tags, ("SH", "SH", "LO"), code, strict=True)]


def describe_colour(changes: Changes, before: PixelDescription, photometric: str) -> None:
    """Say how the colour of the new frames is to be read, whose samples stand together by pixel."""
    if photometric != before.photometric_interpretation:
        changes.put_text(_PHOTOMETRIC_INTERPRETATION, "CS", photometric)
    if before.samples_per_pixel > 1 and before.planar_configuration:
        changes.put_number(_PLANAR_CONFIGURATION, 0)


def admit_earlier_loss(changes: Changes, header: "Dataset", source: str) -> None:
    """Say that frames which come out of a lossy encoding are what it left of them, if nobody said so before."""
    if source in _ALWAYS_LOSSY and str(header.get("LossyImageCompression") or "") != "01":
        changes.put_text(_LOSSY_IMAGE_COMPRESSION, "CS", "01")
        _append(changes, header, _LOSSY_IMAGE_COMPRESSION_METHOD, "CS", METHODS[source])


def describe_loss(changes: Changes, header: "Dataset", target: str, ratio: float, sop_instance_uid: str) -> None:
    """Say that the object is a lossy copy of another, and of which."""
    method = METHODS[target]
    changes.put_text(_SOP_INSTANCE_UID, "UI", sop_instance_uid)
    changes.put_text(_LOSSY_IMAGE_COMPRESSION, "CS", "01")
    _append(changes, header, _LOSSY_IMAGE_COMPRESSION_RATIO, "DS", f"{ratio:.2f}")
    _append(changes, header, _LOSSY_IMAGE_COMPRESSION_METHOD, "CS", method)
    _describe_derivation(changes, header, f"Lossy compression by {method.replace('_', ' ')}, ratio {ratio:.1f} to 1")
    changes.add_item(_DERIVATION_CODE_SEQUENCE, _code(_LOSSY_COMPRESSION))
    changes.add_item(_SOURCE_IMAGE_SEQUENCE, _source_image(changes, header))
    _derive_image_type(changes, header)


def _append(changes: Changes, header: "Dataset", tag: int, vr: str, text: str) -> None:
    """Add a value to those that the element has: each lossy step adds one."""
    changes.put(tag, vr, b"\\".join([*filter(None, [_raw(header, tag)]), text.encode("ascii")]))


def _raw(header: "Dataset", tag: int) -> bytes:
    """Return the text of an element as it stands."""
    value = header.get_item(tag).value if tag in header else None
    if isinstance(value, bytes):
        return value.strip(b" \0")
    values = [value] if value is None or isinstance(value, str) or not isinstance(value, Iterable) else value
    return "\\".join(str(part) for part in values if part is not None).encode("latin-1", "replace")


def _describe_derivation(changes: Changes, header: "Dataset", text: str) -> None:
    before = _raw(header, _DERIVATION_DESCRIPTION)
    both = b"; ".join([*filter(None, [before]), text.encode("ascii")])
    changes.put(_DERIVATION_DESCRIPTION, "ST", both if len(both) <= _LONGEST_DESCRIPTION else text.encode("ascii"))


def _source_image(changes: Changes, header: "Dataset") -> list[Element]:
    return [
        (0x00081150, "UI", str(header.get("SOPClassUID") or "").encode("ascii", "replace")),
        (0x00081155, "UI", str(header.get("SOPInstanceUID") or "").encode("ascii", "replace")),
        (0x0040A170, "SQ", changes.code_item(_UNCOMPRESSED_PREDECESSOR)),
    ]


def _derive_image_type(changes: Changes, header: "Dataset") -> None:
    """Turn ORIGINAL into DERIVED; in functional groups each frame's type would have to follow, so there it stays."""
    values = _raw(header, _IMAGE_TYPE).split(b"\\")
    if values[0].strip() == b"ORIGINAL" and "SharedFunctionalGroupsSequence" not in header:
        changes.put(_IMAGE_TYPE, "CS", b"\\".join([b"DERIVED", *values[1:]]))


def derived_uid(sop_instance_uid: str, target: str, quality: Quality) -> str:
    """Return the SOP Instance UID of a lossy copy: the same for the same object, syntax and quality.

    Ref: PS3.5 §B.2.
    """
    name = json.dumps([sop_instance_uid, target, quality.to_json()], sort_keys=True)
    return f"2.25.{uuid.uuid5(_NAMESPACE, name).int}"
