"""From a scanned header to the values that the index keeps."""

from typing import Final

from archimage.dicom.fragments import frames_of, parse_offsets
from archimage.dicom.layout import DEFLATED_SYNTAXES, SPECTROSCOPY_DATA
from archimage.dicom.olddates import plain_date, plain_time
from archimage.dicom.scan import Header, HeaderScanner, PixelData
from archimage.errors import DicomError, IdentityMismatchError, InvalidPixelDataError
from archimage.model.attributes import ATTRIBUTES, BY_COLUMN
from archimage.model.ids import check_uid
from archimage.model.records import FrameTable
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN

_SAMPLES_PER_PIXEL: Final = 0x00280002
_PHOTOMETRIC_INTERPRETATION: Final = 0x00280004
_NUMBER_OF_FRAMES: Final = 0x00280008
_ROWS: Final = 0x00280010
_COLUMNS: Final = 0x00280011
_BITS_ALLOCATED: Final = 0x00280100

_STORED: Final = tuple(attribute for attribute in ATTRIBUTES if not attribute.computed)
WANTED: Final = frozenset(
    attribute.tag if attribute.sequence_tag is None else (attribute.sequence_tag, attribute.tag)
    for attribute in _STORED
) | {_SAMPLES_PER_PIXEL}
"""What a scan must bring back for `index_values` and `frame_table`."""

_TOP_LEVEL: Final = {attribute.tag: attribute.column for attribute in _STORED if attribute.sequence_tag is None}
_NESTED: Final = {
    sequence: tuple(attribute for attribute in _STORED if attribute.sequence_tag == sequence)
    for sequence in {attribute.sequence_tag for attribute in _STORED} - {None}
}
_PLAIN: Final = {"DA": plain_date, "TM": plain_time}
_DATED: Final = tuple((attribute.column, _PLAIN[attribute.vr]) for attribute in _STORED if attribute.vr in _PLAIN)
_MEASURES: Final = frozenset({_SAMPLES_PER_PIXEL, _PHOTOMETRIC_INTERPRETATION, _ROWS, _COLUMNS, _BITS_ALLOCATED})
MAX_FRAGMENTS: Final = 16_384
_MAX_FRAMES: Final = (1 << 31) - 1  # what an IS can hold
_REQUIRED: Final = ("study_instance_uid", "series_instance_uid", "sop_instance_uid", "sop_class_uid")


def index_values(header: Header) -> dict[str, str]:
    """Return column -> text of every indexed attribute that has a value.

    Dates and times in the forms of before DICOM 3.0 are kept in those of today, so that they are found.

    Raises:
        IdentityMismatchError: a UID that every composite object has is missing (PS3.3 §C.12.1).
        InvalidInstanceUIDError: one of them is not a UID.
    """
    values = {}
    for tag, text in header.text_items():
        if text and tag in _TOP_LEVEL:
            values[_TOP_LEVEL[tag]] = text
    for sequence in header.rows:
        for attribute in _NESTED[sequence]:
            if text := "\\".join(filter(None, header.texts(sequence, attribute.tag))):
                values[attribute.column] = text
    for column, plain in _DATED:
        if column in values:
            values[column] = plain(values[column])
    for column in _REQUIRED:
        if column not in values:
            raise IdentityMismatchError(f"the data set has no {BY_COLUMN[column].keyword}")
        check_uid(values[column])
    return values


def frame_table(header: Header, data_set_offset: int) -> FrameTable | None:
    """Return where the pixels lie in a file whose data set begins at data_set_offset; None where that would be long."""
    pixel = header.pixel
    if pixel is None or len(pixel.fragment_offsets) > MAX_FRAGMENTS:
        return None
    return divided(header, pixel, data_set_offset)


def divided(header: Header, pixel: PixelData, data_set_offset: int) -> FrameTable:
    """Return where the pixels lie, and their frames as far as the header describes them."""
    element_offset = data_set_offset + pixel.offset
    count = _number_of_frames(header) if pixel.tag != SPECTROSCOPY_DATA else 0
    if pixel.length is not None:
        bits = _frame_bits(header)
        if not 0 < bits * count <= pixel.length * 8:
            count = bits = 0
        return FrameTable(False, (data_set_offset + pixel.value_offset,), (pixel.length,), element_offset, count, bits)
    offsets = tuple(data_set_offset + offset for offset in pixel.fragment_offsets)
    return FrameTable(True, offsets, tuple(pixel.fragment_lengths), element_offset, count, 0, _firsts(pixel, count))


def native_frame_bytes(header: bytes, transfer_syntax_uid: str) -> int:
    """Return the size that a decoded frame has by a header, inflated; 0 where that cannot be read, or does not tell."""
    plain = EXPLICIT_VR_LITTLE_ENDIAN if transfer_syntax_uid in DEFLATED_SYNTAXES else transfer_syntax_uid
    scanner = HeaderScanner(plain, _MEASURES)
    try:
        scanner.feed(header)
        return _frame_bits(scanner.finish()) // 8
    except DicomError:
        return 0


def _number_of_frames(header: Header) -> int:
    """Return Number of Frames: 1 where it is absent or empty, as in most images; 0 where it is no number."""
    _, raw = header.found.get(_NUMBER_OF_FRAMES, ("", b""))
    try:
        count = max(1, int(raw)) if raw.strip(b" \0") else 1
    except ValueError:
        return 0
    return count if count <= _MAX_FRAMES else 0


def _frame_bits(header: Header) -> int:
    """Return the size of a native frame in bits (PS3.5 §8.1.1, §8.2): YBR_FULL_422 has two samples for every pixel.

    Objects of before DICOM 3.0 have one without saying so.
    """
    samples = _word(header, _SAMPLES_PER_PIXEL) or 1
    if header.found.get(_PHOTOMETRIC_INTERPRETATION, ("", b""))[1].startswith(b"YBR_FULL_422"):
        samples = 2
    return _word(header, _ROWS) * _word(header, _COLUMNS) * samples * _word(header, _BITS_ALLOCATED)


def _word(header: Header, tag: int) -> int:
    _, raw = header.found.get(tag, ("", b""))
    return int.from_bytes(raw[:2], "little" if header.layout.little else "big")


def _firsts(pixel: PixelData, count: int) -> tuple[int, ...]:
    """Return the first fragment of each frame, where that has to be told and the offset tables tell it."""
    if count <= 1 or count == len(pixel.fragment_offsets):
        return ()
    basic = parse_offsets(pixel.basic_offsets)
    extended = parse_offsets(pixel.extended_offsets, extended=True)
    try:
        return tuple(first for first, _ in frames_of(pixel.fragments, count, basic, extended))
    except InvalidPixelDataError:
        return ()
