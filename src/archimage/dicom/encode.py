"""Encoding small data sets: responses to queries, and pydicom data sets as they are (PS3.5 §7, §8)."""

import zlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from io import BytesIO
from struct import Struct
from typing import TYPE_CHECKING, Final

from archimage.dicom.inflate import Inflater
from archimage.dicom.layout import DEFLATED_SYNTAXES, ITEM, LONG_VRS, Layout, layout_of
from archimage.dicom.limits import ScanLimits
from archimage.dicom.scan import scan
from archimage.errors import InvalidDatasetError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Element = tuple[int, str, bytes]
"""Tag, VR, value: unpadded, and under a big endian syntax already in its byte order."""

_NUL_PADDED: Final = frozenset({"UI", "OB", "UN"})
_LONGEST_SHORT: Final = 0xFFFE
_NOTHING: Final[frozenset[int]] = frozenset()
_QUERY_LIMITS: Final = ScanLimits(max_elements=100_000, max_inflated_bytes=16 << 20)


def encode_elements(elements: Iterable[Element], transfer_syntax_uid: str) -> bytes:
    """Encode elements given in ascending order of their tags, each value padded to even length as its VR asks.

    Raises:
        InvalidDatasetError: a value is too long for its VR.
        UnsupportedTransferSyntaxError: the transfer syntax is none of DICOM's.

    Ref: PS3.5 §6.2, §7.1.
    """
    encoded = b"".join(_parts(elements, layout_of(transfer_syntax_uid)))
    return _deflated(encoded) if transfer_syntax_uid in DEFLATED_SYNTAXES else encoded


def encode_items(items: Iterable[Iterable[Element]], transfer_syntax_uid: str) -> bytes:
    """Encode the value of a sequence, to stand as an element of VR SQ; a value in it may be one again.

    Raises:
        InvalidDatasetError: a value is too long for its VR.
        UnsupportedTransferSyntaxError: the transfer syntax is none of DICOM's.

    Ref: PS3.5 §7.5.
    """
    layout = layout_of(transfer_syntax_uid)
    pack = layout.items.pack
    contents = (b"".join(_parts(item, layout)) for item in items)
    return b"".join(pack(layout.key(ITEM), len(content)) + content for content in contents)


def _parts(elements: Iterable[Element], layout: Layout) -> Iterable[bytes]:
    for tag, vr, value in elements:
        size = len(value)
        odd = size & 1
        yield _head(layout, tag, vr)(size + odd)
        yield value
        if odd:
            yield b"\0" if vr in _NUL_PADDED else b" "


@lru_cache(maxsize=4096)
def _head(layout: Layout, tag: int, vr: str) -> Callable[[int], bytes]:
    """Return what turns a value's length into the bytes that stand before it."""
    order = "<" if layout.little else ">"
    word = Struct(f"{order}I").pack
    start = word(layout.key(tag))
    if not layout.explicit:
        return lambda length: start + word(length)
    if vr in LONG_VRS:
        long_start = start + vr.encode("ascii") + b"\0\0"
        return lambda length: long_start + word(length)
    return _short_head(start + vr.encode("ascii"), Struct(f"{order}H"))


def _short_head(start: bytes, half: Struct) -> Callable[[int], bytes]:
    def head(length: int) -> bytes:
        if length > _LONGEST_SHORT:
            raise InvalidDatasetError(f"{length} bytes are too long for {start[4:].decode()}")
        return start + half.pack(length)

    return head


def _deflated(data: bytes) -> bytes:
    """Deflate, padded to even length (PS3.5 §A.5)."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = stream.compress(data) + stream.flush()
    return deflated + b"\0" * (len(deflated) % 2)


def decode_identifier(
    data: bytes | bytearray | memoryview, transfer_syntax_uid: str, limits: ScanLimits = _QUERY_LIMITS
) -> "Dataset":
    """Decode a small data set; its structure is checked first, its values are converted when they are asked for.

    Raises:
        InvalidDatasetError: it cannot be parsed.
        ExcessiveDatasetError: a limit is passed.
        UnsupportedTransferSyntaxError: the transfer syntax is none of DICOM's.
    """
    from pydicom.filereader import read_dataset  # with all codecs that are installed: a server needs it seldom

    layout = scan(data, transfer_syntax_uid, _NOTHING, limits).layout
    plain = bytes(data)
    if transfer_syntax_uid in DEFLATED_SYNTAXES:
        plain = b"".join(Inflater(limits).feed(plain))
    try:
        return read_dataset(BytesIO(plain), not layout.explicit, layout.little)
    except Exception as error:
        raise InvalidDatasetError(f"the data set cannot be decoded: {error}") from error


def encode_dataset(dataset: "Dataset", transfer_syntax_uid: str) -> bytes:
    """Encode a pydicom data set, File Meta Information left out.

    Raises:
        InvalidDatasetError: a value does not fit its VR.
        UnsupportedTransferSyntaxError: the transfer syntax is none of DICOM's.
    """
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    layout = layout_of(transfer_syntax_uid)
    buffer = DicomBytesIO()
    buffer.is_little_endian = layout.little
    buffer.is_implicit_VR = not layout.explicit
    try:
        write_dataset(buffer, dataset)
    except Exception as error:
        raise InvalidDatasetError(f"the data set cannot be encoded: {error}") from error
    encoded = bytes(buffer.getvalue())
    return _deflated(encoded) if transfer_syntax_uid in DEFLATED_SYNTAXES else encoded
