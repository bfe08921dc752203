"""Whose object it is, and the words in it that identify people and places."""

from collections.abc import Iterator
from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from archimage.dicom.deidentify.attributes import Subject
from archimage.dicom.deidentify.values import TEXT_VRS, values_of
from archimage.dicom.deidentify.words import Identifiers, words_of

_IDENTIFYING: Final = frozenset(
    {
        "AccessionNumber",
        "AdmissionID",
        "CountryOfResidence",
        "CurrentPatientLocation",
        "DeviceSerialNumber",
        "FillerOrderNumberImagingServiceRequest",
        "InstitutionAddress",
        "InstitutionName",
        "InsurancePlanIdentification",
        "IssuerOfPatientID",
        "MedicalRecordLocator",
        "OrderCallbackPhoneNumber",
        "OtherPatientIDs",
        "PatientAddress",
        "PatientBirthDate",
        "PatientID",
        "PatientTelephoneNumbers",
        "PerformedProcedureStepID",
        "PlacerOrderNumberImagingServiceRequest",
        "RegionOfResidence",
        "RequestedProcedureID",
        "ResponsibleOrganization",
        "ScheduledProcedureStepID",
        "StationName",
    }
)
_LEAST_LETTERS: Final = 4
"""Of a word of a place: the shorter ones are those of every language."""
_NAME_PARTS: Final = 3
"""Family, given and middle name; what comes before and after them is a title."""


def subject_of(dataset: Dataset) -> Subject:
    """Read whose an object is, before anything of it is changed.

    The key of the pseudonyms is the Patient ID; where there is none the name, and else the study.
    """
    keys = ((keyword, str(dataset.get(keyword) or "").strip()) for keyword in _KEYS)
    keyword, patient = next(((keyword, value) for keyword, value in keys if value), ("", ""))
    key = patient if keyword in {"", "PatientID"} else f"{keyword} {patient}"
    return Subject(key, Identifiers(_words(dataset)), str(dataset.get("SOPClassUID") or ""))


_KEYS: Final = ("PatientID", "PatientName", "StudyInstanceUID")


def _words(dataset: Dataset) -> Iterator[str]:
    for tag in dataset.keys():  # noqa: SIM118 - a data set iterates over its elements
        try:
            element = dataset[tag]
        except Exception:  # noqa: S112 - pydicom raises what the conversion of a value raises; the value will go
            continue
        if element.VR == "SQ":
            for item in element.value:
                yield from _words(item)
        elif element.VR == "PN":
            for name in values_of(element):
                yield from _name_words(name)
        elif element.keyword in _IDENTIFYING:
            yield from _text_words(element)


def _name_words(name: str) -> Iterator[str]:
    for group in name.split("="):
        for part in group.split("^")[:_NAME_PARTS]:
            yield from words_of(part)


def _text_words(element: DataElement) -> Iterator[str]:
    for value in values_of(element):
        for word in words_of(value):
            if len(word) >= _LEAST_LETTERS or element.VR not in TEXT_VRS or word.isdigit():
                yield word
