"""One data set made free of identifiers: every attribute at every depth, as table and options say (PS3.15 §E.1.1).

Where the profile leaves a choice, or names no action, the safer one is taken:

- A combined action such as X/Z/D depends on the type of the attribute in its IOD. In plain images, where all of these
  are known to be optional, it is removed; elsewhere it gets what every type allows, a dummy or no value.
- Text that the table does not name stays where it tells of machine and technique, and else word by word (`words`).
- Whoever is named in the object is looked for in all the text that stays.
- Names, dates and UIDs that the table does not name are treated as those that it does; what has no known VR goes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydicom.datadict import dictionary_has_tag, repeater_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from archimage.dicom.deidentify import content, private
from archimage.dicom.deidentify.codes import CODE_TAGS, clean_code
from archimage.dicom.deidentify.options import Option
from archimage.dicom.deidentify.pseudonyms import Pseudonyms
from archimage.dicom.deidentify.table import rule_of
from archimage.dicom.deidentify.values import DATE_VRS, REMOVED, TEXT_VRS, dummy, is_temporal, moved, put, values_of
from archimage.dicom.deidentify.words import Identifiers, cleaned
from archimage.dicom.layout import check_depth
from archimage.dicom.limits import DEFAULT_LIMITS

_PATIENT_NAME: Final = 0x00100010
_PATIENT_ID: Final = 0x00100020
_TIMEZONE: Final = 0x00080201
_OFFSET: Final = re.compile(r"[-+][0-9]{4}")
_CONTENT_SEQUENCE: Final = 0x0040A730
_GRAPHIC_ANNOTATION_SEQUENCE: Final = 0x00700001
_CONTENT_SEQUENCES: Final = frozenset({_CONTENT_SEQUENCE, 0x00400555, 0x00400610, 0x0040B020})
_UNCHECKED: Final = frozenset({0x4FFE0001})
"""MAC Parameters: signatures do not outlive the change."""
_PLAIN_BYTES: Final = frozenset({0x00282000, 0x54001010, 0x54000110, 0x54000112})
"""OB that is known: ICC Profile and waveforms."""
_PIXELS: Final = 0x7FE0
"""Group of pixels. Those of the image itself never come here; those of small images in sequences nobody searches."""
_LONGEST_CS: Final = 16
_STRUCTURAL_CS: Final = frozenset({0x00080005, 0x00080060, 0x00280004, 0x0040A010, 0x0040A040, 0x0040A050})
"""Codes without which nothing can be read: character set, modality, photometric interpretation, kinds of content."""
_LEAST_IN_CS: Final = 4
"""Letters of an identifier that is looked for in code strings, which hold words such as CT and MR."""

_PLAIN_IMAGES: Final = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{last}" for last in ("1", "2", "3.1", "4", "6.1", "7", "7.1", "7.2", "7.3", "7.4")
)
"""CR, CT, US, MR and Secondary Capture."""

_TECHNICAL_TEXT: Final = frozenset(
    {
        0x00080070, 0x00081090, 0x00080103, 0x00180024, 0x00180027, 0x00181020, 0x00181160, 0x00181180, 0x00181210,
        0x00181250, 0x00181251, 0x00181261, 0x00186060, 0x00187050, 0x00187060, 0x00189005, 0x00189016, 0x00189024,
        0x00221007, 0x00280A02, 0x00281054, 0x00283004, 0x003A0205, 0x00540081, 0x00541100, 0x00541101, 0x00541102,
        0x00541103, 0x00541104, 0x00541105,
    }
)  # fmt: skip
"""Maker, model, software, kernel, coils, sequence, filters, collimator, units, methods of correction."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose object it is: the key of the pseudonyms, the words that identify people, and what kind of object it is."""

    patient: str
    identifiers: Identifiers
    sop_class_uid: str


class AttributeCleaner:
    """Cleans data sets of one object, in place, and counts what it does."""

    def __init__(self, options: frozenset[Option], pseudonyms: Pseudonyms, subject: Subject) -> None:
        self.options = options
        self.identifiers = subject.identifiers
        self.counts = dict.fromkeys(("removed", "emptied", "replaced", "cleaned"), 0)
        self._pseudonyms = pseudonyms
        self._patient = subject.patient
        self._plain = subject.sop_class_uid in _PLAIN_IMAGES
        self._days = pseudonyms.days(subject.patient)

    def clean(self, dataset: Dataset, depth: int = 0, *, wholly: bool = False) -> None:
        """Clean a data set and all that lies in its sequences; wholly: no text of it stays.

        Raises:
            InvalidDatasetError: it is nested too deep.
        """
        check_depth(depth, DEFAULT_LIMITS)
        safe = private.safe_elements(dataset) if Option.RETAIN_SAFE_PRIVATE in self.options else {}
        for tag in list(dataset.keys()):
            element = _readable(dataset, int(tag))
            if element is None or (tag.is_private and int(tag) not in safe):
                self.remove(dataset, int(tag))
            elif tag.is_private:
                self._private(dataset, element, safe[int(tag)], depth)
            else:
                self._standard(dataset, element, depth, wholly=wholly)
        private.drop_lone_creators(dataset)
        for left in content.left_of_overlays(dataset):
            self.remove(dataset, left)
        if not wholly and any(tag in dataset for tag in CODE_TAGS):
            clean_code(dataset, self.identifiers)

    def remove(self, dataset: Dataset, tag: int) -> None:
        """Remove an attribute."""
        del dataset[tag]
        self.counts["removed"] += 1

    def replace(self, element: DataElement, value: Any, fate: str = "replaced") -> None:
        """Give an attribute another value."""
        if put(element, value):
            self.counts[fate] += 1

    def dummy(self, element: DataElement, depth: int) -> None:
        """Give an attribute a value that says nothing; an empty one stays empty, of sequences the items stay."""
        if element.tag in {_PATIENT_ID, _PATIENT_NAME}:
            self._pseudonym(element)
        elif element.tag == _CONTENT_SEQUENCE:
            self.replace(element, content.dummy_content())
        elif element.tag == _GRAPHIC_ANNOTATION_SEQUENCE:
            self.replace(element, content.dummy_annotation(element))
        elif element.VR == "SQ":
            self._items(element, depth, wholly=True)
        elif not element.is_empty:
            self.replace(element, dummy(element.VR))

    def _standard(self, dataset: Dataset, element: DataElement, depth: int, *, wholly: bool) -> None:
        rule = rule_of(int(element.tag))
        if rule is None:
            self._unlisted(dataset, element, depth, wholly=wholly)
        else:
            self._act(dataset, element, self._decided(rule.action(self.options)), depth)

    def _decided(self, action: str) -> str:
        """Decide a combined action; the type of the attribute is known in plain images only."""
        first, _, rest = action.partition("/")
        if not rest or action == "X/Z/U*":
            return "K" if rest else action
        return first if self._plain else rest[-1]

    def _act(self, dataset: Dataset, element: DataElement, action: str, depth: int) -> None:
        if action == "X" or (element.VR == "UN" and action in {"C", "K"}):
            self.remove(dataset, int(element.tag))
        elif action == "U":
            self._uids(dataset, element)
        elif action == "C":
            self._clean_element(dataset, element, depth)
        elif action == "D" or element.tag in {_PATIENT_ID, _PATIENT_NAME}:
            self.dummy(element, depth)
        elif action == "Z":
            self.replace(element, None, "emptied")
        elif element.VR == "SQ":
            self._items(element, depth)
        elif element.VR in DATE_VRS:
            self._date(element)

    def _clean_element(self, dataset: Dataset, element: DataElement, depth: int) -> None:
        """Clean a value where an option asks for that."""
        if element.tag in _CONTENT_SEQUENCES:
            content.clean_content(self, element, depth)
        elif element.VR == "SQ":
            self._items(element, depth)
        elif element.VR in DATE_VRS:
            self._date(element)
        elif content.is_graphic(int(element.tag)):
            if not content.is_clean_overlay(dataset, int(element.tag)):
                self.remove(dataset, int(element.tag))
        elif element.tag == _TIMEZONE:
            if not _OFFSET.fullmatch(str(element.value or "")):
                self.remove(dataset, int(element.tag))
        elif element.VR in TEXT_VRS:
            self._text(element, self._word_by_word)
        elif not element.is_empty:
            self.replace(element, dummy(element.VR))

    def _unlisted(self, dataset: Dataset, element: DataElement, depth: int, *, wholly: bool) -> None:
        """Treat what the table does not name."""
        tag, vr = int(element.tag), element.VR
        known = (dictionary_has_tag(tag) or repeater_has_tag(tag)) and tag not in _UNCHECKED and vr != "UN"
        if not known or tag >> 16 == _PIXELS or (vr == "OB" and tag not in _PLAIN_BYTES):
            self.remove(dataset, tag)
        elif vr == "SQ":
            self._items(element, depth, wholly=wholly)
        elif vr == "UI":
            if Option.RETAIN_UIDS not in self.options:
                self._uids(dataset, element)
        elif vr in DATE_VRS:
            self._date(element)
        elif not element.is_empty and (vr in {"PN", "AE", "UR"} or (wholly and vr in {"DS", "IS"} | TEXT_VRS)):
            self.replace(element, dummy(vr))
        elif vr in TEXT_VRS and tag not in CODE_TAGS:
            self._text(element, self.identifiers.without if tag in _TECHNICAL_TEXT else self._word_by_word)
        elif vr == "CS" and tag not in _STRUCTURAL_CS:
            self._code_string(element)

    def _private(self, dataset: Dataset, element: DataElement, vr: str, depth: int) -> None:
        """Treat a private attribute that is thought to be safe; vr is what the table says."""
        if not private.is_plausible(element, vr):
            self.remove(dataset, int(element.tag))
        elif vr == "SQ":
            self._items(element, depth)
        elif vr == "UI":
            self._uids(dataset, element)
        elif vr in TEXT_VRS:
            self._text(element, self.identifiers.without)
        elif vr == "CS":
            self._code_string(element)

    def _items(self, element: DataElement, depth: int, *, wholly: bool = False) -> None:
        for item in element.value:
            self.clean(item, depth + 1, wholly=wholly)

    def _uids(self, dataset: Dataset, element: DataElement) -> None:
        if element.VR != "UI":
            self.remove(dataset, int(element.tag))
        elif not element.is_empty:
            self.replace(element, [self._pseudonyms.uid(uid) for uid in values_of(element)])

    def _date(self, element: DataElement) -> None:
        if element.is_empty or (self._keeps_dates(element) and all(map(is_temporal, values_of(element)))):
            return
        if Option.RETAIN_MODIFIED_DATES in self.options:
            self.replace(element, [moved(value, element.VR, self._days) for value in values_of(element)])
        else:
            self.replace(element, dummy(element.VR))

    def _keeps_dates(self, element: DataElement) -> bool:
        rule = rule_of(int(element.tag))
        return Option.RETAIN_FULL_DATES in self.options or (rule is not None and rule.action(self.options) == "K")

    def _pseudonym(self, element: DataElement) -> None:
        if element.tag == _PATIENT_NAME:
            self.replace(element, self._pseudonyms.patient_name(self._patient))
        elif not element.is_empty:
            self.replace(element, self._pseudonyms.patient_id(self._patient))

    def _word_by_word(self, text: str) -> str:
        return cleaned(text, self.identifiers)

    def _text(self, element: DataElement, clean: Callable[[str], str]) -> None:
        """Clean text; where nothing is left of it, it says so, for it may have to have a value."""
        values = values_of(element)
        kept = [clean(value) for value in values]
        if kept != values:
            self.replace(element, kept if any(kept) else REMOVED, "cleaned")

    def _code_string(self, element: DataElement) -> None:
        values = values_of(element)
        gone = (len(value) > _LONGEST_CS or self.identifiers.among(value, _LEAST_IN_CS) for value in values)
        kept = [REMOVED if is_gone else value for value, is_gone in zip(values, gone, strict=True)]
        if kept != values:
            self.replace(element, kept, "cleaned")


def _readable(dataset: Dataset, tag: int) -> DataElement | None:
    """Return an element; None where its value is not what its VR says."""
    try:
        return dataset[tag]
    except Exception:  # pydicom raises what the conversion of the value raises
        return None
