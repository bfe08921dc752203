"""What the heads of codestreams say: read before a codec is let loose on them, so that none allocates what they claim.

    JPEG, JPEG-LS   SOI, segments of marker 2 | length 2 | ..., SOFn: precision 1 | rows 2 | columns 2 | count 1 | ...
    JPEG 2000       SOC, SIZ: length 2 | Rsiz 2 | Xsiz Ysiz XOsiz YOsiz 4 each | tiles 16 | Csiz 2 | each component's
                    Ssiz XRsiz YRsiz
    JPEG XL         FF0A, then single bits, lowest first: SizeHeader, ImageMetadata

JPEG 2000 and JPEG XL may stand in boxes: length 4 | type 4 | [length 8] | contents.

Ref: ISO/IEC 10918-1 Annex B, 14495-1 Annex C, 15444-1 Annexes A and I, 18181-1 Annex D, 18181-2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

from archimage.dicom.codecs.description import PixelDescription
from archimage.errors import InvalidPixelDataError

Data = bytes | memoryview

_HALF: Final = Struct(">H")
_FRAME: Final = Struct(">BHHB")
_SIZE: Final = Struct(">4I")
_BOX: Final = Struct(">I4s")
_LONG: Final = Struct(">Q")

_NOT_FRAMES: Final = frozenset({0xC4, 0xC8, 0xCC})
_JPEG_LS_FRAME: Final = 0xF7
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_SCAN: Final = 0xDA
_SIZ, _COD, _SOT = 0xFF51, 0xFF52, 0xFF90
_JP2_SIGNATURE: Final = b"\0\0\0\x0cjP  "
_JXL_SIGNATURE: Final = b"\0\0\0\x0cJXL "
_JXL_CODESTREAM: Final = b"\xff\x0a"
_JXL_HEAD_BYTES: Final = 64
_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


@dataclass(frozen=True, slots=True)
class Codestream:
    """The head of one codestream; a precision of 0 and 0 samples are not told by it.

    reversible is not told of JPEG, which the transfer syntax tells.
    """

    rows: int
    columns: int
    samples: int
    precision: int
    component_ids: bytes = b""
    jfif: bool = False
    reversible: bool = True


def check_size(stream: Codestream, description: PixelDescription) -> None:
    """Refuse a codestream that is not of the size described.

    Raises:
        InvalidPixelDataError: rows, columns, samples or bits differ.
    """
    claimed = (stream.rows, stream.columns, stream.samples or description.samples_per_pixel)
    described = (description.rows, description.columns, description.samples_per_pixel)
    if claimed != described:
        raise InvalidPixelDataError(f"a codestream claims {_size(*claimed)}, {_size(*described)} are described")
    if stream.precision > description.bits_allocated:
        raise InvalidPixelDataError(f"a codestream has {stream.precision} bits, {description.bits_allocated} at most")


def _size(rows: int, columns: int, samples: int) -> str:
    return f"{rows} rows, {columns} columns and {samples} samples"


def _broken() -> InvalidPixelDataError:
    return InvalidPixelDataError("a codestream has no head that can be read")


# JPEG and JPEG-LS


def parse_jpeg(data: Data) -> Codestream:
    """Read the head of a JPEG or JPEG-LS codestream.

    Raises:
        InvalidPixelDataError: there is none.
    """
    jfif, frame, near = False, None, 0
    for marker, segment in _segments(data):
        if marker == 0xE0 and bytes(segment[:4]) == b"JFIF":
            jfif = True
        elif frame is None and ((0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES) or marker == _JPEG_LS_FRAME):
            frame = segment
        elif marker == _START_OF_SCAN and len(segment) >= 3:
            near = segment[-3]
    if frame is None or len(frame) < 6:
        raise _broken()
    precision, rows, columns, samples = _FRAME.unpack_from(frame)
    return Codestream(rows, columns, samples, precision, bytes(frame[6 : 6 + 3 * samples : 3]), jfif, near == 0)


def jpeg_process(data: Data) -> tuple[int, int]:
    """Return the marker of a JPEG's frame, 0xC0 for baseline to 0xC3 for lossless, and a lossless one's predictor.

    Raises:
        InvalidPixelDataError: the head of its frame or of its scan is missing.
    """
    process = 0
    for marker, segment in _segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES:
            process = marker
        elif marker == _START_OF_SCAN and process and len(segment) >= 3:
            return process, segment[-3]
    raise _broken()


def _segments(data: Data) -> Iterator[tuple[int, Data]]:
    """Yield marker and contents of each segment up to the head of the first scan."""
    if bytes(data[:2]) != b"\xff\xd8":
        raise _broken()
    pos = 2
    while pos + 4 <= len(data):
        marker = data[pos + 1]
        if data[pos] != 0xFF:
            return
        if marker == 0xFF:
            pos += 1
        elif marker in _STANDALONE:
            pos += 2
        else:
            stop = pos + 2 + _HALF.unpack_from(data, pos + 2)[0]
            yield marker, data[pos + 4 : stop]
            if marker == _START_OF_SCAN:
                return
            pos = stop


# JPEG 2000


def parse_jpeg_2000(data: Data) -> Codestream:
    """Read the head of a JPEG 2000 codestream, which some writers leave in its file format.

    Raises:
        InvalidPixelDataError: there is none.
    """
    if bytes(data[:8]) == _JP2_SIGNATURE:
        data = next((contents for kind, contents in _boxes(data) if kind == b"jp2c"), b"")
    if bytes(data[:4]) != b"\xff\x4f\xff\x51" or len(data) < 45:
        raise _broken()
    columns, rows, left, top = _SIZE.unpack_from(data, 8)
    samples = _HALF.unpack_from(data, 40)[0]
    components = bytes(data[42 : 42 + 3 * samples])
    if len(components) < 3 * samples or not samples or set(components[1::3] + components[2::3]) != {1}:
        raise InvalidPixelDataError("the components of a codestream are not all of one size")
    precision = max(size & 0x7F for size in components[::3]) + 1
    return Codestream(rows - top, columns - left, samples, precision, reversible=_reversible(data))


def _reversible(data: Data) -> bool:
    """Tell from the main header's coding style whether its wavelet is the reversible one."""
    pos = 2
    while pos + 4 <= len(data):
        marker, length = _HALF.unpack_from(data, pos)[0], _HALF.unpack_from(data, pos + 2)[0]
        if marker == _COD:
            return pos + 13 < len(data) and data[pos + 13] == 1
        if marker == _SOT:
            break
        pos += 2 + length
    raise _broken()


def _boxes(data: Data) -> Iterator[tuple[bytes, Data]]:
    """Yield type and contents of the boxes of a file format."""
    pos = 0
    while pos + 8 <= len(data):
        length, kind = _BOX.unpack_from(data, pos)
        start = pos + 8
        if length == 1 and start + 8 <= len(data):
            length = _LONG.unpack_from(data, start)[0]
            start += 8
        stop = pos + length if length else len(data)
        if stop < start:
            return
        yield kind, data[start:stop]
        pos = stop


# JPEG XL


def parse_jpeg_xl(data: Data) -> Codestream:
    """Read the head of a JPEG XL codestream, bare or in boxes; the number of samples is not among it.

    Raises:
        InvalidPixelDataError: there is none.
    """
    head = _jpeg_xl_head(data)
    if head[:2] != _JXL_CODESTREAM:
        raise _broken()
    bits = _Bits(head[2:])
    rows, columns = _jpeg_xl_size(bits)
    precision, reversible = _jpeg_xl_samples(bits)
    return Codestream(rows, columns, 0, precision, reversible=reversible)


def _jpeg_xl_head(data: Data) -> bytes:
    if bytes(data[:8]) != _JXL_SIGNATURE:
        return bytes(data[:_JXL_HEAD_BYTES])
    for kind, contents in _boxes(data):
        if kind == b"jxlc":
            return bytes(contents[:_JXL_HEAD_BYTES])
        if kind == b"jxlp":
            return bytes(contents[4 : 4 + _JXL_HEAD_BYTES])
    raise _broken()


class _Bits:
    """Reads numbers from single bits, lowest first."""

    def __init__(self, data: bytes) -> None:
        self._left = 8 * len(data)
        self._value = int.from_bytes(data, "little")

    def read(self, count: int) -> int:
        """Return the next bits as a number."""
        if count > self._left:
            raise _broken()
        number = self._value & (1 << count) - 1
        self._value >>= count
        self._left -= count
        return number

    def choose(self, *widths: int) -> int:
        """Return one plus a number as wide as the next two bits say."""
        return 1 + self.read(widths[self.read(2)])


def _jpeg_xl_size(bits: _Bits) -> tuple[int, int]:
    in_eights = bits.read(1)
    rows = _jpeg_xl_length(bits, in_eights)
    ratio = bits.read(3)
    if ratio:
        numerator, denominator = _RATIOS[ratio - 1]
        return rows, rows * numerator // denominator
    return rows, _jpeg_xl_length(bits, in_eights)


def _jpeg_xl_length(bits: _Bits, in_eights: int) -> int:
    return 8 * (bits.read(5) + 1) if in_eights else bits.choose(9, 13, 18, 30)


def _jpeg_xl_samples(bits: _Bits) -> tuple[int, bool]:
    """Return the precision, 0 where it stands behind fields that are not read here, and whether nothing was lost.

    Colour and grey that went through XYB were not kept as they were.
    """
    if bits.read(1):
        return 8, False
    if bits.read(1):
        return 0, True
    if bits.read(1):
        raise InvalidPixelDataError("a codestream holds floating samples")
    selector = bits.read(2)
    precision = (8, 10, 12)[selector] if selector < 3 else 1 + bits.read(6)
    bits.read(1)
    return precision, bits.read(2) != 0 or not bits.read(1)
