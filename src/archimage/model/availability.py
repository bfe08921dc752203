"""What others are told of once it is here: instances of a study, and where they are had from.

Ref: PS3.4 Annex R.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GrownStudy:
    """A study, and when its newest instance came, seconds since 1970."""

    study_instance_uid: str
    grown_at: float


@dataclass(frozen=True, slots=True)
class KeptInstance:
    """An instance that the archive has."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
