"""Data sets as DICOM JSON, written from their bytes without building a Dataset (PS3.18 Annex F).

    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg"}]}

Where pydicom's to_json_dict departs from the standard this does not follow it: no Group Length elements, ascending
order and no empty group of a person name (F.2.2); what is no number as a string (F.2.3); no Value in an empty sequence
and null for an empty value among others (F.2.5); binary values in little endian (F.2.7).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Final, NamedTuple, Protocol

import orjson

from archimage.dicom.header import PixelData
from archimage.dicom.jsoncontext import Contexts
from archimage.dicom.jsonheader import BulkDataURI, HeaderWriter
from archimage.dicom.jsonvalues import NUMBER_VRS, format_attribute, format_texts, split_text
from archimage.dicom.layout import layout_of
from archimage.dicom.window import Held, Source

__all__ = ["BULK_THRESHOLD_BYTES", "BulkDataURI", "MetadataWriter", "RowWriter", "metadata_json", "rows_json"]

BULK_THRESHOLD_BYTES: Final = 1024

Added = tuple[int, str, Sequence[str]]
"""Tag, VR and values as text."""


def metadata_json(
    header: bytes,
    transfer_syntax_uid: str,
    bulk_data_uri: BulkDataURI,
    *,
    bulk_threshold_bytes: int = BULK_THRESHOLD_BYTES,
    pixel: PixelData | None = None,
) -> bytes:
    """Return the JSON object of a data set, or of what stands before its pixels, which pixel then describes.

    It must not be deflated. Binary values of more than bulk_threshold_bytes are given by reference, and pixels always.

    Raises:
        InvalidDatasetError: it cannot be parsed.
        UnsupportedTransferSyntaxError: the transfer syntax is none of DICOM's.
    """
    writer = MetadataWriter(bulk_threshold_bytes=bulk_threshold_bytes)
    return writer.write(Held(header), transfer_syntax_uid, bulk_data_uri, pixel=pixel)


class MetadataWriter:
    """Writes data sets one after the other, in one thread.

    Of elements that it has met before, byte for byte, it remembers the JSON: the instances of a series differ in a few
    elements only.
    """

    def __init__(self, *, bulk_threshold_bytes: int = BULK_THRESHOLD_BYTES) -> None:
        self._threshold_bytes = bulk_threshold_bytes
        self._contexts = Contexts()

    def write(
        self,
        source: Source,
        transfer_syntax_uid: str,
        bulk_data_uri: BulkDataURI,
        *,
        pixel: PixelData | None = None,
        added: Iterable[Added] = (),
        size_bytes: int | None = None,
    ) -> bytes:
        """Return the JSON object of a data set; of source, which must not be deflated, only what that takes is read.

        pixel tells of pixels that follow source; added are attributes that the archive itself knows; size_bytes is the
        length of source, where it is known: of an object that ends with its pixels nothing behind them is then read.

        Raises:
            InvalidDatasetError: it cannot be parsed.
            ExcessiveDatasetError: a sequence is too large to be looked at.
            UnsupportedTransferSyntaxError: the transfer syntax is none of DICOM's.
        """
        layout = layout_of(transfer_syntax_uid)
        writer = HeaderWriter(source, layout, self._contexts, bulk_data_uri, self._threshold_bytes, size_bytes)
        return writer.write(pixel, {tag: format_attribute(tag, vr, values) for tag, vr, values in added})


class RowAttribute(Protocol):
    """An attribute as the index keeps it, such as `model.attributes.Attribute`."""

    @property
    def column(self) -> str:
        """Its name in a row."""

    @property
    def tag(self) -> int:
        """`(group << 16) | element`."""

    @property
    def vr(self) -> str:
        """Value representation."""

    @property
    def sequence_tag(self) -> int | None:
        """The sequence in whose items it stands, if it does."""


_Maker = Callable[[Mapping[str, str]], bytes]


class _Inner(NamedTuple):
    """An attribute inside of the items that are being written."""

    column: str
    tag: int
    vr: str
    sequence_tag: None = None


class RowWriter:
    """Writes rows of the index that hold the same attributes."""

    def __init__(self, attributes: Iterable[RowAttribute]) -> None:
        makers: dict[int, _Maker] = {}
        sequences: dict[int, list[RowAttribute]] = {}
        for attribute in attributes:
            if attribute.sequence_tag is None:
                makers[attribute.tag] = _value_maker(attribute)
            else:
                sequences.setdefault(attribute.sequence_tag, []).append(attribute)
        makers |= {tag: _items_maker(tag, inner) for tag, inner in sequences.items()}
        self._makers = [makers[tag] for tag in sorted(makers)]

    def write(self, row: Mapping[str, str]) -> bytes:
        """Return the JSON object of a row."""
        return b"{" + b",".join([make(row) for make in self._makers]) + b"}"


def _value_maker(attribute: RowAttribute) -> _Maker:
    column, vr = attribute.column, attribute.vr
    start = b'"%08X":{"vr":"%b"' % (attribute.tag, vr.encode())
    empty, value = start + b"}", start + b',"Value":['

    plain = vr != "PN" and vr not in NUMBER_VRS

    def make(row: Mapping[str, str]) -> bytes:
        text = row.get(column)
        if not text:
            return empty
        if plain and "\\" not in text:
            return value + orjson.dumps(text) + b"]}"
        return value + format_texts(split_text(text, vr), vr) + b"]}"

    return make


def _items_maker(sequence_tag: int, attributes: Sequence[RowAttribute]) -> _Maker:
    start = b'"%08X":{"vr":"SQ"' % sequence_tag
    columns = [attribute.column for attribute in attributes]
    writer = RowWriter([_Inner(attribute.column, attribute.tag, attribute.vr) for attribute in attributes])

    def make(row: Mapping[str, str]) -> bytes:
        values = [row[column].split("\\") if row.get(column) else [] for column in columns]
        items = [writer.write(dict(zip(columns, item, strict=True))) for item in zip_longest(*values, fillvalue="")]
        return start + b',"Value":[%b]}' % b",".join(items) if items else start + b"}"

    return make


def rows_json(rows: Iterable[Mapping[str, str]], attributes: Sequence[RowAttribute]) -> bytes:
    """Return the JSON array of rows of the index; an attribute without a value is there, empty.

    Several values stand in a row joined with a backslash; those in a sequence are one for each of its items.
    """
    write = RowWriter(attributes).write
    return b"[" + b",".join([write(row) for row in rows]) + b"]"
