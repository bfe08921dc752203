"""How elements lie in bytes under each encoding (PS3.5 §7.1, §7.5, §A).

    explicit, short VR   group 2 | element 2 | VR 2 | length 2 | value
    explicit, long VR    group 2 | element 2 | VR 2 | zero 2 | length 4 | value
    implicit, items      group 2 | element 2 | length 4 | value

A key is the tag as it is read in one go in the byte order of the layout: with little endian the group stands in
its low half. Comparing keys saves a hot loop from turning each into a tag.
"""

from dataclasses import dataclass
from enum import Enum
from struct import Struct
from typing import Final, NamedTuple

from archimage.dicom.dictionary import SEQUENCE_TAGS, dictionary_vr
from archimage.dicom.limits import ScanLimits
from archimage.errors import InvalidDatasetError, UnsupportedTransferSyntaxError

UNDEFINED_LENGTH: Final = 0xFFFFFFFF
ITEM: Final = 0xFFFEE000
ITEM_DELIMITATION: Final = 0xFFFEE00D
SEQUENCE_DELIMITATION: Final = 0xFFFEE0DD
DELIMITERS: Final = frozenset({ITEM, ITEM_DELIMITATION, SEQUENCE_DELIMITATION})
PIXEL_DATA: Final = 0x7FE00010
SPECTROSCOPY_DATA: Final = 0x56000020
PIXEL_TAGS: Final = frozenset({PIXEL_DATA, 0x7FE00008, 0x7FE00009, SPECTROSCOPY_DATA})
"""Pixel Data, Float and Double Float Pixel Data, Spectroscopy Data: what ends the header of an object."""

SHORT_VRS: Final = frozenset(
    {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT"}
    | {"PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"}
)
LONG_VRS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
KNOWN_VRS: Final = SHORT_VRS | LONG_VRS
BULK_VRS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})

DEFLATED_SYNTAXES: Final = frozenset(
    {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"},
)
_UID_ROOT: Final = "1.2.840.10008.1.2"


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """One encoding of elements; compared by identity."""

    explicit: bool
    little: bool
    head: Struct
    items: Struct
    """Tag and length without VR, as of items."""
    word: Struct
    forbidden: int
    """A key without a bit of this mask is of group 0000 or 0002, which no data set may hold (PS3.5 §7.1)."""
    short: frozenset[int]
    names: dict[int, str]

    def key(self, tag: int) -> int:
        """Turn a tag into this layout's key, or a key into its tag."""
        return (tag & 0xFFFF) << 16 | tag >> 16 if self.little else tag


def _layout(*, explicit: bool, little: bool) -> Layout:
    order = "<" if little else ">"
    code = Struct(f"{order}H")
    codes = {code.unpack(vr.encode())[0]: vr for vr in KNOWN_VRS}
    return Layout(
        explicit=explicit,
        little=little,
        head=Struct(f"{order}IHH" if explicit else f"{order}II"),
        items=Struct(f"{order}II"),
        word=Struct(f"{order}I"),
        forbidden=0xFFFD if little else 0xFFFD0000,
        short=frozenset(number for number, vr in codes.items() if vr in SHORT_VRS),
        names=codes,
    )


EXPLICIT_LITTLE: Final = _layout(explicit=True, little=True)
IMPLICIT_LITTLE: Final = _layout(explicit=False, little=True)
EXPLICIT_BIG: Final = _layout(explicit=True, little=False)
IMPLICIT_BIG: Final = _layout(explicit=False, little=False)


def layout_of(transfer_syntax_uid: str) -> Layout:
    """Return the layout that a transfer syntax prescribes; every encapsulated one is explicit little endian.

    Raises:
        UnsupportedTransferSyntaxError: the UID is not under DICOM's root of transfer syntaxes.

    Ref: PS3.5 §10, Annex A.
    """
    if transfer_syntax_uid == _UID_ROOT:
        return IMPLICIT_LITTLE
    if transfer_syntax_uid == f"{_UID_ROOT}.2":
        return EXPLICIT_BIG
    if transfer_syntax_uid.startswith(f"{_UID_ROOT}."):
        return EXPLICIT_LITTLE
    raise UnsupportedTransferSyntaxError(f"transfer syntax {transfer_syntax_uid!r} is not known")


def _capitals(data: bytes | bytearray | memoryview, pos: int) -> bool:
    return 0x41 <= data[pos + 4] <= 0x5A and 0x41 <= data[pos + 5] <= 0x5A


def sniff_item(layout: Layout, data: bytes | bytearray | memoryview, pos: int) -> Layout:
    """Return the layout of an item whose first element stands at pos: explicit only where two capitals stand.

    Items inside UN are implicit though the data set is explicit (PS3.5 §6.2.2), and some writers mix the two.
    At least 6 bytes must be there. Never turns implicit into explicit.
    """
    if not layout.explicit or _capitals(data, pos):
        return layout
    return IMPLICIT_LITTLE if layout.little else IMPLICIT_BIG


def sniff_top(layout: Layout, data: bytes | bytearray | memoryview) -> Layout:
    """Return the layout of a data set whose label may be wrong: explicit only where a VR stands in its first element.

    At least 6 bytes must be there. The byte order is never in doubt.
    """
    if layout.explicit:
        return sniff_item(layout, data, 0)
    return EXPLICIT_LITTLE if layout.little and bytes(data[4:6]).decode("latin-1") in KNOWN_VRS else layout


class Head(NamedTuple):
    """What stands before a value: vr is empty under implicit VR, start is where the value begins."""

    tag: int
    vr: str
    length: int
    start: int


def read_head(layout: Layout, data: bytes | bytearray | memoryview, pos: int, end: int) -> Head | None:
    """Decode the element or item head at pos in a data set, or None where end comes first.

    Raises:
        InvalidDatasetError: the element is of group 0000 or 0002.
    """
    head = decode_head(layout, data, pos, end)
    if head is not None and not layout.key(head.tag) & layout.forbidden:
        raise InvalidDatasetError(f"group {head.tag >> 16:04X} stands in a data set")
    return head


def decode_head(layout: Layout, data: bytes | bytearray | memoryview, pos: int, end: int) -> Head | None:
    """Decode the head at pos, or None where end comes first.

    An unknown VR has the short form; what cannot be a VR at all is implicit (as in items and some broken files).
    """
    if end - pos < 8:
        return None
    if not layout.explicit:
        key, length = layout.head.unpack_from(data, pos)
        return Head(layout.key(key), "", length, pos + 8)
    key, code, length = layout.head.unpack_from(data, pos)
    tag = layout.key(key)
    vr = "" if tag in DELIMITERS else layout.names.get(code) or _unknown_vr(bytes(data[pos + 4 : pos + 6]))
    if not vr:
        return Head(tag, "", layout.word.unpack_from(data, pos + 4)[0], pos + 8)
    if vr not in LONG_VRS:
        return Head(tag, vr, length, pos + 8)
    if end - pos < 12:
        return None
    return Head(tag, vr, layout.word.unpack_from(data, pos + 8)[0], pos + 12)


def _unknown_vr(raw: bytes) -> str:
    return raw.decode("latin-1") if b"AA" <= raw <= b"ZZ" else ""


class Nesting(Enum):
    """What a value holds."""

    BYTES = "bytes"
    ITEMS = "items of elements"
    FRAGMENTS = "items of bytes"


def nesting_of(head: Head) -> Nesting:
    """Tell what follows an element's head.

    Raises:
        InvalidDatasetError: a delimiter where an element should stand, or an undefined length that the VR forbids.

    Ref: PS3.5 §6.2.2, §7.5, §A.4.
    """
    tag, vr, length, _ = head
    if tag in DELIMITERS:
        raise InvalidDatasetError(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) stands where an element should")
    if length != UNDEFINED_LENGTH:
        sequence = vr == "SQ" or (vr in {"", "UN"} and tag in SEQUENCE_TAGS)
        return Nesting.ITEMS if sequence else Nesting.BYTES
    known = vr or dictionary_vr(tag)
    if tag in PIXEL_TAGS or known in BULK_VRS:
        return Nesting.FRAGMENTS
    if known in {"SQ", "UN"}:
        return Nesting.ITEMS
    raise InvalidDatasetError(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {known} has an undefined length")


def inner_layout(layout: Layout, head: Head) -> Layout:
    """Return the layout of a sequence's items: inside UN it is little endian (PS3.5 §6.2.2)."""
    return IMPLICIT_LITTLE if head.vr == "UN" and not layout.little else layout


def check_depth(depth: int, limits: ScanLimits) -> None:
    """Refuse sequences too deep inside one another.

    Raises:
        InvalidDatasetError: depth is beyond the limit.
    """
    if depth > limits.max_depth:
        raise InvalidDatasetError(f"sequences nest deeper than {limits.max_depth}")
