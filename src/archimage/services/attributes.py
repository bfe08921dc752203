"""From a scanned header to the values that the index keeps."""

from typing import Final

from archimage.dicom.scan import Header
from archimage.errors import IdentityMismatchError
from archimage.model.attributes import ATTRIBUTES, BY_COLUMN
from archimage.model.ids import check_uid
from archimage.model.records import FrameTable

_STORED: Final = tuple(attribute for attribute in ATTRIBUTES if not attribute.computed)
WANTED: Final = frozenset(
    attribute.tag if attribute.sequence_tag is None else (attribute.sequence_tag, attribute.tag)
    for attribute in _STORED
)
"""What a scan must bring back for `index_values`."""

_TOP_LEVEL: Final = {attribute.tag: attribute.column for attribute in _STORED if attribute.sequence_tag is None}
_NESTED: Final = {
    sequence: tuple(attribute for attribute in _STORED if attribute.sequence_tag == sequence)
    for sequence in {attribute.sequence_tag for attribute in _STORED} - {None}
}
_MAX_FRAGMENTS: Final = 16_384
_REQUIRED: Final = ("study_instance_uid", "series_instance_uid", "sop_instance_uid", "sop_class_uid")


def index_values(header: Header) -> dict[str, str]:
    """Return column -> text of every indexed attribute that has a value.

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
    for column in _REQUIRED:
        if column not in values:
            raise IdentityMismatchError(f"the data set has no {BY_COLUMN[column].keyword}")
        check_uid(values[column])
    return values


def frame_table(header: Header, data_set_offset: int) -> FrameTable | None:
    """Return where the pixels lie in a file whose data set begins at data_set_offset; None without native order."""
    pixel = header.pixel
    if pixel is None:
        return None
    if pixel.length is not None:
        return FrameTable(False, (data_set_offset + pixel.value_offset,), (pixel.length,))
    if len(pixel.fragment_offsets) > _MAX_FRAGMENTS:
        return None
    offsets = tuple(data_set_offset + offset for offset in pixel.fragment_offsets)
    return FrameTable(True, offsets, tuple(pixel.fragment_lengths))
