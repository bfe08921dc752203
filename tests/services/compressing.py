"""Images that can be compressed, and what broken codecs would make of them."""

import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from archimage.dicom import pixelwork
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.datasets import dataset

Result = tuple[dict[str, Any], bytes]


def image(
    uid: str,
    *,
    side: int = 32,
    frames: int = 1,
    samples: int = 1,
    bits: int = 16,
    stored: int = 0,
    noise: int = 0,
    syntax: str = EXPLICIT_VR_LITTLE_ENDIAN,
    replaced: dict[int, bytes] | None = None,
) -> bytes:
    """Return a smooth CT; noise is the seed of one that cannot become smaller."""
    order = ">" if syntax.endswith("1.2.2") else "<"
    count = side * side * samples * frames
    values = np.arange(count) // 7 % (1 << (stored or bits - 4))
    if noise:
        values = np.random.default_rng(noise).integers(0, 1 << bits, count)
    word = f"{order}H"
    more = (
        (0x00280002, "US", struct.pack(word, samples)),
        (0x00280004, "CS", b"RGB " if samples == 3 else b"MONOCHROME2 "),
        *([(0x00280006, "US", struct.pack(word, 0))] if samples == 3 else []),
        (0x00280008, "IS", f"{frames:<2}".encode()),
        (0x00280101, "US", struct.pack(word, stored or bits)),
        (0x00280102, "US", struct.pack(word, (stored or bits) - 1)),
        (0x00280103, "US", struct.pack(word, 0)),
    )
    sizes = {0x00280010: side, 0x00280011: side, 0x00280100: bits}
    given = {tag: struct.pack(word, value) for tag, value in sizes.items()} | (replaced or {})
    pixels = values.astype(f"{order}u{bits // 8}").tobytes()
    return dataset(uid, pixels=pixels, replaced=given, more=more, transfer_syntax_uid=syntax)


def forge(options: Mapping[str, Any], data: Sequence[memoryview]) -> Result:
    """Encode another picture than the one that was given, without a word."""
    (frame,) = data
    return pixelwork.transcode(options, [memoryview(bytes(len(frame)))])


def refuse(_options: Mapping[str, Any], _data: Sequence[memoryview]) -> Result:
    """Encode nothing."""
    raise ValueError("DOE^JANE")


FORGING: Final = MappingProxyType({**pixelwork.TASKS, "transcode": forge})
REFUSING: Final = MappingProxyType({**pixelwork.TASKS, "transcode": refuse})
