"""Where a bulk value stands in a data set: the part of a Bulkdata URI that names it.

    path = tag *("/" item "/" tag)      tag = 8 hexadecimal digits      item = number, the first is 1 (PS3.5 §7.5)

`00420011` is an element at top level, `54000100/2/54001010` one in the second item of a sequence.
"""

import re
from typing import Final

from archimage.dicom.layout import check_depth
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.errors import InvalidPathError

BulkPath = tuple[int, ...]
"""Tag, then for each level further down the item's number and a tag."""

_PATH: Final = re.compile(r"[0-9A-Fa-f]{8}(?:/[1-9][0-9]{0,8}/[0-9A-Fa-f]{8})*")


def format_bulk_path(path: BulkPath) -> str:
    """Write a path."""
    return "/".join(f"{part:08X}" if index % 2 == 0 else str(part) for index, part in enumerate(path))


def parse_bulk_path(text: str) -> BulkPath:
    """Parse a path.

    Raises:
        InvalidPathError: it is malformed.
        InvalidDatasetError: it is deeper than any data set may be.
    """
    if not _PATH.fullmatch(text):
        raise InvalidPathError(f"{text!r} names no element: write 00420011, or 54000100/1/54001010 for one in an item")
    parts = text.split("/")
    check_depth(len(parts) // 2, DEFAULT_LIMITS)
    return tuple(int(part, 10 if index % 2 else 16) for index, part in enumerate(parts))
