"""Patients, studies, series and instances as lists show them; texts as they stand in the objects, empty when absent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of the total matches, from offset on, at most limit."""

    items: Sequence[T]
    total: int
    limit: int
    offset: int


@dataclass(frozen=True, slots=True)
class PatientSummary:
    """A patient; those without an ID are one for each study."""

    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    studies: int
    series: int
    instances: int


@dataclass(frozen=True, slots=True)
class StudySummary:
    """A study; thumbnail is the address of a picture of it."""

    study_instance_uid: str
    patient_id: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    study_date: str
    study_time: str
    accession_number: str
    study_id: str
    study_description: str
    referring_physician_name: str
    modalities: Sequence[str]
    series: int
    instances: int
    labels: Sequence[str]
    thumbnail: str


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """A series; thumbnail is the address of a picture of it."""

    study_instance_uid: str
    series_instance_uid: str
    series_number: str
    modality: str
    series_description: str
    series_date: str
    series_time: str
    body_part_examined: str
    protocol_name: str
    station_name: str
    manufacturer: str
    instances: int
    thumbnail: str


@dataclass(frozen=True, slots=True)
class InstanceSummary:
    """An instance; address is that of its DICOMweb resource, thumbnail that of a picture of it."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    instance_number: str
    rows: int
    columns: int
    frames: int
    image_type: str
    content_date: str
    content_time: str
    address: str
    thumbnail: str


@dataclass(frozen=True, slots=True)
class LabelCount:
    """A label, and how many studies have it."""

    name: str
    studies: int


@dataclass(frozen=True, slots=True)
class Element:
    """One data element; of a sequence its items, of a large binary value the address where it can be had."""

    tag: str
    keyword: str
    name: str
    vr: str
    values: Sequence[str | int | float | None]
    items: "Sequence[Sequence[Element]]"
    bulk_data: str


@dataclass(frozen=True, slots=True)
class InstanceTags:
    """The data set of an instance."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    elements: Sequence[Element]
