"""What a scan yields: the wanted values, where the pixels lie, and how far the data set reaches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import Final

from archimage.dicom.dictionary import dictionary_vr
from archimage.dicom.layout import KNOWN_VRS, Layout
from archimage.dicom.text import decode_text
from archimage.dicom.wanted import PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET, Path

Values = Mapping[int, tuple[str, bytes | bytearray]]
"""Tag -> VR (empty under implicit VR) and raw value."""

_NUMBERS: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_WORDS: Final = {(order, vr): Struct(order + code) for order in "<>" for vr, code in _NUMBERS.items()}
_TAG_WORDS: Final = {order: Struct(order + "HH") for order in "<>"}
_REMEMBERED_BYTES: Final = 128
_BINARY_VRS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN", "AT", *_NUMBERS})


@dataclass(frozen=True, slots=True)
class PixelData:
    """Where the pixel element lies, in bytes from the start of the data set (inflated, if it came deflated).

    length          of a native value; None if encapsulated in fragments
    offset          of the element's tag; value_offset that of its value, or of its first item
    fragment_*      of each fragment's bytes: the item's 8-byte head and the Basic Offset Table are not counted
    basic_offsets   the Basic Offset Table as it stands, uint32 little endian, relative to the first fragment's item
    extended_*      Extended Offset Table (7FE0,0001) and its lengths (7FE0,0002), uint64 little endian

    Ref: PS3.5 §A.4, PS3.3 §C.7.6.3.
    """

    tag: int
    vr: str
    offset: int
    value_offset: int
    length: int | None
    fragment_offsets: Sequence[int]
    fragment_lengths: Sequence[int]
    basic_offsets: bytes = b""
    extended_offsets: bytes = b""
    extended_lengths: bytes = b""

    @property
    def encapsulated(self) -> bool:
        """Tell whether the value is a list of fragments."""
        return self.length is None

    @property
    def fragments(self) -> tuple[tuple[int, int], ...]:
        """Return (offset, length) of each fragment's bytes."""
        return tuple(zip(self.fragment_offsets, self.fragment_lengths, strict=True))


@dataclass(frozen=True, slots=True)
class Header:
    """The wanted elements of one data set; end is its length in bytes.

    rows holds, for a sequence of which something is wanted, each item's wanted elements.
    complete is false for what is known of a data set before all of it has come.
    """

    layout: Layout
    found: Values
    rows: Mapping[int, tuple[Values, ...]]
    wanted: frozenset[Path]
    pixel: PixelData | None
    end: int
    element_count: int
    complete: bool

    @property
    def values(self) -> Mapping[Path, bytes | tuple[bytes, ...]]:
        """Return the raw wanted values, unpadded: of items as one value each, empty where an item lacks the element."""
        return {path: value for path in self.wanted if (value := self._value(path)) is not None}

    def _value(self, path: Path) -> bytes | tuple[bytes, ...] | None:
        if isinstance(path, int):
            return self.raw(path)
        return self.raws(*path) if path[0] in self.rows else None

    def raw(self, tag: int) -> bytes | None:
        """Return a wanted element's value without its padding, or None if the data set lacks it."""
        return _raw(self.found, tag)

    def raws(self, sequence: int, tag: int) -> tuple[bytes, ...]:
        """Return one value for each item of a sequence, empty where an item lacks the element."""
        return tuple(_raw(row, tag) or b"" for row in self.rows.get(sequence, ()))

    def text_items(self) -> Iterator[tuple[int, str]]:
        """Yield tag and text of every wanted element that stands outside sequences."""
        charset, signed, little = self.raw(SPECIFIC_CHARACTER_SET), self.raw(PIXEL_REPRESENTATION), self.layout.little
        for tag, (vr, raw) in self.found.items():
            format_one = _remembered if len(raw) <= _REMEMBERED_BYTES else format_value
            yield tag, format_one(bytes(raw), _vr(vr, tag, signed), charset, little=little)

    def text(self, tag: int) -> str | None:
        """Return a wanted element's value as text, or None if the data set lacks it.

        Values are joined with a backslash; numbers are decimal, tags (AT) eight hexadecimal digits.
        """
        return self._text(self.found, tag, self.raw(SPECIFIC_CHARACTER_SET))

    def texts(self, sequence: int, tag: int) -> tuple[str, ...]:
        """Return one text for each item of a sequence, empty where an item lacks the element."""
        outer = self.raw(SPECIFIC_CHARACTER_SET)
        return tuple(
            self._text(row, tag, _raw(row, SPECIFIC_CHARACTER_SET) or outer) or ""
            for row in self.rows.get(sequence, ())
        )

    def _text(self, values: Values, tag: int, charset: bytes | None) -> str | None:
        entry = values.get(tag)
        if entry is None:
            return None
        vr, raw = entry
        signed = _raw(values, PIXEL_REPRESENTATION) or self.raw(PIXEL_REPRESENTATION)
        return format_value(bytes(raw), _vr(vr, tag, signed), charset, little=self.layout.little)


def format_value(raw: bytes, vr: str, charset: bytes | None, *, little: bool) -> str:
    """Return a value of any VR but SQ as text; bytes beyond the last whole number are left out."""
    order = "<" if little else ">"
    if vr == "AT":
        words = _TAG_WORDS[order]
        return "\\".join(f"{group:04X}{element:04X}" for group, element in words.iter_unpack(_whole(raw, words)))
    words_or_none = _WORDS.get((order, vr))
    if words_or_none is None:
        return decode_text(raw, vr, charset)
    return "\\".join(str(number) for (number,) in words_or_none.iter_unpack(_whole(raw, words_or_none)))


_remembered: Final = lru_cache(maxsize=4096)(format_value)
"""Most values of an image are those of its neighbours."""


def _whole(raw: bytes, words: Struct) -> bytes:
    return raw[: len(raw) - len(raw) % words.size]


def _vr(vr: str, tag: int, signed: bytes | None) -> str:
    """Resolve an absent, unknown or UN VR by the dictionary; US or SS by Pixel Representation (PS3.5 §A.1)."""
    if vr in KNOWN_VRS and vr != "UN":
        return vr
    known = dictionary_vr(tag)
    return "SS" if known == "US" and tag in _SIGNED_TAGS and signed and any(signed) else known


_SIGNED_TAGS: Final = frozenset(
    {0x00280104, 0x00280105, 0x00280106, 0x00280107, 0x00280108, 0x00280109, 0x00280110, 0x00280111, 0x00280120}
    | {0x00280121, 0x00281101, 0x00281102, 0x00281103}
)
"""Elements that the dictionary gives as US or SS and that a scan may be asked for."""


def _raw(values: Values, tag: int) -> bytes | None:
    entry = values.get(tag)
    if entry is None:
        return None
    vr, raw = entry
    binary = vr in _BINARY_VRS if vr and vr != "UN" else dictionary_vr(tag) in _BINARY_VRS
    return bytes(raw) if binary else bytes(raw).rstrip(b" \0")
