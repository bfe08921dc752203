"""Which elements a scan keeps, as the keys its loops compare."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from archimage.dicom.dictionary import SEQUENCE_TAGS
from archimage.dicom.layout import DELIMITERS, PIXEL_TAGS, Layout

Path = int | tuple[int, int]
"""A top-level tag, or a sequence's tag and a tag in its items."""

SPECIFIC_CHARACTER_SET: Final = 0x00080005
PIXEL_REPRESENTATION: Final = 0x00280103
EXTENDED_OFFSETS: Final = 0x7FE00001
EXTENDED_LENGTHS: Final = 0x7FE00002

STRUCTURE: Final = DELIMITERS | PIXEL_TAGS
"""Tags that a run over plain elements stops at."""
IMPLICIT_STRUCTURE: Final = STRUCTURE | SEQUENCE_TAGS

_ALWAYS: Final = frozenset({SPECIFIC_CHARACTER_SET, PIXEL_REPRESENTATION})


class Wanted:
    """The elements asked for and those that are needed to read them."""

    def __init__(self, paths: frozenset[Path]) -> None:
        tags = {path for path in paths if isinstance(path, int)}
        self.sequences = frozenset(path[0] for path in paths if not isinstance(path, int))
        self._tags = {0: frozenset(tags) | _ALWAYS | {EXTENDED_OFFSETS, EXTENDED_LENGTHS}}
        for sequence in self.sequences:
            inner = {path[1] for path in paths if not isinstance(path, int) and path[0] == sequence}
            self._tags[sequence] = frozenset(inner) | _ALWAYS
        self._keys: dict[tuple[int, Layout], dict[int, int]] = {}

    def top_keys(self, layout: Layout) -> Mapping[int, int]:
        """Return key -> tag of what a run over top-level elements must not pass unseen."""
        return self._keys_of(0, layout)

    def item_keys(self, sequence: int, layout: Layout) -> Mapping[int, int]:
        """Return the same for the items of a top-level sequence, or of any other where sequence is -1."""
        return self._keys_of(sequence, layout)

    def _keys_of(self, sequence: int, layout: Layout) -> dict[int, int]:
        keys = self._keys.get((sequence, layout))
        if keys is None:
            structure = STRUCTURE if layout.explicit else IMPLICIT_STRUCTURE
            tags = structure | self._tags.get(sequence, frozenset())
            keys = self._keys[sequence, layout] = {layout.key(tag): tag for tag in tags}
        return keys


@lru_cache(maxsize=64)
def wanted_of(paths: frozenset[Path]) -> Wanted:
    """Return the one Wanted of a set of paths."""
    return Wanted(paths)
