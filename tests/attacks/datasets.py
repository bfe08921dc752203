"""Data sets to attack with, encoded by hand."""

import itertools
import struct
from typing import Final

from archimage.dicom.encode import Element, encode_elements
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.wire import CT

_counter: Final = itertools.count(1)
_SEQUENCE_TAG: Final = 0x00400260

SOP_CLASS_UID: Final = 0x00080016
SOP_INSTANCE_UID: Final = 0x00080018
PATIENT_NAME: Final = 0x00100010
PATIENT_ID: Final = 0x00100020
STUDY_INSTANCE_UID: Final = 0x0020000D
SERIES_INSTANCE_UID: Final = 0x0020000E
PIXEL_DATA: Final = 0x7FE00010


def new_uid() -> str:
    """Return a UID that no test used yet."""
    return f"1.2.826.0.1.3680043.8.498.{next(_counter)}"


def dataset(
    sop_instance_uid: str,
    *,
    pixels: bytes = b"\1\2\3\4" * 64,
    replaced: dict[int, bytes] | None = None,
    left_out: frozenset[int] = frozenset(),
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
    more: tuple[Element, ...] = (),
) -> bytes:
    """Return a small CT; replaced maps tags to other values."""
    elements: list[Element] = [
        (SOP_CLASS_UID, "UI", CT.encode()),
        (SOP_INSTANCE_UID, "UI", sop_instance_uid.encode()),
        (0x00080060, "CS", b"CT"),
        (PATIENT_NAME, "PN", b"Attack^Test"),
        (PATIENT_ID, "LO", b"ATTACK"),
        (STUDY_INSTANCE_UID, "UI", b"1.2.826.0.1.3680043.8.499.1"),
        (SERIES_INSTANCE_UID, "UI", b"1.2.826.0.1.3680043.8.499.2"),
        (0x00280010, "US", struct.pack("<H", 16)),
        (0x00280011, "US", struct.pack("<H", 8)),
        (0x00280100, "US", struct.pack("<H", 16)),
        *more,
        (PIXEL_DATA, "OW", pixels),
    ]
    changed = [(tag, vr, (replaced or {}).get(tag, value)) for tag, vr, value in sorted(elements)]
    return encode_elements((one for one in changed if one[0] not in left_out), transfer_syntax_uid)


def nested(depth: int, *, undefined: bool) -> bytes:
    """Return sequences inside one another, explicit little endian."""
    head = struct.pack("<HH2sH", _SEQUENCE_TAG >> 16, _SEQUENCE_TAG & 0xFFFF, b"SQ", 0)
    item = struct.pack("<HH", 0xFFFE, 0xE000)
    if undefined:
        opening = head + struct.pack("<I", 0xFFFFFFFF) + item + struct.pack("<I", 0xFFFFFFFF)
        closing = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        return opening * depth + closing * depth
    parts = [head + struct.pack("<I", 20 * level + 8) + item + struct.pack("<I", 20 * level) for level in range(depth)]
    return b"".join(reversed(parts))


def identifier(level: str, keys: dict[int, tuple[str, bytes]]) -> bytes:
    """Return the identifier of a query or retrieval: tag to VR and value."""
    elements = [(0x00080052, "CS", level.encode()), *((tag, vr, value) for tag, (vr, value) in keys.items())]
    return encode_elements(sorted(elements), EXPLICIT_VR_LITTLE_ENDIAN)


def one_image(sop_instance_uid: str) -> bytes:
    """Return the identifier that finds or retrieves one instance."""
    return identifier("IMAGE", {SOP_INSTANCE_UID: ("UI", sop_instance_uid.encode())})
