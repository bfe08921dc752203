"""Merging one data set into another."""

import copy
from enum import Enum

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from archimage.dicom.layout import check_depth
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.paths import format_step
from archimage.errors import MergeConflictError


class MergePolicy(Enum):
    """Which value stays where both data sets have the element and the values differ."""

    KEEP = "the first one's"
    REPLACE = "the second one's"
    FILL = "the first one's, unless it is empty"
    ERROR = "neither: it is a conflict"


def merge(first: Dataset, second: Dataset, policy: MergePolicy = MergePolicy.KEEP) -> Dataset:
    """Return a new data set with the elements of both.

    Sequences are merged item by item in their order; the items that only the longer one has are kept. An element that
    is a sequence in one and not in the other is treated as a value.

    Raises:
        MergeConflictError: values differ and the policy is ERROR.
        InvalidDatasetError: sequences nest too deep.
    """
    merged = copy.deepcopy(first)
    _merge_into(merged, second, policy, "", 0)
    return merged


def _merge_into(merged: Dataset, second: Dataset, policy: MergePolicy, prefix: str, depth: int) -> None:
    check_depth(depth, DEFAULT_LIMITS)
    for element in second:
        if element.tag not in merged:
            merged[element.tag] = copy.deepcopy(element)
        elif element.VR == "SQ" and merged[element.tag].VR == "SQ":
            path = prefix + format_step(int(element.tag))
            _merge_items(merged[element.tag], element, policy, path, depth)
        elif _takes_second(merged[element.tag], element, policy, prefix):
            merged[element.tag] = copy.deepcopy(element)


def _merge_items(merged: DataElement, second: DataElement, policy: MergePolicy, path: str, depth: int) -> None:
    both = min(len(merged.value), len(second.value))
    for index in range(both):
        _merge_into(merged.value[index], second.value[index], policy, f"{path}[{index}].", depth + 1)
    merged.value.extend(copy.deepcopy(second.value[both:]))


def _takes_second(first: DataElement, second: DataElement, policy: MergePolicy, prefix: str) -> bool:
    if first == second:
        return False
    if policy is MergePolicy.ERROR:
        raise MergeConflictError(f"{prefix}{format_step(int(first.tag))} differs")
    return policy is MergePolicy.REPLACE or (policy is MergePolicy.FILL and first.is_empty)
