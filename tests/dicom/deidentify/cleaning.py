"""Data sets that are cleaned by the profile, and the values that are planted in them."""

from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset

from archimage.dicom.deidentify.attributes import AttributeCleaner
from archimage.dicom.deidentify.options import Option
from archimage.dicom.deidentify.pseudonyms import Pseudonyms
from archimage.dicom.deidentify.subjects import subject_of

SECRET = bytes(range(32))
CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"

_VALUES: dict[str, Any] = {
    "AE": "ZZAET",
    "AS": "042Y",
    "AT": 0x00100010,
    "CS": "ZZCODE",
    "DA": "20240229",
    "DS": "1.5",
    "DT": "20240229120000",
    "FD": 1.5,
    "FL": 1.5,
    "IS": "42",
    "PN": "Zzname^Zzgiven",
    "SL": 5,
    "SS": 5,
    "TM": "123456",
    "UI": "1.2.826.0.1.99",
    "UL": 5,
    "UR": "http://zzurl.example",
    "US": 5,
}


def planted(vr: str) -> Any:
    """A value of a VR that no dummy is equal to; an item with a name and a code for a sequence."""
    if vr == "SQ":
        item = Dataset()
        item.PersonName = "Zzitem^Inner"
        item.CodeMeaning = "zzmeaning"
        return [item]
    if vr in {"OB", "OW", "UN", "OF", "OD", "OL", "OV"}:
        return b"zzbinaryzzbinary"
    return _VALUES.get(vr, "zztext of somebody")


def vr_of(tag: int) -> str:
    """The first of the VRs that the dictionary has for a tag; LO for what is newer than the dictionary."""
    return dictionary_VR(tag).split(" ")[0] if dictionary_has_tag(tag) else "LO"


def cleaned(dataset: Dataset, *options: Option, secret: bytes = SECRET) -> Dataset:
    """Clean a data set; return it."""
    AttributeCleaner(frozenset(options), Pseudonyms(secret), subject_of(dataset)).clean(dataset)
    return dataset


def texts(dataset: Dataset) -> str:
    """Everything that stands in a data set, as text."""
    return "\n".join(str(element.value) for element in dataset.iterall() if element.VR != "SQ")
