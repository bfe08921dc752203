"""Structured content by its concept names, and drawings over images (PS3.15 §E.3.3, §E.3.4).

Of content items those of Table E.3.4-1 are removed or made dumb; others stay, their text cleaned word by word. Of
overlays those stay in which no row of letters is found, of graphic annotations the lines; curves go.
"""

from typing import TYPE_CHECKING, Final

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from archimage.dicom.deidentify.content_table import content_rule_of
from archimage.dicom.deidentify.glyphs import has_text
from archimage.dicom.deidentify.values import REMOVED

if TYPE_CHECKING:
    from archimage.dicom.deidentify.attributes import AttributeCleaner

_OVERLAY_DATA: Final = 0x3000
_VALUE_KEYWORDS: Final = (
    "TextValue",
    "PersonName",
    "Date",
    "Time",
    "DateTime",
    "ConceptCodeSequence",
    "MeasuredValueSequence",
)
"""What holds the value of a content item (PS3.3 §C.17.3.2); UIDs were replaced already."""


def dummy_content() -> list[Dataset]:
    """Return content that says nothing, for a document that has to have some."""
    item, name = Dataset(), Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "121071", "DCM", "Finding"
    item.RelationshipType, item.ValueType, item.TextValue = "CONTAINS", "TEXT", REMOVED
    item.ConceptNameCodeSequence = [name]
    return [item]


def dummy_annotation(element: DataElement) -> list[Dataset]:
    """Return an annotation that says nothing, in the layer of the first that there was."""
    layer = str(element.value[0].get("GraphicLayer") or REMOVED) if element.value else REMOVED
    item, text = Dataset(), Dataset()
    text.UnformattedTextValue, text.AnchorPointAnnotationUnits, text.AnchorPointVisibility = REMOVED, "DISPLAY", "N"
    text.AnchorPoint = [0.0, 0.0]
    item.GraphicLayer, item.TextObjectSequence = layer, [text]
    return [item]


def clean_content(cleaner: "AttributeCleaner", element: DataElement, depth: int) -> None:
    """Clean the items of a sequence of content, whatever lies in them included."""
    kept = []
    for item in element.value:
        action = _action(cleaner, item)
        if action == "X":
            cleaner.counts["removed"] += 1
            continue
        text = item.get("TextValue") if action == "K" else None
        cleaner.clean(item, depth + 1)
        if text is not None:
            item.TextValue = text
        if action == "D":
            _silence(cleaner, item, depth)
        kept.append(item)
    element.value = kept


def _action(cleaner: "AttributeCleaner", item: Dataset) -> str:
    name = (item.get("ConceptNameCodeSequence") or [Dataset()])[0]
    scheme, code = str(name.get("CodingSchemeDesignator") or ""), str(name.get("CodeValue") or "")
    rule = content_rule_of(str(item.get("ValueType") or "TEXT"), scheme, code)
    return "" if rule is None else rule.action(cleaner.options).partition("/")[0]


def _silence(cleaner: "AttributeCleaner", item: Dataset, depth: int) -> None:
    """Give the value of an item one that says nothing."""
    for keyword in _VALUE_KEYWORDS:
        if keyword in item:
            cleaner.dummy(item[keyword], depth)


def is_graphic(tag: int) -> bool:
    """Tell whether an attribute belongs to an overlay or a curve."""
    return tag >> 24 in {0x50, 0x60}


def is_clean_overlay(dataset: Dataset, tag: int) -> bool:
    """Tell whether an attribute is an overlay in which no letters are found; one that cannot be read is not clean."""
    if tag >> 24 != 0x60 or tag & 0xFFFF != _OVERLAY_DATA:
        return False
    try:
        planes = dataset.overlay_array(tag >> 16)
    except Exception:  # pydicom raises whatever its description makes of it
        return False
    return not any(has_text(np.asarray(plane, bool)) for plane in planes.reshape(-1, *planes.shape[-2:]))


def left_of_overlays(dataset: Dataset) -> list[int]:
    """Return what is left of overlays that have no data any more: what described them."""
    tags = [int(tag) for tag in dataset.keys() if int(tag) >> 24 == 0x60]  # noqa: SIM118
    whole = {tag >> 16 for tag in tags if tag & 0xFFFF == _OVERLAY_DATA}
    return [tag for tag in tags if tag >> 16 not in whole]
