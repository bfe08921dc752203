"""What, besides its own bytes, says how an element reads: encoding, character set, private creators, sign of pixels.

Elements that read alike are remembered here by their bytes, one by one and in runs: the instances of a series differ
in a few of them only.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from archimage.dicom.implied import choose_vr, implied_vr
from archimage.dicom.layout import ITEM_DELIMITATION, KNOWN_VRS, Head, Layout
from archimage.dicom.wanted import PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET

REMEMBERED_BYTES: Final = 4 << 10
_REMEMBERED_TOTAL_BYTES: Final = 16 << 20
_ENTRY_BYTES: Final = 300
"""What a remembered element takes besides its bytes and JSON."""
_REMEMBERED_CONTEXTS: Final = 1_000
_NO_CREATORS: Final[Mapping[int, str]] = MappingProxyType({})

Known = tuple[int, bytes, "Context | None"]
"""An element's tag, its JSON, and the context of what follows it where that is another one."""


class Run(NamedTuple):
    """Elements that stood one after the other: their bytes, their JSON by tag, and the context of what follows them."""

    data: bytes
    found: dict[int, bytes]
    following: "Context"


class Context:
    """How elements at one place of a data set read; memo is what is known of them by their bytes.

    runs are those last met, by the first eight bytes of each.

    signed is that of pixel values, None where Pixel Representation has not come yet. delimiter is what ends an item of
    undefined length.
    """

    __slots__ = ("_contexts", "_creators", "charset", "delimiter", "layout", "memo", "runs", "signed")

    def __init__(
        self, contexts: "Contexts", layout: Layout, charset: bytes, creators: Mapping[int, str], *, signed: bool | None
    ) -> None:
        self.layout = layout
        self.delimiter = layout.items.pack(layout.key(ITEM_DELIMITATION), 0)
        self.charset = charset
        self.signed = signed
        self.memo: dict[bytes, Known] = {}
        self.runs: dict[bytes, Run] = {}
        self._creators = creators
        self._contexts = contexts

    def inside(self, layout: Layout) -> "Context":
        """Return the context in which an item begins: its private creators are its own."""
        return self._contexts.get(layout, self.charset, _NO_CREATORS, signed=self.signed)

    def after(self, tag: int, value: bytes) -> "Context | None":
        """Return the context of what follows an element; None where it is the same."""
        if tag == SPECIFIC_CHARACTER_SET:
            return self._contexts.get(self.layout, value, self._creators, signed=self.signed)
        if tag == PIXEL_REPRESENTATION:
            return self._contexts.get(self.layout, self.charset, self._creators, signed=any(value))
        if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
            creators = {**self._creators, tag: value.decode("latin-1").rstrip(" \0")}
            return self._contexts.get(self.layout, self.charset, creators, signed=self.signed)
        return None

    def vr(self, head: Head) -> str:
        """Return the VR of an element, of its own or implied."""
        if head.vr in KNOWN_VRS and head.vr != "UN":
            return head.vr
        creator = self._creators.get(head.tag & 0xFFFF0000 | (head.tag & 0xFFFF) >> 8, "")
        return choose_vr(implied_vr(head.tag, creator), size_bytes=head.length, signed=self.signed)

    def remember(self, element: bytes, known: Known) -> None:
        """Keep what is known of an element, while there is room."""
        if len(element) <= REMEMBERED_BYTES and self._contexts.room_bytes > 0:
            self._contexts.room_bytes -= len(element) + len(known[1]) + _ENTRY_BYTES
            self.memo[element] = known

    def remember_run(self, run: Run) -> None:
        """Keep a run, instead of the one that began alike, while there is room."""
        start = run.data[:8]
        before = self.runs.pop(start, None)
        if before is not None:
            self._contexts.room_bytes += _run_bytes(before)
        if self._contexts.room_bytes > 0:
            self._contexts.room_bytes -= _run_bytes(run)
            self.runs[start] = run


def _run_bytes(run: Run) -> int:
    return len(run.data) + len(run.found) * _ENTRY_BYTES


class Contexts:
    """The contexts met so far; room_bytes is what is left for elements to be remembered."""

    def __init__(self) -> None:
        self.room_bytes = _REMEMBERED_TOTAL_BYTES
        self._met: dict[tuple[Layout, bytes, tuple[tuple[int, str], ...], bool | None], Context] = {}

    def first(self, layout: Layout) -> Context:
        """Return the context in which a data set begins."""
        return self.get(layout, b"", _NO_CREATORS, signed=None)

    def get(self, layout: Layout, charset: bytes, creators: Mapping[int, str], *, signed: bool | None) -> Context:
        """Return the context of these, the one met before if it was."""
        key = (layout, charset, tuple(creators.items()), signed)
        found = self._met.get(key)
        if found is None:
            found = Context(self, layout, charset, creators, signed=signed)
            if len(self._met) < _REMEMBERED_CONTEXTS:
                self._met[key] = found
        return found
