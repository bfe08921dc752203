"""What a walk is inside of, and what it notes on its way."""

from array import array
from collections.abc import Mapping
from enum import Enum

from archimage.dicom.layout import Head, Layout, Nesting
from archimage.dicom.wanted import IMPLICIT_STRUCTURE, STRUCTURE

Raw = tuple[str, bytes | bytearray]
"""VR (empty under implicit VR) and value of a wanted element."""


class Step(Enum):
    MORE = "the bytes at hand do not hold the whole element"
    SAME = "one element further in the same frame"
    FRAME = "a frame was entered or left"


class Frame:
    """A data set, a sequence or a list of fragments that the walk is inside.

    end is absolute; where the length is not defined it is that of what stands around the frame.
    """

    __slots__ = ("defined", "end", "keys", "kind", "layout", "rows", "sequence", "structure", "values")

    def __init__(self, kind: Nesting, layout: Layout, end: int, *, defined: bool) -> None:
        self.kind = kind
        self.layout = layout
        self.end = end
        self.defined = defined
        self.structure = STRUCTURE if layout.explicit else IMPLICIT_STRUCTURE
        self.values: dict[int, Raw] = {}
        self.keys: Mapping[int, int] = {}
        self.sequence = -1
        self.rows: list[dict[int, Raw]] | None = None


class Pixels:
    """Where the pixel element lies; offsets are bytes from the start of the data set."""

    __slots__ = ("basic_offsets", "head", "lengths", "offset", "offsets", "value_offset")

    def __init__(self, head: Head, offset: int, value_offset: int) -> None:
        self.head = head
        self.offset = offset
        self.value_offset = value_offset
        self.basic_offsets: bytes | None = None
        self.offsets = array("Q")
        self.lengths = array("Q")
