"""Scanning a data set as it arrives: wanted attributes and the frame table, with no pydicom Dataset built.

A deflated data set is inflated on the way; offsets and header bytes are then those of the inflated one.
"""

from array import array

from archimage.dicom.dictionary import dictionary_vr
from archimage.dicom.frames import Pixels
from archimage.dicom.header import Header, PixelData, Values
from archimage.dicom.inflate import Inflater
from archimage.dicom.layout import DEFLATED_SYNTAXES, UNDEFINED_LENGTH, layout_of
from archimage.dicom.limits import DEFAULT_LIMITS, ScanLimits
from archimage.dicom.walk import Walker
from archimage.dicom.wanted import EXTENDED_LENGTHS, EXTENDED_OFFSETS, Path, wanted_of

__all__ = ["Header", "HeaderScanner", "PixelData", "ScanLimits", "scan"]


class HeaderScanner:
    """Fed with the pieces of one data set; keeps what lies before its pixels, and then only follows lengths.

    The header ends at the first of (7FE0,0010), (7FE0,0008), (7FE0,0009) and (5600,0020) at top level.
    """

    def __init__(self, transfer_syntax_uid: str, wanted: frozenset[Path], limits: ScanLimits = DEFAULT_LIMITS) -> None:
        """Prepare to scan.

        Raises:
            UnsupportedTransferSyntaxError: the transfer syntax is none of DICOM's.
        """
        self._wanted = wanted
        self._walker = Walker(layout_of(transfer_syntax_uid), wanted_of(wanted), limits)
        self._inflater = Inflater(limits) if transfer_syntax_uid in DEFLATED_SYNTAXES else None

    @property
    def header_bytes(self) -> bytes:
        """What has come before the pixels, as received."""
        return self._walker.header_bytes

    @property
    def header_truncated(self) -> bool:
        """Tell whether the header was longer than max_header_bytes, so that header_bytes are its beginning only."""
        return self._walker.header_truncated

    @property
    def header_seen(self) -> bool:
        """Tell whether the pixels have been reached: from here on `header` holds all that stands before them."""
        return self._walker.pixels is not None

    @property
    def header(self) -> Header:
        """What is known so far."""
        return self._header(complete=False)

    def feed(self, piece: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; they are not referred to after the call.

        Raises:
            InvalidDatasetError: they cannot be a data set.
            ExcessiveDatasetError: a limit is passed.
        """
        if self._inflater is None:
            self._walker.feed(piece)
            return
        for inflated in self._inflater.feed(piece):
            self._walker.feed(inflated)

    def finish(self) -> Header:
        """Return the header once the last byte was fed.

        Raises:
            InvalidDatasetError: the data set is cut short, or its encapsulated pixels lack their delimiter.
        """
        if self._inflater is not None:
            self._inflater.finish()
        self._walker.finish()
        return self._header(complete=True)

    def _header(self, *, complete: bool) -> Header:
        walker = self._walker
        rows = {sequence: tuple(items) for sequence, items in walker.rows.items()}
        pixel = None if walker.pixels is None else _pixel_data(walker.pixels, walker.values)
        return Header(walker.layout, walker.values, rows, self._wanted, pixel, walker.received, walker.count, complete)


def _pixel_data(pixels: Pixels, values: Values) -> PixelData:
    head = pixels.head
    return PixelData(
        tag=head.tag,
        vr=head.vr or dictionary_vr(head.tag),
        offset=pixels.offset,
        value_offset=pixels.value_offset,
        length=None if head.length == UNDEFINED_LENGTH else head.length,
        fragment_offsets=array("Q", pixels.offsets),
        fragment_lengths=array("Q", pixels.lengths),
        basic_offsets=pixels.basic_offsets or b"",
        extended_offsets=bytes(values.get(EXTENDED_OFFSETS, ("", b""))[1]),
        extended_lengths=bytes(values.get(EXTENDED_LENGTHS, ("", b""))[1]),
    )


def scan(
    data: bytes | bytearray | memoryview,
    transfer_syntax_uid: str,
    wanted: frozenset[Path],
    limits: ScanLimits = DEFAULT_LIMITS,
) -> Header:
    """Scan a whole data set in memory.

    Raises:
        InvalidDatasetError: it cannot be parsed, or is cut short.
        ExcessiveDatasetError: a limit is passed.
        UnsupportedTransferSyntaxError: the transfer syntax is none of DICOM's.
    """
    scanner = HeaderScanner(transfer_syntax_uid, wanted, limits)
    scanner.feed(data)
    return scanner.finish()
