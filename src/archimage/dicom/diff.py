"""Structural differences between two data sets."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from archimage.dicom.layout import check_depth
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.paths import format_step


class Change(Enum):
    """How the second data set differs from the first."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: path as in paths; before and after are elements or items, None on the side that lacks it."""

    path: str
    change: Change
    before: DataElement | Dataset | None
    after: DataElement | Dataset | None


def diff(first: Dataset, second: Dataset) -> list[Difference]:
    """Return what differs, in the order of the tags; items of sequences are compared in their order.

    Raises:
        InvalidDatasetError: sequences nest too deep.
    """
    return list(_diff(first, second, "", 0))


def _diff(first: Dataset, second: Dataset, prefix: str, depth: int) -> Iterator[Difference]:
    check_depth(depth, DEFAULT_LIMITS)
    for tag in sorted({*first.keys(), *second.keys()}):
        before: DataElement | None = first.get(tag)
        after: DataElement | None = second.get(tag)
        path = prefix + format_step(int(tag))
        if before is not None and after is not None and before.VR == after.VR == "SQ":
            yield from _diff_items(before, after, path, depth)
        else:
            yield from _compare(path, before, after)


def _diff_items(first: DataElement, second: DataElement, path: str, depth: int) -> Iterator[Difference]:
    for index, (before, after) in enumerate(zip_longest(first.value, second.value)):
        if before is None or after is None:
            yield from _compare(f"{path}[{index}]", before, after)
        else:
            yield from _diff(before, after, f"{path}[{index}].", depth + 1)


def _compare(
    path: str, before: DataElement | Dataset | None, after: DataElement | Dataset | None
) -> Iterator[Difference]:
    if before is None:
        yield Difference(path, Change.ADDED, None, after)
    elif after is None:
        yield Difference(path, Change.REMOVED, before, None)
    elif before != after:
        yield Difference(path, Change.CHANGED, before, after)
