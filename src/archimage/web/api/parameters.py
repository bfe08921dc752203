"""What may stand in the addresses of the management API."""

from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from archimage.services.catalogue import MAX_TEXT, Wanted

MAX_LIMIT: Final = 1_000
_UID: Final = r"^[0-9]+(\.[0-9]+)*$"

StudyUid = Annotated[str, Path(pattern=_UID, max_length=64, description="Study Instance UID.")]
SeriesUid = Annotated[str, Path(pattern=_UID, max_length=64, description="Series Instance UID.")]
SopUid = Annotated[str, Path(pattern=_UID, max_length=64, description="SOP Instance UID.")]


class Listing(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    sort: str = Field("", max_length=64, description="Name to sort by; a minus before it turns the order around.")
    limit: int = Field(50, ge=0, le=MAX_LIMIT, description="How many at most.")
    offset: int = Field(0, ge=0, le=1 << 31, description="How many are left out before them.")

    def wanted(self) -> Wanted:
        """Return it as the services take it."""
        return Wanted(sort=self.sort, limit=self.limit, offset=self.offset)


class SearchListing(Listing):
    """The same of what can be searched."""

    q: str = Field(
        "", max_length=MAX_TEXT, description="What somebody types: each word must be found, by the beginning in names."
    )


class PatientListing(SearchListing):
    """Patients."""

    sort: str = Field("patient_name", max_length=64, description="patient_name, patient_id, patient_birth_date, ...")
    patient_id: str = Field("", max_length=64, description="Patient ID; `*` and `?` are wildcards.")
    patient_name: str = Field("", max_length=256, description="Name; `*` and `?` are wildcards.")
    patient_birth_date: str = Field("", max_length=32, description="YYYYMMDD, or a range with a hyphen.")

    def wanted(self) -> Wanted:
        """Return it as the services take it."""
        matches = {
            "patient_id": self.patient_id,
            "patient_name": self.patient_name,
            "patient_birth_date": self.patient_birth_date,
        }
        return Wanted(self.q, _given(matches), (), self.sort, self.limit, self.offset)


class StudyListing(SearchListing):
    """Studies."""

    sort: str = Field("-study_date", max_length=64, description="study_date, patient_name, accession_number, ...")
    patient_id: str = Field("", max_length=64, description="Patient ID; `*` and `?` are wildcards.")
    patient_name: str = Field("", max_length=256, description="Name; `*` and `?` are wildcards.")
    study_date: str = Field("", max_length=32, description="YYYYMMDD, or a range with a hyphen.")
    accession_number: str = Field("", max_length=64, description="Accession number; `*` and `?` are wildcards.")
    modality: str = Field("", max_length=64, description="Modality that a series of the study has.")
    study_description: str = Field("", max_length=256, description="Description; `*` and `?` are wildcards.")
    referring_physician_name: str = Field("", max_length=256, description="Name; `*` and `?` are wildcards.")
    label: list[Annotated[str, Field(max_length=64)]] = Field(
        [], max_length=8, description="Label that the study must have; may be repeated."
    )

    def wanted(self) -> Wanted:
        """Return it as the services take it."""
        matches = {
            "patient_id": self.patient_id,
            "patient_name": self.patient_name,
            "study_date": self.study_date,
            "accession_number": self.accession_number,
            "modalities_in_study": self.modality,
            "study_description": self.study_description,
            "referring_physician_name": self.referring_physician_name,
        }
        return Wanted(self.q, _given(matches), tuple(self.label), self.sort, self.limit, self.offset)


class SeriesListing(Listing):
    """Series of a study."""

    sort: str = Field("series_number", max_length=64, description="series_number, modality, series_description, ...")


class InstanceListing(Listing):
    """Instances of a series."""

    sort: str = Field("instance_number", max_length=64, description="instance_number, content_date or sop_class_uid.")


class SignatureListing(BaseModel):
    """Which part of a study's instances that are signed."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=0, le=100, description="How many instances at most.")
    offset: int = Field(0, ge=0, le=1 << 31, description="How many are left out before them.")


def _given(matches: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((column, value) for column, value in matches.items() if value)


Patients = Annotated[PatientListing, Query()]
Studies = Annotated[StudyListing, Query()]
SeriesOfStudy = Annotated[SeriesListing, Query()]
InstancesOfSeries = Annotated[InstanceListing, Query()]
SignedInstances = Annotated[SignatureListing, Query()]
